//! Attacks through the purifier, by someone who knows all of it and the detector: everything but the noise that the defender draws.
//!
//! An image is lost to the defender where it passes the detector with a wrong answer, or is flagged and answered wrongly once it is
//! purified. Attempts go through several ways, because each has images on which it alone works.

mod behind;
mod walk;

use anyhow::{Context, Result};
use models::{RelayPack, TensorMap};

pub use self::{
    behind::{Back, Behind},
    walk::WalkSlope,
};
use super::{
    adaptive::Adaptive,
    attack::{Attack, Target},
    ball::Ball,
    judge::Judge,
    pgd::Pgd,
};
use crate::purify::{
    defence::{Defence, Place},
    purification::Purification,
};

/// Draws of the noise in an attacker's trial of a finished image.
pub const TRIALS: u64 = 8;
/// Draws of the noise at each point where none are asked for.
pub const DRAWS: u64 = 4;

/// A pack's purifier as its attackers know it.
pub struct Known {
    /// As it runs.
    pub purification: Purification,
    /// As it can be gone back through.
    pub walk: WalkSlope,
}

impl Known {
    /// The purifier of a pack; none where the pack has none.
    ///
    /// # Errors
    /// Where its file does not fit its card.
    pub fn of_pack(pack: &RelayPack) -> Result<Option<Self>> {
        let Some(purification) = Purification::of_pack(pack)? else { return Ok(None) };
        let bytes = pack.purifier_bytes.as_ref().context("the pack's purifier has no file")?;
        let walk = WalkSlope::new(purification.card(), &TensorMap::from_safetensors(bytes)?)?;
        Ok(Some(Self { purification, walk }))
    }
}

/// The purifier that an attack is up against.
#[derive(Clone, Copy)]
pub struct Opponent<'a> {
    /// The purifier.
    pub known: &'a Known,
    /// Steps of its walk.
    pub steps: u8,
    /// Draws of the noise that the attack makes at each point.
    pub draws: u64,
}

impl<'a> Opponent<'a> {
    /// The purifier with the steps of its card, and few draws.
    pub fn new(known: &'a Known) -> Self {
        Self { known, steps: known.purification.card().steps, draws: DRAWS }
    }

    /// The whole defence, on the device.
    pub fn defence(&self, judge: Judge<'a>) -> Defence<'a> {
        Defence { judge, purification: &self.known.purification, steps: self.steps, place: Place::Device }
    }
}

/// Ways to the whole defence's wrong answer, in turn, one an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A wrong answer behind the purifier.
    Behind(Back),
    /// A wrong answer that the detector lets pass, so that nothing is purified.
    Past,
}

const WAYS: [Way; 4] = [Way::Behind(Back::Full), Way::Past, Way::Behind(Back::Identity), Way::Past];

/// The attack.
pub struct Through<'a> {
    /// What is attacked.
    pub defence: Defence<'a>,
    /// The purifier in it.
    pub opponent: Opponent<'a>,
    /// Classifier and detector alone.
    pub past: Adaptive<'a>,
    /// How far.
    pub ball: Ball,
    /// Steps.
    pub steps: usize,
}

impl Attack for Through<'_> {
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>> {
        let Self { defence, opponent: Opponent { known, draws, .. }, ball, steps, .. } = *self;
        match WAYS[restart % WAYS.len()] {
            Way::Behind(back) => {
                let objective = Behind { classifier: self.past.classifier, defence, walk: &known.walk, back, draws };
                let size = 4.0 * ball.radius / steps as f64;
                Pgd { objective: &objective, ball, steps, size, random_start: true, momentum: 0.7 }.attack(targets, restart)
            }
            // The joint way first, then the selective one.
            Way::Past => self.past.attack(targets, restart / 2),
        }
    }
}
