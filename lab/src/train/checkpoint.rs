//! Checkpoints: the optimiser's whole state and the settings it belongs to, in one safetensors file.

use std::{collections::HashMap, path::Path};

use anyhow::{Context, Result, ensure};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::optim::OptimState;

/// Where a run stands, besides its vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// Steps done.
    pub step: u64,
    /// Best score on the validation split so far (accuracy; in adversarial training the mean of those on clean and on attacked
    /// images) and the negative log-likelihood of that epoch.
    pub best: Option<(f64, f64)>,
    /// Epoch of the best.
    pub best_epoch: u32,
    /// Seconds trained.
    pub seconds: f64,
}

impl Progress {
    /// Counts an epoch that has ended at this step, after so many seconds.
    pub fn advance(&mut self, step: u64, seconds: f64) {
        self.epoch += 1;
        self.step = step;
        self.seconds += seconds;
    }

    /// Makes the last epoch the best one: its score, and what is told beside it.
    pub fn crown(&mut self, score: f64, beside: f64) {
        self.best = Some((score, beside));
        self.best_epoch = self.epoch;
    }
}

const VECTORS: [&str; 4] = ["weights", "ema", "first", "second"];

/// Writes a checkpoint; an interrupted write leaves the old one in place.
///
/// # Errors
/// Where the file cannot be written.
pub fn save(path: &Path, config: &impl Serialize, progress: &Progress, state: &OptimState) -> Result<()> {
    let vectors = [&state.weights, &state.ema, &state.first, &state.second];
    let bytes = vectors.map(|v| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
    let mut views = Vec::new();
    for (name, bytes) in VECTORS.iter().zip(&bytes) {
        views.push((*name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?));
    }
    let texts = HashMap::from([
        ("config".to_string(), serde_json::to_string(config)?),
        ("progress".to_string(), serde_json::to_string(progress)?),
    ]);
    write_whole(path, &safetensors::serialize(views, Some(texts))?)
}

/// Reads a checkpoint that was written under the same settings.
///
/// # Errors
/// Where the file is missing, damaged, or of other settings.
pub fn load(path: &Path, config: &impl Serialize) -> Result<(Progress, OptimState)> {
    let bytes = std::fs::read(path).with_context(|| format!("no checkpoint at {}", path.display()))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes)?;
    let texts = metadata.metadata().clone().unwrap_or_default();
    let text = |name: &str| texts.get(name).with_context(|| format!("{} has no `{name}`", path.display()));
    ensure!(
        *text("config")? == serde_json::to_string(config)?,
        "{} was written under other settings; resume with the same ones or choose another --out",
        path.display()
    );
    let progress: Progress = serde_json::from_str(text("progress")?)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let vector = |name: &str| -> Result<Vec<f32>> {
        let words = file.tensor(name)?.data().chunks_exact(4);
        Ok(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    let [weights, ema, first, second] = VECTORS.map(vector);
    let state = OptimState { weights: weights?, ema: ema?, first: first?, second: second?, step: progress.step };
    Ok((progress, state))
}

/// Writes beside the target and renames.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("part");
    std::fs::write(&beside, bytes).with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
}
