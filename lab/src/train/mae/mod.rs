//! Training of masked autoencoders (He et al. 2022): `cargo lab train mae`.
//!
//! The passes are written out by hand on the encoder's own blocks; a test holds them against finite differences, and the
//! drawings against the engine in `models`.

mod backward;
mod forward;
pub mod layout;
pub mod run;
pub mod step;

use models::{
    mae::{MaeConfig, Mask},
    preprocess::Preprocess,
};
use serde::{Deserialize, Serialize};

use super::{
    augment::Augment,
    block::{BlockTape, NormTape, Scratch},
    optim::OptimConfig,
};

pub use backward::{backward, backward_input};
pub use forward::forward;
pub use layout::MaeLayout;

/// Every setting that decides what a run computes; a checkpoint belongs to one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaeTrainConfig {
    /// Geometry.
    pub architecture: MaeConfig,
    /// Input.
    pub preprocess: Preprocess,
    /// Seed of initialisation, order, augmentation and masks.
    pub seed: u64,
    /// Passes over the training split.
    pub epochs: u32,
    /// Images in a step.
    pub batch: usize,
    /// Parts of a batch that are computed side by side; it decides the order of additions, so it belongs to the run.
    pub lanes: usize,
    /// Part of the patches that is masked.
    pub masked: f32,
    /// Variance of a patch (of normalised input) at which its error counts half; an almost even patch holds noise that
    /// nothing can draw.
    pub quiet: f32,
    /// Optimiser.
    pub optim: OptimConfig,
    /// Augmentation.
    pub augment: Augment,
}

/// Working memory of one lane: reused from step to step.
#[derive(Default)]
pub struct MaeTape {
    masks: Vec<Mask>,
    patches: Vec<f32>,
    seen: Vec<f32>,
    tokens: Vec<f32>,
    blocks: Vec<BlockTape>,
    last: NormTape,
    decoder: Vec<f32>,
    decoder_blocks: Vec<BlockTape>,
    decoder_last: NormTape,
    predictions: Vec<f32>,
    scratch: Scratch,
}

impl MaeTape {
    /// What the decoder draws, [images × masked, patch_len], in the order of each mask and the units of
    /// [`models::mae::targets`].
    pub fn predictions(&self) -> &[f32] {
        &self.predictions
    }
}

#[cfg(test)]
mod tests;
