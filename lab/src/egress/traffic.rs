//! What relays were sent, as attackers take it, and where it truly came from.

use anyhow::{Context, Result, ensure};
use models::Schedule;
use purify::{Consent, Grid, Holder, Mission, Turn};
use wire::{PurifyRequest, tile::from_fixed};

use super::setting::Setting;

/// A fit of more than this many times the noise's variance is none: the tile is a decoy.
const MISFIT: f64 = 1.5;

/// One tile that a relay holds.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The relay.
    pub relay: usize,
    /// Pixels `[C, side, side]` in the scale 0 to 1, with white noise of [`Traffic::noise`].
    pub values: Vec<f32>,
}

/// The tiles that some relays hold together.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Noise level.
    pub t: u16,
    /// Variance of the noise, in the pixels' scale.
    pub noise: f32,
    /// The tiles, in the order of the messages.
    pub tiles: Vec<Seen>,
    /// The part of the image's area, 0 to 1, that each relay sees; empty for recorded messages, which do not tell.
    pub shares: Vec<f64>,
}

/// Where a tile lay and how it was turned.
pub type Origin = (usize, Turn);

impl Traffic {
    /// The tiles in messages, each with the number of the relay that got it.
    ///
    /// # Errors
    /// Where messages differ in noise level or shape.
    pub fn of_messages<'a>(schedule: Schedule, messages: impl IntoIterator<Item = (usize, &'a PurifyRequest)>) -> Result<Self> {
        let messages: Vec<_> = messages.into_iter().collect();
        let (_, first) = messages.first().context("no message was recorded")?;
        let same = |message: &PurifyRequest| message.t() == first.t() && message.shape() == first.shape();
        ensure!(messages.iter().all(|(_, m)| same(m)), "the messages differ in noise level or tiles: they are not of one image");
        let [image, rest] = schedule.shares(first.t());
        let pixel = |value: &i16| (from_fixed(*value) / image + 1.0) / 2.0;
        let tiles = messages.iter().flat_map(|(relay, message)| {
            message.tiles().iter().map(|tile| Seen { relay: *relay, values: tile.values.iter().map(pixel).collect() })
        });
        Ok(Self { t: first.t(), noise: (rest / image / 2.0).powi(2), tiles: tiles.collect(), shares: Vec::new() })
    }

    /// What each relay gets of the image `pixels`, CHW in 0 to 1, in a mission of this setting.
    ///
    /// # Errors
    /// Where the setting is refused.
    pub fn of_mission(setting: &Setting, schedule: Schedule, pixels: &[f32], channels: usize, seed: [u8; 32]) -> Result<Self> {
        let (plan, relays) = (setting.plan(schedule), setting.remote.relays);
        let mut mission = Mission::new(plan, pixels, channels as u8, relays, Consent::OneRelayHoldsAll, seed)?;
        let orders = mission.orders()?;
        let messages = orders.iter().filter_map(|order| match order.holder {
            Holder::Relay(relay) => Some((relay, &order.request)),
            Holder::Device => None,
        });
        let shares = mission.report().relays.iter().map(|relay| relay.share).collect();
        Ok(Self { shares, ..Self::of_messages(schedule, messages)? })
    }

    /// The tiles, by number, that the first `colluders` relays hold.
    pub fn held_by(&self, colluders: usize) -> Vec<usize> {
        (0..self.tiles.len()).filter(|index| self.tiles[*index].relay < colluders).collect()
    }

    /// These tiles alone.
    pub fn only(&self, held: &[usize]) -> Self {
        Self { tiles: held.iter().map(|index| self.tiles[*index].clone()).collect(), shares: self.shares.clone(), ..*self }
    }

    /// Where each tile came from, told by whoever knows the image `pixels`: the free place and turn that leave the least; none for decoys.
    pub fn origins(&self, grid: &Grid, pixels: &[f32]) -> Vec<Option<Origin>> {
        let clean: Vec<Vec<f32>> = (0..grid.places()).map(|place| grid.cut(pixels, place)).collect();
        let mut taken = vec![false; grid.places()];
        let origin = |seen: &Seen| {
            let ways = Turn::ALL.map(|turn| (turn, turn.undo(grid.tile(), &seen.values)));
            let fits = ways.iter().flat_map(|(turn, values)| {
                clean.iter().enumerate().map(move |(place, clean)| (distance(values, clean), (place, *turn)))
            });
            let free = fits.filter(|(_, (place, _))| !taken[*place]);
            let (distance, origin) = free.min_by(|a, b| a.0.total_cmp(&b.0))?;
            let fits = distance < MISFIT * f64::from(self.noise) * seen.values.len() as f64;
            taken[origin.0] |= fits;
            fits.then_some(origin)
        };
        self.tiles.iter().map(origin).collect()
    }

    /// The same tiles turned upright, as if the device did not turn them.
    pub fn upright(&self, side: usize, origins: &[Option<Origin>]) -> Self {
        let turned_back = |(seen, origin): (&Seen, &Option<Origin>)| Seen {
            relay: seen.relay,
            values: origin.map_or_else(|| seen.values.clone(), |(_, turn)| turn.undo(side, &seen.values)),
        };
        Self { tiles: self.tiles.iter().zip(origins).map(turned_back).collect(), shares: self.shares.clone(), ..*self }
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}
