//! A whole training run of an autoencoder.

use std::time::Instant;

use anyhow::Result;
use models::TensorMap;
use serde::{Deserialize, Serialize};

use super::{
    MaeTrainConfig,
    step::{Errors, MaeTrainer, validate},
};
use crate::train::{
    checkpoint::Progress,
    job::{self, Job, Origin},
    optim::OptimState,
    run::Folder,
};

/// What an epoch came to; one line of `log.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaeEpoch {
    /// Counted from 1.
    pub epoch: u32,
    /// Mean weighted error of masked patches of augmented images.
    pub loss: f64,
    /// The same of the averaged weights on the validation split, under fixed masks.
    pub val_loss: f64,
    /// Mean error there, all patches alike.
    pub val_error: f64,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// Training images a second.
    pub images_per_second: f64,
}

/// Settings and outcome of a run, `summary.json`; the best is (−loss, error) on the validation split.
pub type MaeSummary = job::Summary<MaeTrainConfig, MaeEpoch>;

/// What a run needs besides its settings.
pub struct MaeInputs {
    /// Training images, 8-bit HWC.
    pub train: Vec<Vec<u8>>,
    /// Validation images; they choose the epoch.
    pub val: Vec<Vec<u8>>,
    /// First parameters.
    pub weights: Vec<f32>,
    /// What they are, in words.
    pub start: String,
    /// The command line.
    pub command: String,
}

struct Autoencoder {
    trainer: MaeTrainer,
    train: Vec<Vec<u8>>,
    val: Vec<Vec<u8>>,
}

/// Trains to the end, or from the last checkpoint to the end; stops early after `stop_after` epochs where that is given.
///
/// # Errors
/// Where files cannot be read or written, or the settings contradict each other.
pub fn run(
    config: MaeTrainConfig,
    inputs: MaeInputs,
    folder: &Folder,
    resume: bool,
    stop_after: Option<u32>,
) -> Result<MaeSummary> {
    let (progress, state) = job::start(&config, inputs.weights, folder, resume)?;
    let MaeInputs { train, val, start, command, .. } = inputs;
    let mut autoencoder = Autoencoder { trainer: MaeTrainer::new(config, state, train.len())?, train, val };
    job::run(&mut autoencoder, progress, Origin { start, command }, folder, stop_after)
}

impl Job for Autoencoder {
    type Config = MaeTrainConfig;
    type Log = MaeEpoch;

    fn config(&self) -> &MaeTrainConfig {
        &self.trainer.config
    }

    fn epochs(&self) -> u32 {
        self.trainer.config.epochs
    }

    fn state(&self) -> &OptimState {
        &self.trainer.state
    }

    fn tensors(&self) -> TensorMap {
        self.trainer.layout.tensors(&self.trainer.state.ema)
    }

    fn epoch(&mut self, progress: &mut Progress) -> Result<MaeEpoch> {
        let (started, trainer, count) = (Instant::now(), &mut self.trainer, self.train.len());
        let bar = job::bar(progress.epoch, trainer.config.epochs, count / trainer.config.batch)?;
        let (mut loss, mut images) = (0.0, 0.0);
        for batch in job::order(trainer.config.seed, progress.epoch, count).chunks_exact(trainer.config.batch) {
            loss += trainer.step(&self.train, batch, progress.epoch).loss;
            images += batch.len() as f64;
            bar.set_message(format!("loss {:.3}", loss / images));
            bar.inc(1);
        }
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        let Errors { loss: val_loss, error: val_error } =
            validate(&trainer.config, &trainer.layout, &trainer.state.ema, &self.val);
        progress.advance(trainer.state.step, seconds);
        if progress.best.is_none_or(|(best, _)| -val_loss > best) {
            progress.crown(-val_loss, val_error);
        }
        let log = MaeEpoch {
            epoch: progress.epoch,
            loss: loss / images,
            val_loss,
            val_error,
            seconds,
            images_per_second: images / seconds,
        };
        println!(
            "epoch {:>3}  loss {:.4}  val {val_loss:.4} (all patches alike {val_error:.4})  {:.0} images/s",
            log.epoch, log.loss, log.images_per_second
        );
        Ok(log)
    }
}
