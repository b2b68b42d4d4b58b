//! The purifier's network: a U-Net that tells how much of an image is noise (DDPM, Ho et al. 2020, arXiv 2006.11239).
//!
//! Every statistic it computes is one of a single pixel, never one over space, so that it treats a tile as it treats the whole image.

mod config;
mod cpu;
#[cfg(feature = "nn")]
pub mod module;
mod schedule;
mod time;

pub use config::UnetConfig;
pub use cpu::CpuUnet;
pub use schedule::{MAX_T, Schedule};

/// Largest side of an image, in pixels.
pub const MAX_SIDE: usize = 1024;
/// Epsilon of every LayerNorm.
const EPS: f32 = 1e-6;
