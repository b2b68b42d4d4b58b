//! A masked autoencoder (ViTMAE): an encoder that sees some patches of an image, and a decoder that draws the others.
//!
//! What it cannot draw is unlike the images it was trained on; [`crate::detector`] measures that.

mod config;
mod cpu;
mod mask;
#[cfg(feature = "nn")]
pub mod module;
mod patches;

pub use config::MaeConfig;
pub use cpu::{CpuMae, CpuSight};
pub use mask::{MAX_MASKS, Mask};
pub use patches::{VARIANCE_FLOOR, patchify, targets};
