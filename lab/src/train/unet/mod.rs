//! Training of the purifier's U-Net (DDPM, Ho et al. 2020, arXiv 2006.11239): `cargo lab train purifier`.
//!
//! The passes are written out by hand on rows of pixels; a test holds them against finite differences, and the noise told
//! against the engine in `models`.

mod backward;
pub mod conv;
pub mod crop;
mod forward;
pub mod grid;
pub mod guide;
pub mod kept;
mod layout;
pub mod product;
pub mod residual;
pub mod run;
pub mod step;
pub mod time;
pub mod validate;

use anyhow::{Result, ensure};
use models::{
    preprocess::Preprocess,
    unet::{MAX_T, Schedule, UnetConfig},
};
use serde::{Deserialize, Serialize};

use self::{
    grid::Grid,
    guide::GuideConfig,
    residual::{Activation, ResidualTape, Scratch},
    time::TimeTape,
};
use super::optim::OptimConfig;

pub use backward::{backward, backward_input};
pub use forward::forward;
pub use layout::{ResidualSlots, UnetLayout};

/// What training lowers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// The squared error of the noise, all levels alike (Ho et al. 2020, equation 14).
    Noise,
    /// The squared error of the clean image told in one step, which weighs a level by (1 − ᾱ) / ᾱ.
    Clean,
}

/// Every setting that decides what a run computes; a checkpoint belongs to one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnetTrainConfig {
    /// Geometry.
    pub architecture: UnetConfig,
    /// Input.
    pub preprocess: Preprocess,
    /// Noise levels.
    pub schedule: Schedule,
    /// Highest level that is trained; each from 1 on is as likely as any other.
    pub max_t: u16,
    /// What training lowers.
    pub objective: Objective,
    /// Seed of initialisation, order, crops and noise.
    pub seed: u64,
    /// Passes over the training split.
    pub epochs: u32,
    /// Images in a step.
    pub batch: usize,
    /// Parts of a batch that are computed side by side; it decides the order of additions, so it belongs to the run.
    pub lanes: usize,
    /// Sides of the crops in pixels; each step draws one. An image gives as many as fill the area of the largest.
    pub crops: Vec<usize>,
    /// Largest relative change of contrast and twice the largest change of brightness (of 1).
    pub light: f32,
    /// Optimiser.
    pub optim: OptimConfig,
    /// What an encoder has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<GuideConfig>,
}

impl UnetTrainConfig {
    /// Checks that the settings fit together.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn validate(&self) -> Result<()> {
        self.architecture.validate()?;
        ensure!(self.batch > 0 && self.lanes > 0 && self.epochs > 0, "batch, lanes and epochs start at 1");
        ensure!((1..=MAX_T).contains(&self.max_t), "the highest noise level lies in 1..={MAX_T}");
        ensure!(!self.crops.is_empty(), "at least one side of crops is needed");
        let (size, multiple) = (self.preprocess.size, self.architecture.multiple());
        for side in self.crops.iter().chain([&size]) {
            ensure!(*side > 0 && side.is_multiple_of(multiple), "{side} pixels are no multiple of {multiple}");
            ensure!(*side <= size, "crops of {side} pixels are larger than the images of {size}");
        }
        Ok(())
    }
}

/// Working memory of one lane: reused from step to step.
#[derive(Default)]
pub struct UnetTape {
    /// Of the finest level.
    grid: Grid,
    time: TimeTape,
    folded: Vec<f32>,
    blocks: Vec<ResidualTape>,
    out: Activation,
    noise: Vec<f32>,
    scratch: Scratch,
    /// Where the backward pass stands.
    gradient: Vec<f32>,
    /// For each level, the gradient that comes across the U.
    across: Vec<Vec<f32>>,
}

impl UnetTape {
    /// The noise told, CHW, in the shape of the input.
    pub fn noise(&self) -> &[f32] {
        &self.noise
    }
}

#[cfg(test)]
mod tests;
