//! How well the noise is told in whole validation images and in tiles.

use models::unet::Schedule;
use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{UnetLayout, UnetTape, UnetTrainConfig, crop, forward, step::Noised};
use crate::train::job;

/// Levels at which a network is measured.
const LEVELS: [u16; 4] = [25, 50, 100, 150];
/// Sides of the tiles besides whole images, in pixels.
const TILES: [usize; 2] = [24, 32];
/// Most validation images that are looked at, evenly spread.
const IMAGES: usize = 64;

/// Errors at one level on squares of one size.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Side in pixels.
    pub side: usize,
    /// Noise level.
    pub t: u16,
    /// Mean squared error of the noise.
    pub error: f64,
    /// PSNR in dB of the clean image told in one step, from the mean squared error over all squares.
    pub psnr: f64,
}

/// Indices of the images that are looked at.
pub(super) fn spread(pixels: &[Vec<u8>]) -> Vec<usize> {
    let count = pixels.len().min(IMAGES);
    (0..count).map(|i| i * pixels.len() / count).collect()
}

/// Measures `weights` under fixed noise; a tile lies at a fixed random place of its image.
pub fn validate(config: &UnetTrainConfig, layout: &UnetLayout, weights: &[f32], pixels: &[Vec<u8>]) -> Vec<Measured> {
    let chosen = spread(pixels);
    let tiles =
        TILES.into_iter().filter(|side| *side < config.preprocess.size && side.is_multiple_of(config.architecture.multiple()));
    let sides: Vec<usize> = std::iter::once(config.preprocess.size).chain(tiles).collect();
    let levels: Vec<u16> = LEVELS.into_iter().filter(|t| *t <= config.max_t).collect();
    let cases: Vec<(usize, u16)> = sides.iter().flat_map(|side| levels.iter().map(|t| (*side, *t))).collect();
    let one = |tape: &mut UnetTape, index: &usize| -> Vec<[f64; 2]> {
        let mut rng = job::generator(config.seed, u32::MAX - 1, *index);
        let measure = |(side, t): &(usize, u16)| {
            let last = config.preprocess.size - side;
            let corner = [rng.random_range(0..=last), rng.random_range(0..=last)];
            let clean = crop::plain(&pixels[*index], config.preprocess.size, corner, *side);
            let mut noised = Noised::default();
            noised.push(config.schedule, &clean, &clean, *t, &mut rng);
            forward(layout, weights, &noised.x, [*side; 2], &noised.t, tape);
            errors(config.schedule, &noised, tape.noise())
        };
        cases.iter().map(measure).collect()
    };
    let found: Vec<Vec<[f64; 2]>> = chosen.par_iter().map_init(UnetTape::default, one).collect();
    let mean = |case: usize, kind: usize| found.iter().map(|errors| errors[case][kind]).sum::<f64>() / chosen.len() as f64;
    let measured = cases.iter().enumerate().map(|(case, (side, t))| Measured {
        side: *side,
        t: *t,
        error: mean(case, 0),
        psnr: -10.0 * mean(case, 1).log10(),
    });
    measured.collect()
}

/// Mean squared errors of the noise told and of the clean image, of 1, that follows from it.
fn errors(schedule: Schedule, noised: &Noised, told: &[f32]) -> [f64; 2] {
    let mean = |errors: &mut dyn Iterator<Item = f32>| errors.map(|e| f64::from(e * e)).sum::<f64>() / told.len() as f64;
    let of_noise = mean(&mut told.iter().zip(&noised.noise).map(|(a, b)| a - b));
    let estimates = noised.estimates(schedule, told);
    let of_image = mean(&mut estimates.iter().zip(&noised.clean).map(|(a, b)| (a.clamp(-1.0, 1.0) - b) / 2.0));
    [of_noise, of_image]
}
