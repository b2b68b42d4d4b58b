//! A whole training run: epochs, validation, checkpoints, log.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use models::TensorMap;
use serde::{Deserialize, Serialize};

use super::{
    TrainConfig,
    adversarial::{Target, robust_accuracy},
    checkpoint::Progress,
    job::{self, Job, Origin},
    loss,
    optim::OptimState,
    step::{Images, Sums, Teacher, Trainer, answers, infer},
};

/// What an epoch came to; one line of `log.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EpochLog {
    /// Counted from 1.
    pub epoch: u32,
    /// Mean loss on augmented images.
    pub loss: f64,
    /// Accuracy on augmented images, during training.
    pub train_accuracy: f64,
    /// Accuracy of the averaged weights on the validation split.
    pub val_accuracy: f64,
    /// Negative log-likelihood of the same.
    pub val_nll: f64,
    /// Accuracy of the weights themselves.
    pub val_accuracy_raw: f64,
    /// Accuracy of the averaged weights on attacked validation images, at most 100; in adversarial training only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_robust: Option<f64>,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
}

/// Files of a run.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn make(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path.to_path_buf()))
    }

    /// Checkpoint after the last epoch.
    pub fn last(&self) -> PathBuf {
        self.0.join("last.safetensors")
    }

    /// Averaged weights of the best epoch, timm names, with the training head.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// One line of JSON for each epoch.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.jsonl")
    }

    /// Settings and outcome.
    pub fn summary(&self) -> PathBuf {
        self.0.join("summary.json")
    }
}

/// Settings and outcome of a run, `summary.json`.
pub type Summary = job::Summary<TrainConfig, EpochLog>;

/// What a run needs besides its settings.
pub struct Inputs {
    /// Training split.
    pub train: Images,
    /// Validation split; it chooses the epoch.
    pub val: Images,
    /// Network to distil from.
    pub teacher: Option<Teacher>,
    /// First parameters.
    pub weights: Vec<f32>,
    /// What they are, in words.
    pub start: String,
    /// The command line.
    pub command: String,
}

/// Trains to the end, or from the last checkpoint to the end; stops early after `stop_after` epochs where that is given.
///
/// # Errors
/// Where files cannot be read or written, or the settings contradict each other.
pub fn run(config: TrainConfig, inputs: Inputs, folder: &Folder, resume: bool, stop_after: Option<u32>) -> Result<Summary> {
    let (progress, state) = job::start(&config, inputs.weights, folder, resume)?;
    let Inputs { train, val, teacher, start, command, .. } = inputs;
    let trainer = Trainer::new(config, state, teacher, train.pixels.len())?;
    let mut encoder = Encoder { trainer, train, val };
    job::run(&mut encoder, progress, Origin { start, command }, folder, stop_after)
}

struct Encoder {
    trainer: Trainer,
    train: Images,
    val: Images,
}

impl Job for Encoder {
    type Config = TrainConfig;
    type Log = EpochLog;

    fn config(&self) -> &TrainConfig {
        &self.trainer.config
    }

    fn epochs(&self) -> u32 {
        self.trainer.config.epochs
    }

    fn state(&self) -> &OptimState {
        &self.trainer.state
    }

    fn tensors(&self) -> TensorMap {
        self.trainer.layout.tensors(&self.trainer.state.ema, true)
    }

    fn epoch(&mut self, progress: &mut Progress) -> Result<EpochLog> {
        epoch(&mut self.trainer, &self.train, &self.val, progress)
    }
}

fn epoch(trainer: &mut Trainer, train: &Images, val: &Images, progress: &mut Progress) -> Result<EpochLog> {
    let started = Instant::now();
    let count = train.pixels.len();
    let batches = count / trainer.config.batch;
    let bar = job::bar(progress.epoch, trainer.config.epochs, batches)?;
    let mut sums = Sums::default();
    let order = trainer.order(progress.epoch, count);
    for batch in order.chunks_exact(trainer.config.batch) {
        sums.add(&trainer.step(train, batch, progress.epoch));
        bar.set_message(format!("loss {:.3}", sums.loss / sums.images as f64));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let (val_accuracy, val_nll) = validate(trainer, &trainer.state.ema, val);
    let (val_accuracy_raw, _) = validate(trainer, &trainer.state.weights, val);
    progress.advance(trainer.state.step, seconds);
    let val_robust = robust(trainer, val);
    let score = val_robust.map_or(val_accuracy, |robust| (val_accuracy + robust) / 2.0);
    let better = progress.best.is_none_or(|(best, nll)| score > best || (score == best && val_nll < nll));
    if better {
        progress.crown(score, val_nll);
    }
    let images = sums.images as f64;
    let log = EpochLog {
        epoch: progress.epoch,
        loss: sums.loss / images,
        train_accuracy: sums.right as f64 / images,
        val_accuracy,
        val_nll,
        val_accuracy_raw,
        val_robust,
        seconds,
        images_per_second: images / seconds,
    };
    println!(
        "epoch {:>3}  loss {:.4}  train {:.4}  val {:.4} (nll {:.4}, without averaging {:.4}){}  {:.0} images/s{}",
        log.epoch,
        log.loss,
        log.train_accuracy,
        val_accuracy,
        val_nll,
        val_accuracy_raw,
        val_robust.map_or(String::new(), |robust| format!("  attacked {robust:.4}")),
        log.images_per_second,
        if better { "  best" } else { "" }
    );
    Ok(log)
}

/// Accuracy of the averaged weights under attack, where the run is adversarial.
fn robust(trainer: &Trainer, val: &Images) -> Option<f64> {
    let TrainConfig { adversarial, preprocess, seed, .. } = &trainer.config;
    let target = Target { layout: &trainer.layout, weights: &trainer.state.ema, preprocess };
    // No epoch of training reaches this one's generators.
    let generator = |image| job::generator(*seed, u32::MAX, image);
    adversarial.as_ref().map(|a| robust_accuracy(target, a.validation(), val, generator))
}

fn validate(trainer: &Trainer, weights: &[f32], val: &Images) -> (f64, f64) {
    let (logits, _) = infer(&trainer.config, &trainer.layout, weights, val);
    let classes = trainer.layout.classes;
    let count = val.classes.len() as f64;
    let right = answers(&logits, classes).iter().zip(&val.classes).filter(|(a, b)| a == b).count();
    let mut unused = vec![0.0; logits.len()];
    let nll = loss::cross_entropy(&logits, &val.classes, 0.0, 0.0, &mut unused);
    (right as f64 / count, nll / count)
}
