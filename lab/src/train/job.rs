//! What every training run does: epochs from the last checkpoint on, a log, the best weights.

use std::{io::Write, path::Path};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use models::TensorMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    checkpoint::{self, Progress},
    optim::OptimState,
    run::Folder,
};

/// A network in training.
pub trait Job {
    /// The settings that a checkpoint belongs to.
    type Config: Serialize + Clone;
    /// What is logged of an epoch.
    type Log: Serialize + DeserializeOwned;

    /// Settings.
    fn config(&self) -> &Self::Config;
    /// Epochs of the whole run.
    fn epochs(&self) -> u32;
    /// Parameters and optimiser.
    fn state(&self) -> &OptimState;
    /// The averaged weights as a file.
    fn tensors(&self) -> TensorMap;
    /// Trains for one epoch, validates, and carries the outcome into `progress`.
    ///
    /// # Errors
    /// Where the terminal fails.
    fn epoch(&mut self, progress: &mut Progress) -> Result<Self::Log>;
}

/// Settings and outcome of a run, `summary.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary<C, L> {
    /// Settings.
    pub config: C,
    /// What the weights started from.
    pub start: String,
    /// The command line.
    pub command: String,
    /// Where it ended; what the best is, the job says.
    pub progress: Progress,
    /// Every epoch.
    pub epochs: Vec<L>,
}

/// How a run began, in words.
pub struct Origin {
    /// What the weights started from.
    pub start: String,
    /// The command line.
    pub command: String,
}

/// Trains to the end, or for `stop_after` epochs, and writes the summary.
///
/// # Errors
/// Where files cannot be read or written.
pub fn run<J: Job>(
    job: &mut J,
    mut progress: Progress,
    origin: Origin,
    folder: &Folder,
    stop_after: Option<u32>,
) -> Result<Summary<J::Config, J::Log>> {
    let epochs = drive(job, &mut progress, folder, stop_after)?;
    let Origin { start, command } = origin;
    let summary = Summary { config: job.config().clone(), start, command, progress, epochs };
    checkpoint::write_whole(&folder.summary(), serde_json::to_string_pretty(&summary)?.as_bytes())?;
    Ok(summary)
}

/// The state that a run starts from: of the last checkpoint where it is resumed, otherwise of `weights`.
///
/// # Errors
/// Where there is no checkpoint to resume, or one of other settings.
pub fn start(config: &impl Serialize, weights: Vec<f32>, folder: &Folder, resume: bool) -> Result<(Progress, OptimState)> {
    if resume {
        return checkpoint::load(&folder.last(), config);
    }
    // A folder that is trained in for the first time has no log.
    let _ = std::fs::remove_file(folder.log());
    Ok((Progress { epoch: 0, step: 0, best: None, best_epoch: 0, seconds: 0.0 }, OptimState::new(weights)))
}

/// Trains, and returns the log of every epoch, those of earlier sessions too.
fn drive<J: Job>(job: &mut J, progress: &mut Progress, folder: &Folder, stop_after: Option<u32>) -> Result<Vec<J::Log>> {
    let end = stop_after.map_or(job.epochs(), |n| (progress.epoch + n).min(job.epochs()));
    while progress.epoch < end {
        let log = job.epoch(progress)?;
        if progress.best_epoch == progress.epoch {
            checkpoint::write_whole(&folder.best(), &job.tensors().to_safetensors_f32()?)?;
        }
        checkpoint::save(&folder.last(), job.config(), progress, job.state())?;
        append(&folder.log(), &log)?;
    }
    read_log(&folder.log())
}

/// The order of `images` training images in an epoch.
pub fn order(seed: u64, epoch: u32, images: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(epoch) << 32 | u64::from(u32::MAX));
    let mut order: Vec<usize> = (0..images).collect();
    for i in (1..images).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

/// The generator of one image in one epoch.
pub fn generator(seed: u64, epoch: u32, image: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(epoch) << 32 | image as u64);
    rng
}

/// Shows how far an epoch is.
///
/// # Errors
/// Where the terminal fails.
pub fn bar(epoch: u32, epochs: u32, batches: usize) -> Result<ProgressBar> {
    let bar = ProgressBar::new(batches as u64);
    bar.set_style(ProgressStyle::with_template("epoch {prefix} {bar:30} {pos}/{len} {msg} eta {eta}")?);
    bar.set_prefix(format!("{}/{epochs}", epoch + 1));
    Ok(bar)
}

fn append(path: &Path, log: &impl Serialize) -> Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{}", serde_json::to_string(log)?)?;
    Ok(())
}

fn read_log<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path)?;
    text.lines().map(|line| serde_json::from_str(line).context("the log is damaged")).collect()
}
