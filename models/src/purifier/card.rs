//! The part of a model card that describes its purifier.

use serde::{Deserialize, Serialize};

use super::MAX_STEPS;
use crate::{
    ModelError, UnetConfig,
    card::{Storage, Training},
    detector::Filter,
    unet::{MAX_T, Schedule},
};

/// Largest purifier file that is read.
pub const MAX_PURIFIER_BYTES: u64 = 128 * 1024 * 1024;
/// Most steps of the map from scores to noise levels.
const MAX_LEVELS: usize = 64;
/// Largest side of a tile in a message to a relay.
const MAX_TILE: usize = 256;
/// Most relays that an image is dealt to.
const MAX_RELAYS: usize = 16;

/// A pack's purifier: its network, how much noise it adds for which score, and how it is used on relays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurifierCard {
    /// Sizes of the network; it takes the encoder's image, or tiles of it.
    pub architecture: UnetConfig,
    /// Name of the file in the pack's folder.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// How its numbers are stored.
    pub storage: Storage,
    /// The noise schedule that it was trained with.
    pub schedule: Schedule,
    /// The noise level for a detector's score, by ascending score and never falling level. Below the first nothing is purified.
    pub levels: Vec<Level>,
    /// Steps of DDIM unless asked otherwise, 1..=20.
    pub steps: u8,
    /// The filter that ends a purification, on the whole image: what the walk leaves of an attack is fine. None where nothing is gained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<Filter>,
    /// The lowest noise level that the filter follows on: what is hardly suspicious keeps its detail. Without it, all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub smoothing_from: u16,
    /// How an image is purified by relays that never hold it.
    pub remote: Remote,
    /// How the network was trained.
    pub training: Training,
}

/// From a score on, the noise level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The lowest score of the detector that this level is for.
    pub from_score: f32,
    /// The noise level, 1..=1000.
    pub t: u16,
}

/// How an image is cut and dealt to relays, chosen from what colluding relays can rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Side of a tile in pixels, at most 256.
    pub tile: usize,
    /// Pixels from one tile to the next, at most `tile`.
    pub stride: usize,
    /// Relays that share the tiles, 1..=16.
    pub relays: usize,
    /// The lowest noise level at which tiles leave the device, 1..=1000.
    pub min_t: u16,
}

impl PurifierCard {
    /// The noise level for a detector's score: that of the last entry whose `from_score` is not above it. Nothing for a score below
    /// the first, and for one that is not a number.
    pub fn level(&self, score: f32) -> Option<u16> {
        self.levels.iter().rev().find(|level| score >= level.from_score).map(|level| level.t)
    }

    /// The filter that ends a purification at level `t`.
    pub fn smoothing_at(&self, t: u16) -> Option<Filter> {
        self.smoothing.filter(|_| t >= self.smoothing_from)
    }

    /// The end of a purification at level `t`, here or on relays: the whole image's pixels `[C, H, H]` through the card's filter.
    pub fn smooth(&self, pixels: Vec<f32>, t: u16) -> Vec<f32> {
        let side = (pixels.len() / self.architecture.in_channels).isqrt();
        match self.smoothing_at(t) {
            Some(filter) => filter.apply(&pixels, side),
            None => pixels,
        }
    }

    /// First 8 bytes of the file's SHA-256: they name the purifier in a request.
    pub fn tag(&self) -> [u8; 8] {
        crate::card::tag(&self.sha256)
    }

    /// Checks every number that something is allocated from or computed with, for images of `image_size` pixels a side.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] or [`ModelError::BadCard`] says which cannot be used.
    pub fn validate(&self, image_size: usize) -> Result<(), ModelError> {
        self.architecture.validate()?;
        let multiple = self.architecture.multiple();
        check((1..=MAX_PURIFIER_BYTES).contains(&self.bytes), || format!("bytes: a file of {} is not read", self.bytes))?;
        check(image_size.is_multiple_of(multiple), || {
            format!("architecture: images of {image_size} pixels a side are no multiple of {multiple}")
        })?;
        check((1..=MAX_STEPS).contains(&self.steps), || format!("steps: {} are outside 1..={MAX_STEPS}", self.steps))?;
        self.check_levels()?;
        self.check_remote(image_size, multiple)
    }

    fn check_levels(&self) -> Result<(), ModelError> {
        let levels = &self.levels;
        check((1..=MAX_LEVELS).contains(&levels.len()), || format!("levels: {} are outside 1..={MAX_LEVELS}", levels.len()))?;
        check(levels.iter().all(|level| level.from_score.is_finite() && is_level(level.t)), || {
            format!("levels: a score is not finite or a t outside 1..={MAX_T}")
        })?;
        check(levels.is_sorted_by(|low, high| low.from_score < high.from_score && low.t <= high.t), || {
            "levels: scores must ascend and t may not fall".into()
        })
    }

    fn check_remote(&self, image_size: usize, multiple: usize) -> Result<(), ModelError> {
        let Remote { tile, stride, relays, min_t } = self.remote;
        check((1..=MAX_TILE.min(image_size)).contains(&tile) && tile.is_multiple_of(multiple), || {
            format!("remote: a tile of {tile} is no multiple of {multiple} up to {}", MAX_TILE.min(image_size))
        })?;
        check((1..=tile).contains(&stride), || format!("remote: a stride of {stride} is outside 1..={tile}"))?;
        check((1..=MAX_RELAYS).contains(&relays), || format!("remote: {relays} relays are outside 1..={MAX_RELAYS}"))?;
        check(is_level(min_t), || format!("remote: min_t {min_t} is outside 1..={MAX_T}"))
    }
}

/// The card's way to leave a number out.
fn is_zero(t: &u16) -> bool {
    *t == 0
}

fn is_level(t: u16) -> bool {
    (1..=MAX_T).contains(&t)
}

fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::BadCard { reason: format!("purifier.{}", reason()) }) }
}
