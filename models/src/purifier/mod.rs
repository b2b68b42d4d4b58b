//! Takes tampering out of an image by diffusion: noise is added up to a level and a U-Net walks back to a clean image (DiffPure,
//! Nie et al. 2022, arXiv 2205.07460; MedFedPure, arXiv 2511.11625).
//!
//! The level follows the detector's score ([`PurifierCard::level`]). The same network serves a whole image on the device and tiles
//! of it on relays, which are given noised tiles only.

mod card;
mod walk;

pub use card::{Level, MAX_PURIFIER_BYTES, PurifierCard, Remote};
pub use walk::{MAX_STEPS, Walk, add_noise, clean_estimate, ddim_levels, step_together, walk_tiles};

use crate::{CpuUnet, ModelError, TensorMap};

/// A purifier on the CPU, ready to run.
pub struct Purifier {
    /// Its card.
    pub card: PurifierCard,
    /// Its network.
    pub unet: CpuUnet,
}

impl Purifier {
    /// Takes the purifier's tensors out of `weights`.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`], [`ModelError::MissingTensor`] or [`ModelError::WrongShape`] where card and weights do not fit.
    pub fn load(card: &PurifierCard, weights: TensorMap) -> Result<Self, ModelError> {
        Ok(Self { unet: CpuUnet::load(&card.architecture, weights)?, card: card.clone() })
    }

    /// Starts with the pixels `[C, H, H]` of a square image in 0..=1 and standard normal `noise` of the same length, which the caller
    /// draws: level `t` of 1..=1000, `steps` of 1..=20.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where a number is out of range or lengths differ.
    pub fn start(&self, pixels: &[f32], noise: &[f32], t: u16, steps: u8) -> Result<Walk, ModelError> {
        if pixels.len() != noise.len() {
            let reason = format!("{} values of noise were given for {} pixels", noise.len(), pixels.len());
            return Err(ModelError::Purification { reason });
        }
        self.unet.config().square_side(pixels.len())?;
        Walk::new(self.card.schedule, add_noise(self.card.schedule, pixels, noise, t), t, steps)
    }

    /// Makes the next step; nothing after the last.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where the walk is of another size of image.
    pub fn step(&self, walk: &mut Walk) -> Result<(), ModelError> {
        let Some((values, t)) = walk.pending() else { return Ok(()) };
        let side = self.unet.config().square_side(values.len())?;
        let eps = self.unet.noise(values, [side, side], t)?;
        walk.advance(&eps)
    }

    /// The purified pixels `[C, H, H]`, within 0..=1.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where steps are left.
    pub fn finish(&self, walk: Walk) -> Result<Vec<f32>, ModelError> {
        if walk.pending().is_some() {
            let reason = format!("{} of {} steps were made", walk.done(), walk.total());
            return Err(ModelError::Purification { reason });
        }
        Ok(walk.into_pixels())
    }

    /// [`Self::start`], every step and [`Self::finish`].
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub fn purify(&self, pixels: &[f32], noise: &[f32], t: u16, steps: u8) -> Result<Vec<f32>, ModelError> {
        let mut walk = self.start(pixels, noise, t, steps)?;
        while walk.pending().is_some() {
            self.step(&mut walk)?;
        }
        self.finish(walk)
    }
}
