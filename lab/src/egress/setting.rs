//! How an image is cut, noised and dealt, and what is varied.

use models::{Schedule, purifier::Remote};
use purify::Plan;
use serde::{Deserialize, Serialize};

/// One way to send an image to relays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Tiles and relays; `min_t` is the noise level of the tiles.
    pub remote: Remote,
    /// Whether tiles are turned at random. Where not, attackers get them upright.
    pub turned: bool,
    /// Tiles of a phantom among those of each relay.
    pub decoys: usize,
}

impl Setting {
    /// What the pack does.
    pub fn of(remote: Remote) -> Self {
        Self { remote, turned: true, decoys: 0 }
    }

    /// The plan of a mission under this setting. Which purifier is asked and for how many steps does not matter here.
    pub fn plan(&self, schedule: Schedule) -> Plan {
        Plan { purifier: [0; 8], schedule, t: self.remote.min_t, steps: 1, remote: self.remote, decoys: self.decoys }
    }

    /// The default, then one thing changed at a time: noise, turns, decoys, size of tiles, overlap, relays.
    pub fn sweep(default: Remote) -> Vec<Self> {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut setting = Self::of(default);
            change(&mut setting);
            setting
        };
        let level = |t: u16| with(&|s| s.remote.min_t = t);
        let cut = |tile: usize, stride: usize| with(&|s| (s.remote.tile, s.remote.stride) = (tile, stride));
        let mut all = vec![Self::of(default)];
        all.extend([1, 25, 50, 75, 100, 150, 250, 400].map(level));
        all.extend([1, 50, 100, 150].map(|t| with(&|s| (s.turned, s.remote.min_t) = (false, t))));
        all.extend([4, 12].map(|decoys| with(&|s| s.decoys = decoys)));
        all.extend([cut(16, 16), cut(16, 15), cut(24, 24), cut(24, 22), cut(32, 32)]);
        all.extend([2, 4, 6].map(|relays| with(&|s| s.remote.relays = relays)));
        let mut seen = Vec::new();
        all.retain(|setting| {
            !seen.contains(setting) && {
                seen.push(*setting);
                true
            }
        });
        all
    }
}
