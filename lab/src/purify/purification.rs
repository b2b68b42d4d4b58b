//! A pack's purifier as the lab uses it: noise that a seed decides, whole images or tiles.

use anyhow::Result;
use models::{Purifier, PurifierCard, RelayPack, TensorMap};
use purify::{Grid, Turn};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::train::params::normal;

/// A purifier that is ready to run.
pub struct Purification {
    purifier: Purifier,
}

/// How an image is purified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Noise level, 1..=1000.
    pub t: u16,
    /// Steps of DDIM.
    pub steps: u8,
}

impl Purification {
    /// A purifier of this card and these weights.
    ///
    /// # Errors
    /// Where they do not fit each other.
    pub fn new(card: &PurifierCard, weights: TensorMap) -> Result<Self> {
        Ok(Self { purifier: Purifier::load(card, weights)? })
    }

    /// The purifier of a pack; none where the pack has none.
    ///
    /// # Errors
    /// Where its file does not fit its card.
    pub fn of_pack(pack: &RelayPack) -> Result<Option<Self>> {
        let (Some(card), Some(bytes)) = (&pack.card.purifier, &pack.purifier_bytes) else { return Ok(None) };
        Self::new(card, TensorMap::from_safetensors(bytes)?).map(Some)
    }

    /// Its card.
    pub fn card(&self) -> &PurifierCard {
        &self.purifier.card
    }

    /// The noise level for a detector's score; the lowest for an image that is not flagged, or without a detector.
    pub fn level(&self, score: Option<f64>) -> u16 {
        let level = score.and_then(|score| self.card().level(score as f32));
        level.unwrap_or_else(|| self.card().levels.first().map_or(1, |level| level.t))
    }

    /// The purified image, CHW in [0, 1].
    ///
    /// # Errors
    /// Where the image or the setting is none that the network takes.
    pub fn purify(&self, image: &[f32], setting: Setting, draw: Draw) -> Result<Vec<f32>> {
        let purified = self.purifier.purify(image, &draw.noise(image.len()), setting.t, setting.steps)?;
        Ok(self.card().smooth(purified, setting.t))
    }

    /// The image purified in tiles as relays do it: each turned at random, noised on its own to no lower level than tiles may leave the
    /// device at, and blended into the others.
    ///
    /// # Errors
    /// As [`Self::purify`].
    pub fn purify_tiles(&self, image: &[f32], setting: Setting, draw: Draw) -> Result<Vec<f32>> {
        let (remote, channels) = (self.card().remote, self.card().architecture.in_channels);
        let t = setting.t.max(remote.min_t);
        let grid = Grid::new((image.len() / channels).isqrt(), remote.tile, remote.stride)?;
        let mut rng = draw.rng();
        let mut one = |place| -> Result<Vec<f32>> {
            let turn = Turn::random(&mut rng);
            let tile = turn.apply(remote.tile, &grid.cut(image, place));
            let noise: Vec<f32> = tile.iter().map(|_| normal(&mut rng)).collect();
            let purified = self.purifier.purify(&tile, &noise, t, setting.steps)?;
            Ok(turn.undo(remote.tile, &purified))
        };
        let tiles: Vec<Vec<f32>> = (0..grid.places()).map(&mut one).collect::<Result<_>>()?;
        Ok(self.card().smooth(grid.blend(channels, tiles.iter().map(Vec::as_slice)), t))
    }
}

/// Which noise is drawn. Attackers know how noise is made, but not the defender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    seed: u64,
    stream: u64,
}

impl Draw {
    /// The defender's draw of this number for an image.
    pub fn defenders(image: u64, number: u64) -> Self {
        Self { seed: image, stream: (1 << 32) + number }
    }

    /// An attacker's draw of this number for an image.
    pub fn attackers(image: u64, number: u64) -> Self {
        Self { seed: image, stream: (1 << 33) + number }
    }

    /// Its random numbers.
    pub fn rng(self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        rng
    }

    /// Standard normal noise.
    pub fn noise(self, len: usize) -> Vec<f32> {
        let mut rng = self.rng();
        (0..len).map(|_| normal(&mut rng)).collect()
    }
}
