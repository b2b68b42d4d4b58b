//! The class, told from a relay's tiles without placing any of them.

use anyhow::{Context, Result};
use models::{LinearHead, Schedule};
use rayon::prelude::*;

use super::{prior::Prior, setting::Setting, traffic::Traffic};
use crate::{evasion::cases::Case, fit};

/// Bins of brightness.
const BINS: usize = 12;
/// Penalty of the classifier's weights.
const PENALTY: f64 = 0.05;

/// A classifier of bags of tiles.
pub struct Bag {
    head: LinearHead,
}

impl Bag {
    /// Trains on what the first relays would get of the training images.
    ///
    /// # Errors
    /// Where the setting is refused or a class has no image.
    pub fn fit(prior: &Prior, setting: &Setting, schedule: Schedule, colluders: usize, train: &[&Case]) -> Result<Self> {
        let features = |case: &&Case| -> Result<Vec<f32>> {
            let seed = super::run::mission_seed(case.seed);
            let traffic = Traffic::of_mission(setting, schedule, &case.image, prior.channels, seed)?;
            Ok(features(prior, &traffic.only(&traffic.held_by(colluders))))
        };
        let rows = train.par_iter().map(features).collect::<Result<Vec<_>>>()?;
        let classes: Vec<usize> = train.iter().map(|case| case.class).collect();
        let count = classes.iter().max().context("no training image")? + 1;
        Ok(Self { head: fit::logistic(&fit::Tokens { rows, classes, count }, PENALTY)? })
    }

    /// Logits of the classes.
    pub fn logits(&self, prior: &Prior, traffic: &Traffic) -> Vec<f64> {
        self.head.logits(&features(prior, traffic))
    }
}

/// What is the same however tiles lie: of all tiles together the shares of brightness, and of each tile's mean, deviation and roughness
/// the mean, the deviation and the largest.
fn features(prior: &Prior, traffic: &Traffic) -> Vec<f32> {
    let side = prior.grid.tile();
    let tiles: Vec<Vec<f32>> = traffic.tiles.iter().map(|seen| prior.tile.denoise(&seen.values, traffic.noise)).collect();
    let mut features = vec![0.0; BINS];
    let share = 1.0 / tiles.iter().map(Vec::len).sum::<usize>().max(1) as f32;
    for value in tiles.iter().flatten() {
        features[((value.max(0.0) * BINS as f32) as usize).min(BINS - 1)] += share;
    }
    let own: Vec<[f32; 3]> = tiles.iter().map(|tile| of_tile(tile, side)).collect();
    for index in 0..3 {
        let values: Vec<f32> = own.iter().map(|own| own[index]).collect();
        let [mean, deviation] = spread(&values);
        features.extend([mean, deviation, values.into_iter().fold(f32::MIN, f32::max)]);
    }
    features
}

fn of_tile(tile: &[f32], side: usize) -> [f32; 3] {
    let [mean, deviation] = spread(tile);
    let steps: Vec<f32> = tile.chunks_exact(side).flat_map(|row| row.windows(2).map(|pair| (pair[1] - pair[0]).abs())).collect();
    let down = tile.iter().zip(tile.iter().skip(side)).map(|(a, b)| (a - b).abs()).sum::<f32>() / tile.len() as f32;
    [mean, deviation, spread(&steps)[0] + down]
}

/// Mean and standard deviation.
fn spread(values: &[f32]) -> [f32; 2] {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    [mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt()]
}
