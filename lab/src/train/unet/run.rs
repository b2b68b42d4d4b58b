//! A whole training run of a purifier's U-Net.

use std::time::Instant;

use anyhow::Result;
use models::TensorMap;
use serde::{Deserialize, Serialize};

use super::{
    UnetTrainConfig,
    guide::Encoder,
    kept::Kept,
    step::UnetTrainer,
    validate::{Measured, validate},
};
use crate::train::{
    checkpoint::Progress,
    job::{self, Job, Origin},
    optim::OptimState,
    run::Folder,
};

/// What an epoch came to; one line of `log.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnetEpoch {
    /// Counted from 1.
    pub epoch: u32,
    /// Mean loss of training crops.
    pub loss: f64,
    /// Mean squared error of the noise that the averaged weights tell, over everything measured.
    pub val_error: f64,
    /// Mean PSNR in dB of the clean images told in one step, likewise.
    pub val_psnr: f64,
    /// The averaged weights on whole validation images and on tiles.
    pub val: Vec<Measured>,
    /// What the encoder of a guided run sees of the images they purify.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// Seconds of training, without validation.
    pub seconds: f64,
    /// Training images a second, each as much as a crop of the largest side.
    pub images_per_second: f64,
}

/// Settings and outcome of a run, `summary.json`; the best is (−error of the noise, PSNR) on the validation split,
/// that of a guided one (−change of the token, PSNR).
pub type UnetSummary = job::Summary<UnetTrainConfig, UnetEpoch>;

/// What a run needs besides its settings.
pub struct UnetInputs {
    /// Training images, 8-bit HWC.
    pub train: Vec<Vec<u8>>,
    /// Validation images; they choose the epoch.
    pub val: Vec<Vec<u8>>,
    /// The encoder of a guided run.
    pub encoder: Option<Encoder>,
    /// First parameters.
    pub weights: Vec<f32>,
    /// What they are, in words.
    pub start: String,
    /// The command line.
    pub command: String,
}

struct Unet {
    trainer: UnetTrainer,
    train: Vec<Vec<u8>>,
    val: Vec<Vec<u8>>,
}

/// Trains to the end, or from the last checkpoint to the end; stops early after `stop_after` epochs where that is given.
///
/// # Errors
/// Where files cannot be read or written, or the settings contradict each other.
pub fn run(
    config: UnetTrainConfig,
    inputs: UnetInputs,
    folder: &Folder,
    resume: bool,
    stop_after: Option<u32>,
) -> Result<UnetSummary> {
    let (progress, state) = job::start(&config, inputs.weights, folder, resume)?;
    let UnetInputs { train, val, encoder, start, command, .. } = inputs;
    let mut unet = Unet { trainer: UnetTrainer::new(config, state, encoder, train.len())?, train, val };
    job::run(&mut unet, progress, Origin { start, command }, folder, stop_after)
}

impl Job for Unet {
    type Config = UnetTrainConfig;
    type Log = UnetEpoch;

    fn config(&self) -> &UnetTrainConfig {
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

    fn epoch(&mut self, progress: &mut Progress) -> Result<UnetEpoch> {
        let (started, trainer, count) = (Instant::now(), &mut self.trainer, self.train.len());
        let bar = job::bar(progress.epoch, trainer.config.epochs, count / trainer.config.batch)?;
        let (mut loss, mut steps) = (0.0, 0.0);
        for batch in job::order(trainer.config.seed, progress.epoch, count).chunks_exact(trainer.config.batch) {
            loss += trainer.step(&self.train, batch, progress.epoch);
            steps += 1.0;
            bar.set_message(format!("loss {:.4}", loss / steps));
            bar.inc(1);
        }
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        let val = validate(&trainer.config, &trainer.layout, &trainer.state.ema, &self.val);
        let mean = |part: fn(&Measured) -> f64| val.iter().map(part).sum::<f64>() / val.len() as f64;
        let (val_error, val_psnr) = (mean(|m| m.error), mean(|m| m.psnr));
        let kept = trainer.guided().map(|guided| guided.kept(&self.val)).unwrap_or_default();
        let changes = kept.iter().flat_map(|kept| kept.change);
        let error = if kept.is_empty() { val_error } else { changes.sum::<f64>() / (2 * kept.len()) as f64 };
        progress.advance(trainer.state.step, seconds);
        if progress.best.is_none_or(|(best, _)| -error > best) {
            progress.crown(-error, val_psnr);
        }
        let images_per_second = steps * trainer.config.batch as f64 / seconds;
        let (epoch, loss) = (progress.epoch, loss / steps);
        println!(
            "epoch {epoch:>3}  loss {loss:.4}  val {val_error:.4} ({val_psnr:.2} dB in one step)  {images_per_second:.0} images/s"
        );
        for Kept { side, t, change, answers } in &kept {
            println!("  tiles of {side}, t {t}: token changed by {change:.4?}, answers kept {answers:.3?} (clean, attacked)");
        }
        let log = UnetEpoch { epoch, loss, val_error, val_psnr, val, kept, seconds, images_per_second };
        Ok(log)
    }
}
