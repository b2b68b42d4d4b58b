//! What an encoder sees of validation images that a guided network purified, clean and attacked.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    UnetLayout, UnetTape, UnetTrainConfig,
    crop::{self, Tiling},
    forward,
    guide::{Encoder, GuideConfig},
    step::Noised,
    validate::spread,
};
use crate::train::{adversarial::Pgd, job, vit::Tape};

/// Levels at which it is measured, as far as they are trained.
const LEVELS: [u16; 2] = [25, 50];
/// Side of the tiles, besides whole images, in pixels.
const TILE: usize = 32;

/// What is left of the tokens: of the clean images, then of attacked ones.
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

/// A network in training, and its guide.
#[derive(Clone, Copy)]
pub struct Guided<'a> {
    /// Settings of the run.
    pub config: &'a UnetTrainConfig,
    /// Settings of the guide.
    pub guide: &'a GuideConfig,
    /// The guide.
    pub encoder: &'a Encoder,
    /// Geometry of the network.
    pub layout: &'a UnetLayout,
    /// Its parameters.
    pub weights: &'a [f32],
}

/// Working memory of a thread.
type Memory = (UnetTape, Tape);

impl Guided<'_> {
    /// Purifies validation images (8-bit HWC) in one step, whole and in tiles, clean and attacked with half of the largest radius.
    pub fn kept(self, pixels: &[Vec<u8>]) -> Vec<Kept> {
        let size = self.config.preprocess.size;
        let fits = |side: &usize| size.is_multiple_of(*side) && side.is_multiple_of(self.config.architecture.multiple());
        let mut sides: Vec<usize> = [size, TILE].into_iter().filter(fits).collect();
        sides.dedup();
        let cases: Vec<(usize, u16)> =
            sides.into_iter().flat_map(|side| LEVELS.map(|t| (side, t.min(self.config.max_t)))).collect();
        let chosen = spread(pixels);
        let one = |memory: &mut Memory, index: &usize| self.image(&pixels[*index], *index, &cases, memory);
        let found: Vec<Vec<[(f64, bool); 2]>> = chosen.par_iter().map_init(Memory::default, one).collect();
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

    /// In each case, of the clean image and of the attacked one: the change of the token, and whether the answer is kept.
    fn image(self, pixels: &[u8], index: usize, cases: &[(usize, u16)], memory: &mut Memory) -> Vec<[(f64, bool); 2]> {
        let mut rng = job::generator(self.config.seed, u32::MAX - 2, index);
        let size = self.config.preprocess.size;
        let clean = crop::plain(pixels, size, [0; 2], size);
        let attack = Pgd { eps: self.guide.eps / 2.0, steps: self.guide.attack_steps };
        let attacked = self.encoder.attacked(attack, &clean, &mut rng, &mut memory.1);
        let (token, answer) = self.encoder.tokens(&clean, &mut memory.1);
        let mut measure = |case: &(usize, u16), image: &[f32]| {
            let purified = self.purified(image, *case, &mut rng, &mut memory.0);
            let (found, said) = self.encoder.tokens(&purified, &mut memory.1);
            let change = token.iter().zip(&found).map(|(a, b)| f64::from((a - b) * (a - b))).sum::<f64>();
            (change / token.len() as f64, said == answer)
        };
        cases.iter().map(|case| [measure(case, &clean), measure(case, &attacked)]).collect()
    }

    /// An image in diffusion units, purified in one step as tiles of a side at a level.
    fn purified(self, image: &[f32], (side, t): (usize, u16), rng: &mut impl Rng, tape: &mut UnetTape) -> Vec<f32> {
        let tiling = Tiling::draw(self.config.preprocess.size, side, rng);
        let mut noised = Noised::default();
        for tile in tiling.split(image).chunks_exact(image.len() / tiling.count()) {
            noised.push(self.config.schedule, tile, tile, t, rng);
        }
        forward(self.layout, self.weights, &noised.x, [side; 2], &noised.t, tape);
        let mut purified = tiling.join(&noised.estimates(self.config.schedule, tape.noise()));
        purified.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
        purified
    }
}
