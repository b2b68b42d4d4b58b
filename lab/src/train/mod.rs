//! Training of encoders, masked autoencoders and purifiers: `cargo lab train`.

pub mod adversarial;
pub mod augment;
pub mod block;
pub mod checkpoint;
pub mod init;
pub mod job;
pub mod lanes;
pub mod loss;
pub mod mae;
pub mod math;
pub mod optim;
pub mod params;
pub mod patches;
pub mod run;
pub mod step;
pub mod unet;
pub mod vit;

use models::{config::VitConfig, preprocess::Preprocess};
use serde::{Deserialize, Serialize};

use self::{adversarial::Adversarial, augment::Augment, loss::DistilWeights, optim::OptimConfig};

/// Every setting that decides what a run computes; a checkpoint belongs to one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Geometry of the encoder.
    pub encoder: VitConfig,
    /// Input.
    pub preprocess: Preprocess,
    /// Class names in the order of the labels.
    pub labels: Vec<String>,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
    /// Passes over the training split.
    pub epochs: u32,
    /// Images in a step.
    pub batch: usize,
    /// Parts of a batch that are computed side by side; it decides the order of additions, so it belongs to the run.
    pub lanes: usize,
    /// Label smoothing.
    pub smoothing: f32,
    /// Probability of dropping the last block's branches; falls linearly to 0 at the first.
    pub drop_path: f32,
    /// Optimiser.
    pub optim: OptimConfig,
    /// Augmentation.
    pub augment: Augment,
    /// Weights of the teacher's parts, where there is a teacher.
    pub distil: Option<DistilWeights>,
    /// Training on attacked images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversarial: Option<Adversarial>,
}
