//! What is decided before anything is sent.

use models::Schedule;
use models::purifier::{PurifierCard, Remote};
use serde::Serialize;

use crate::deal::Rule;
use crate::{Grid, PurifyError};

/// How an image is purified on relays.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// First eight bytes of the SHA-256 of the purifier's file.
    pub purifier: [u8; 8],
    /// The noise schedule of the purifier.
    pub schedule: Schedule,
    /// Noise level, 1 to 1,000.
    pub t: u16,
    /// Steps of DDIM, 1 to 20.
    pub steps: u8,
    /// Tiles, and how many relays share them. More relays than that are spares.
    pub remote: Remote,
    /// Tiles of a phantom that each relay gets among those of the image.
    pub decoys: usize,
}

impl Plan {
    /// The plan of a purifier's card for the noise level that an image needs, raised to what tiles must have to leave the device.
    pub fn of(card: &PurifierCard, level: u16, steps: u8) -> Self {
        let Remote { min_t, .. } = card.remote;
        Self { purifier: card.tag(), schedule: card.schedule, t: level.max(min_t), steps, remote: card.remote, decoys: 0 }
    }
}

/// What relays would see of an image, known before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bound {
    /// Relays that get tiles; more than those are spares.
    pub relays: usize,
    /// The largest part of the image's area that one relay may see, 0 to 1, whoever fails.
    pub share: f64,
    /// Tiles of the image.
    pub tiles: usize,
}

impl Bound {
    /// The bound for an image of `image` pixels a side and a list of `relays` relays.
    ///
    /// # Errors
    /// [`PurifyError::NoRelay`], [`PurifyError::BadGrid`], [`PurifyError::SeesTooMuch`].
    pub fn of(remote: &Remote, image: usize, relays: usize) -> Result<Self, PurifyError> {
        let relays = remote.relays.min(relays);
        if relays == 0 {
            return Err(PurifyError::NoRelay);
        }
        let (grid, rule) = (Grid::new(image, remote.tile, remote.stride)?, Rule::of(relays));
        rule.check(&grid)?;
        Ok(Self { relays, share: rule.most(), tiles: grid.places() })
    }
}

/// What the person has agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Two relays or more share the image.
    SharedOnly,
    /// One relay alone may hold every noised tile of it.
    OneRelayHoldsAll,
}
