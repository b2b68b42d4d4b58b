//! How well the noise is told in whole validation images and in tiles.

use models::unet::Schedule;
use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    UnetLayout, UnetTape, UnetTrainConfig,
    crop::{self, Tiling},
    forward,
    guide::{Encoder, GuideConfig},
    step::Noised,
};
use crate::train::{adversarial::Pgd, job, vit::Tape};

/// Levels at which a network is measured.
const LEVELS: [u16; 4] = [25, 50, 100, 150];
/// Levels at which it is measured what an encoder sees.
const KEPT_LEVELS: [u16; 2] = [25, 50];
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

/// What an encoder sees of purified validation images: of the clean ones, then of attacked ones.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Side in pixels of the tiles that were purified; that of the images where it was whole images.
    pub side: usize,
    /// Noise level.
    pub t: u16,
    /// Mean squared change of a value of the CLS token, from that of the clean image.
    pub change: [f64; 2],
    /// Share of the answers that are those of the clean images.
    pub answers: [f64; 2],
}

/// Measures what a guided network keeps of the tokens, in one step, whole and in tiles.
pub fn kept(
    config: &UnetTrainConfig,
    guide: (&GuideConfig, &Encoder),
    net: (&UnetLayout, &[f32]),
    pixels: &[Vec<u8>],
) -> Vec<Kept> {
    let ((settings, encoder), size) = (guide, config.preprocess.size);
    let chosen = spread(pixels);
    let sides =
        [size, 32].into_iter().filter(|side| size.is_multiple_of(*side) && side.is_multiple_of(config.architecture.multiple()));
    let cases: Vec<(usize, u16)> = sides.flat_map(|side| KEPT_LEVELS.map(|t| (side, t.min(config.max_t)))).collect();
    let one = |(unet, tape): &mut (UnetTape, Tape), index: &usize| -> Vec<[(f64, bool); 2]> {
        let mut rng = job::generator(config.seed, u32::MAX - 2, *index);
        let clean = crop::plain(&pixels[*index], size, [0; 2], size);
        let attack = Pgd { eps: settings.eps / 2.0, steps: settings.attack_steps };
        let seen = [clean.clone(), encoder.attacked(attack, &clean, &mut rng, tape)];
        let (token, answer) = encoder.tokens(&clean, tape);
        let mut measure = |(side, t): &(usize, u16), seen: &[f32]| {
            let tiling = Tiling::draw(size, *side, &mut rng);
            let mut noised = Noised::default();
            tiling.split(seen).chunks_exact(seen.len() / tiling.count()).for_each(|tile| {
                noised.push(config.schedule, tile, tile, *t, &mut rng);
            });
            forward(net.0, net.1, &noised.x, [*side; 2], &noised.t, unet);
            let mut purified = tiling.join(&noised.estimates(config.schedule, unet.noise()));
            purified.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
            let (found, said) = encoder.tokens(&purified, tape);
            let change = token.iter().zip(&found).map(|(a, b)| f64::from((a - b) * (a - b))).sum::<f64>();
            (change / token.len() as f64, said == answer)
        };
        cases.iter().map(|case| [measure(case, &seen[0]), measure(case, &seen[1])]).collect()
    };
    let found: Vec<Vec<[(f64, bool); 2]>> = chosen.par_iter().map_init(Default::default, one).collect();
    let mean = |case: usize, part: fn((f64, bool)) -> f64| {
        [0, 1].map(|kind| found.iter().map(|image| part(image[case][kind])).sum::<f64>() / chosen.len() as f64)
    };
    let kept = cases.iter().enumerate().map(|(case, (side, t))| Kept {
        side: *side,
        t: *t,
        change: mean(case, |(change, _)| change),
        answers: mean(case, |(_, same)| f64::from(u8::from(same))),
    });
    kept.collect()
}

/// Indices of the images that are looked at.
fn spread(pixels: &[Vec<u8>]) -> Vec<usize> {
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
