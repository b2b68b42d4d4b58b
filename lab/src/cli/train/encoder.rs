//! `lab train encoder`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use models::{
    config::VitConfig,
    preprocess::{Channels, Preprocess},
};

use crate::{
    data::{self, Split},
    train::{
        TrainConfig,
        adversarial::Adversarial,
        augment::Augment,
        init,
        loss::DistilWeights,
        optim::OptimConfig,
        params::Layout,
        run::{self, Folder, Inputs},
        step::Teacher,
    },
};

/// Arguments of `train encoder`.
#[derive(Args)]
pub struct Encoder {
    /// Folder with index.csv, train.tar and val.tar [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// First weights: `random`, a safetensors file with timm or Hugging Face names, or the folder of a model pack, which
    /// gives its head as well.
    #[arg(long, default_value = "random")]
    init: String,
    /// Where checkpoints, log and the best weights go.
    #[arg(long, default_value = "target/lab/encoder")]
    out: PathBuf,
    /// Go on from the last checkpoint in --out.
    #[arg(long)]
    resume: bool,
    /// Stop after this many epochs; --resume goes on.
    #[arg(long)]
    stop_after: Option<u32>,
    /// Passes over the training split.
    #[arg(long, default_value_t = 12)]
    epochs: u32,
    /// Images in a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-4)]
    lr: f32,
    /// Learning-rate factor from each block to the one below it.
    #[arg(long, default_value_t = 0.85)]
    layer_decay: f32,
    /// Weight decay of matrices.
    #[arg(long, default_value_t = 0.05)]
    weight_decay: f32,
    /// Decay of the moving average of the weights.
    #[arg(long, default_value_t = 0.995)]
    ema: f32,
    /// Largest probability of dropping a branch (stochastic depth).
    #[arg(long, default_value_t = 0.05)]
    drop_path: f32,
    /// Label smoothing.
    #[arg(long, default_value_t = 0.1)]
    smoothing: f32,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Side of the input in pixels.
    #[arg(long, default_value_t = 128)]
    image_size: usize,
    /// Width of a token.
    #[arg(long, default_value_t = 192)]
    dim: usize,
    /// Attention heads.
    #[arg(long, default_value_t = 3)]
    heads: usize,
    /// Number of blocks.
    #[arg(long, default_value_t = 12)]
    depth: usize,
    /// Blocks of --init to keep, for example 0,2,4,7,9,11 [default: evenly spread]
    #[arg(long, value_delimiter = ',')]
    layers: Vec<usize>,
    /// Encode colour images in colour.
    #[arg(long)]
    rgb: bool,
    /// Augment as a texture: quarter turns, mirrored borders.
    #[arg(long)]
    texture: bool,
    /// Learn from this network as well: the folder of a finished run.
    #[arg(long)]
    distil: Option<PathBuf>,
    /// Train on attacked images as well: the largest change of a pixel, of 1 (L∞), for example 0.015.
    #[arg(long)]
    adversarial: Option<f32>,
    /// Steps of the attack in adversarial training.
    #[arg(long, default_value_t = 2)]
    adversarial_steps: u32,
    /// Weight of the attacked images in the loss; at 1 clean ones are left out.
    #[arg(long, default_value_t = 0.5)]
    adversarial_share: f32,
    /// Parts of a batch computed side by side.
    #[arg(long, default_value_t = 2)]
    lanes: usize,
}

impl Encoder {
    fn config(&self, labels: Vec<String>) -> TrainConfig {
        let (channels, count) = if self.rgb { (Channels::Rgb, 3) } else { (Channels::Grey, 1) };
        let encoder = VitConfig {
            in_channels: count,
            dim: self.dim,
            heads: self.heads,
            depth: self.depth,
            mlp_dim: 4 * self.dim,
            ..VitConfig::tiny16(self.image_size)
        };
        let half = vec![0.5; count];
        TrainConfig {
            encoder,
            preprocess: Preprocess { size: self.image_size, channels, mean: half.clone(), std: half },
            labels,
            seed: self.seed,
            epochs: self.epochs,
            batch: self.batch,
            lanes: self.lanes,
            smoothing: self.smoothing,
            drop_path: self.drop_path,
            optim: OptimConfig {
                lr: self.lr,
                weight_decay: self.weight_decay,
                layer_decay: self.layer_decay,
                clip: 1.0,
                ema: self.ema,
                warmup: 0.1,
            },
            augment: Augment { texture: self.texture, ..Augment::default() },
            distil: self.distil.as_ref().map(|_| DistilWeights::default()),
            adversarial: self.adversarial.map(|eps| Adversarial {
                eps,
                steps: self.adversarial_steps,
                share: self.adversarial_share,
            }),
        }
    }

    fn first_weights(&self, config: &TrainConfig) -> Result<(Vec<f32>, String)> {
        let layout = Layout::new(&config.encoder, config.labels.len());
        let mut flat = layout.random(self.seed);
        if self.init == "random" {
            return Ok((flat, "random weights".into()));
        }
        let (fitted, start) = super::fitted(Path::new(&self.init), &self.layers, &config.encoder)?;
        layout.load(&fitted, &mut flat)?;
        Ok((flat, start))
    }

    fn teacher(&self, config: &TrainConfig) -> Result<Option<Teacher>> {
        let Some(folder) = &self.distil else {
            return Ok(None);
        };
        let folder = Folder::make(folder)?;
        let summary = super::read_summary(&folder).context("--distil names no teacher")?;
        ensure!(summary.config.labels == config.labels, "the teacher of --distil knows other classes");
        let layout = Layout::new(&summary.config.encoder, config.labels.len());
        let mut weights = layout.random(0);
        layout.load(&super::read_weights(&folder.best())?, &mut weights)?;
        let layers =
            if self.layers.is_empty() { init::spread_layers(layout.config.depth, self.depth) } else { self.layers.clone() };
        Ok(Some(Teacher { layout, weights, layers }))
    }

    /// Runs `train encoder`.
    pub fn run(&self) -> Result<()> {
        let folder = self.data.clone().unwrap_or_else(|| data::default_folder("br35h"));
        let train = Split::load(&folder, "train", None)?;
        let val = Split::load(&folder, "val", None)?;
        let config = self.config(train.labels.clone());
        let (weights, start) = self.first_weights(&config)?;
        let inputs = Inputs {
            train: super::images(&train, &config.preprocess)?,
            val: super::images(&val, &config.preprocess)?,
            teacher: self.teacher(&config)?,
            weights,
            start,
            command: crate::cli::command_line(),
        };
        println!(
            "{} training images in {} groups, {} for validation, start: {}",
            train.samples.len(),
            train.groups(),
            val.samples.len(),
            inputs.start
        );
        let out = Folder::make(&self.out)?;
        let summary = run::run(config, inputs, &out, self.resume, self.stop_after)?;
        println!("best: epoch {}, {:?}; {}", summary.progress.best_epoch, summary.progress.best, out.best().display());
        Ok(())
    }
}
