//! `lab train mae`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use models::{
    VitConfig,
    mae::MaeConfig,
    preprocess::{Channels, Preprocess},
};

use crate::{
    data::{self, Split},
    train::{
        augment::Augment,
        mae::{
            MaeLayout, MaeTrainConfig,
            run::{self, MaeInputs},
        },
        optim::OptimConfig,
        run::Folder,
    },
};

/// Arguments of `train mae`.
#[derive(Args)]
pub struct Mae {
    /// Folder with index.csv, train.tar and val.tar [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// First weights of the encoder: `random`, or a safetensors file with timm or Hugging Face names.
    #[arg(long, default_value = "random")]
    init: String,
    /// Blocks of --init to keep, for example 0,2,4,7,9,11 [default: evenly spread]
    #[arg(long, value_delimiter = ',')]
    layers: Vec<usize>,
    /// Where checkpoints, log and the best weights go.
    #[arg(long, default_value = "target/lab/mae")]
    out: PathBuf,
    /// Go on from the last checkpoint in --out.
    #[arg(long)]
    resume: bool,
    /// Stop after this many epochs; --resume goes on.
    #[arg(long)]
    stop_after: Option<u32>,
    /// Passes over the training split.
    #[arg(long, default_value_t = 60)]
    epochs: u32,
    /// Images in a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 1e-3)]
    lr: f32,
    /// Weight decay of matrices.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f32,
    /// Decay of the moving average of the weights.
    #[arg(long, default_value_t = 0.99)]
    ema: f32,
    /// Part of the patches that is masked.
    #[arg(long, default_value_t = 0.75)]
    masked: f32,
    /// Variance of a patch, of inputs in -1..1, at which its error counts half; 0 counts all alike.
    #[arg(long, default_value_t = 4e-3)]
    quiet: f32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Side of the input in pixels.
    #[arg(long, default_value_t = 128)]
    image_size: usize,
    /// Blocks of the encoder.
    #[arg(long, default_value_t = 6)]
    depth: usize,
    /// Width of a token in the decoder.
    #[arg(long, default_value_t = 128)]
    decoder_dim: usize,
    /// Blocks of the decoder.
    #[arg(long, default_value_t = 2)]
    decoder_depth: usize,
    /// Draw colour images in colour.
    #[arg(long)]
    rgb: bool,
    /// Augment as a texture: quarter turns, mirrored borders.
    #[arg(long)]
    texture: bool,
    /// Parts of a batch computed side by side.
    #[arg(long, default_value_t = 2)]
    lanes: usize,
}

impl Mae {
    fn config(&self) -> MaeTrainConfig {
        let (channels, count) = if self.rgb { (Channels::Rgb, 3) } else { (Channels::Grey, 1) };
        let encoder = VitConfig { in_channels: count, depth: self.depth, ..VitConfig::tiny16(self.image_size) };
        let half = vec![0.5; count];
        MaeTrainConfig {
            architecture: MaeConfig {
                encoder,
                decoder_dim: self.decoder_dim,
                decoder_depth: self.decoder_depth,
                decoder_heads: 4,
                decoder_mlp_dim: 4 * self.decoder_dim,
            },
            preprocess: Preprocess { size: self.image_size, channels, mean: half.clone(), std: half },
            seed: self.seed,
            epochs: self.epochs,
            batch: self.batch,
            lanes: self.lanes,
            masked: self.masked,
            quiet: self.quiet,
            optim: OptimConfig {
                lr: self.lr,
                weight_decay: self.weight_decay,
                layer_decay: 1.0,
                clip: 1.0,
                ema: self.ema,
                warmup: 0.1,
            },
            // Blur and noise would change what is to be drawn: the detector looks for such changes.
            augment: Augment {
                rotation: 10.0,
                scale: 0.1,
                light: 0.1,
                blur: 0.0,
                noise: 0.0,
                texture: self.texture,
                ..Augment::default()
            },
        }
    }

    fn first_weights(&self, config: &MaeTrainConfig) -> Result<(Vec<f32>, String)> {
        let layout = MaeLayout::new(&config.architecture);
        let mut flat = layout.random(self.seed);
        if self.init == "random" {
            return Ok((flat, "random weights".into()));
        }
        let (fitted, start) = super::fitted(Path::new(&self.init), &self.layers, &config.architecture.encoder)?;
        layout.load(&fitted, &mut flat)?;
        Ok((flat, start))
    }

    /// Runs `train mae`.
    pub fn run(&self) -> Result<()> {
        let folder = self.data.clone().unwrap_or_else(|| data::default_folder("br35h"));
        let train = Split::load(&folder, "train", None)?;
        let val = Split::load(&folder, "val", None)?;
        let config = self.config();
        let (weights, start) = self.first_weights(&config)?;
        println!(
            "{} training images in {} groups, {} for validation, start: {start}",
            train.samples.len(),
            train.groups(),
            val.samples.len()
        );
        let inputs = MaeInputs {
            train: train.pixels(&config.preprocess)?,
            val: val.pixels(&config.preprocess)?,
            weights,
            start,
            command: crate::cli::command_line(),
        };
        let out = Folder::make(&self.out)?;
        let summary = run::run(config, inputs, &out, self.resume, self.stop_after)?;
        println!("best: epoch {}, {:?}; {}", summary.progress.best_epoch, summary.progress.best, out.best().display());
        Ok(())
    }
}
