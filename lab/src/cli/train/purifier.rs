//! `lab train purifier`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use models::{
    preprocess::{Channels, Preprocess},
    unet::{Schedule, UnetConfig},
};

use crate::{
    attack::network::Network,
    data::{self, Split},
    train::{
        optim::OptimConfig,
        run::Folder,
        unet::{
            Objective, UnetLayout, UnetTrainConfig,
            guide::{Encoder, GuideConfig},
            run::{self, UnetInputs},
        },
    },
};

/// Arguments of `train purifier`.
#[derive(Args)]
pub struct Purifier {
    /// Folder with index.csv, train.tar and val.tar; may be given several times [default: br35h of the shared data]
    #[arg(long)]
    data: Vec<PathBuf>,
    /// First weights: `random`, a safetensors file, or the folder of a run, whose best weights are taken.
    #[arg(long, default_value = "random")]
    init: String,
    /// Where checkpoints, log and the best weights go.
    #[arg(long, default_value = "target/lab/purifier")]
    out: PathBuf,
    /// Go on from the last checkpoint in --out.
    #[arg(long)]
    resume: bool,
    /// Stop after this many epochs; --resume goes on.
    #[arg(long)]
    stop_after: Option<u32>,
    /// Passes over the training images.
    #[arg(long, default_value_t = 60)]
    epochs: u32,
    /// Images in a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 1e-3)]
    lr: f32,
    /// Weight decay of matrices and kernels.
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f32,
    /// Decay of the moving average of the weights.
    #[arg(long, default_value_t = 0.998)]
    ema: f32,
    /// Noise schedule.
    #[arg(long, value_enum, default_value_t = Noise::Linear)]
    schedule: Noise,
    /// Highest noise level that is trained, of 1000.
    #[arg(long, default_value_t = 250)]
    max_t: u16,
    /// Train for one step: lower the error of the clean image told at once, not that of the noise.
    #[arg(long)]
    student: bool,
    /// Folder of a model pack whose encoder guides a student: its CLS tokens are to survive, and every other image is attacked
    /// first. Crops whose side divides that of the images are then tiles that make up whole images.
    #[arg(long, requires = "student")]
    encoder: Option<PathBuf>,
    /// Weight of the squared change of the CLS token.
    #[arg(long, default_value_t = 0.1)]
    token_weight: f32,
    /// Largest change of a pixel by an attack in a guided run, of 1.
    #[arg(long, default_value_t = 0.03)]
    eps: f32,
    /// Steps of that attack.
    #[arg(long, default_value_t = 3)]
    attack_steps: u32,
    /// Sides of the crops; each step draws one of them.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 64, 32, 24])]
    crop: Vec<usize>,
    /// Largest relative change of contrast.
    #[arg(long, default_value_t = 0.1)]
    light: f32,
    /// Channels of each level, from the finest on.
    #[arg(long, value_delimiter = ',', default_values_t = [24, 48, 64])]
    widths: Vec<usize>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Side of the images in pixels.
    #[arg(long, default_value_t = 128)]
    image_size: usize,
    /// Train on colour images.
    #[arg(long)]
    rgb: bool,
    /// Parts of a batch computed side by side.
    #[arg(long, default_value_t = 2)]
    lanes: usize,
}

/// [`Schedule`] on the command line.
#[derive(Clone, Copy, ValueEnum)]
enum Noise {
    Linear,
    Cosine,
}

impl Purifier {
    fn config(&self) -> UnetTrainConfig {
        let (channels, count) = if self.rgb { (Channels::Rgb, 3) } else { (Channels::Grey, 1) };
        let half = vec![0.5; count];
        UnetTrainConfig {
            architecture: UnetConfig { widths: self.widths.clone(), ..UnetConfig::standard(count) },
            preprocess: Preprocess { size: self.image_size, channels, mean: half.clone(), std: half },
            schedule: match self.schedule {
                Noise::Linear => Schedule::Linear,
                Noise::Cosine => Schedule::Cosine,
            },
            max_t: self.max_t,
            objective: if self.student { Objective::Clean } else { Objective::Noise },
            seed: self.seed,
            epochs: self.epochs,
            batch: self.batch,
            lanes: self.lanes,
            crops: self.crop.clone(),
            light: self.light,
            optim: OptimConfig {
                lr: self.lr,
                weight_decay: self.weight_decay,
                layer_decay: 1.0,
                clip: 1.0,
                ema: self.ema,
                warmup: 0.05,
            },
            guide: self.encoder.is_some().then_some(GuideConfig {
                token_weight: self.token_weight,
                eps: self.eps,
                attack_steps: self.attack_steps,
            }),
        }
    }

    fn first_weights(&self, config: &UnetTrainConfig) -> Result<(Vec<f32>, String)> {
        config.validate()?;
        let layout = UnetLayout::new(&config.architecture);
        let mut flat = layout.random(self.seed);
        if self.init == "random" {
            ensure!(!self.student, "a student starts from a trained network: name one with --init");
            return Ok((flat, "random weights".into()));
        }
        let init = Path::new(&self.init);
        let file = if init.is_dir() { Folder::make(init)?.best() } else { init.to_path_buf() };
        layout.load(&super::read_weights(&file)?, &mut flat)?;
        Ok((flat, init.file_name().unwrap_or_default().to_string_lossy().into_owned()))
    }

    /// The encoder of the pack that guides.
    fn guide(&self, config: &UnetTrainConfig) -> Result<Option<Encoder>> {
        let Some(folder) = &self.encoder else { return Ok(None) };
        let Network { layout, weights, preprocess, .. } = Network::load(folder)?.0;
        ensure!(
            (preprocess.size, preprocess.channels) == (config.preprocess.size, config.preprocess.channels),
            "the encoder in {} sees other images: choose its --image-size and channels",
            folder.display()
        );
        Ok(Some(Encoder { layout, weights, preprocess }))
    }

    /// The images of a split of every folder.
    fn pixels(&self, split: &str, preprocess: &Preprocess) -> Result<Vec<Vec<u8>>> {
        let mut folders = self.data.clone();
        if folders.is_empty() {
            folders.push(data::default_folder("br35h"));
        }
        let mut all = Vec::new();
        for folder in folders {
            all.extend(Split::load(&folder, split, None)?.pixels(preprocess)?);
        }
        Ok(all)
    }

    /// Runs `train purifier`.
    pub fn run(&self) -> Result<()> {
        let config = self.config();
        let (weights, start) = self.first_weights(&config)?;
        let (train, val) = (self.pixels("train", &config.preprocess)?, self.pixels("val", &config.preprocess)?);
        println!("{} training images, {} for validation, start: {start}", train.len(), val.len());
        let inputs =
            UnetInputs { train, val, encoder: self.guide(&config)?, weights, start, command: crate::cli::command_line() };
        let out = Folder::make(&self.out)?;
        let summary = run::run(config, inputs, &out, self.resume, self.stop_after)?;
        println!("best: epoch {}, {:?}; {}", summary.progress.best_epoch, summary.progress.best, out.best().display());
        Ok(())
    }
}
