//! One training step over a batch, and the error over a split.

use anyhow::{Result, ensure};
use models::mae::{self as reference, Mask};
use rand::Rng;
use rayon::prelude::*;

use super::{MaeLayout, MaeTape, MaeTrainConfig, backward, forward};
use crate::train::{
    augment, job,
    lanes::Lanes,
    optim::{OptimState, one_cycle},
    step::normalise,
};

/// Images that go through the network together in one lane.
const CHUNK: usize = 16;

/// Errors of an image or mean errors of a split, over the masked patches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    /// Mean squared error, each patch by its weight: what training lowers.
    pub loss: f64,
    /// Mean squared error of all patches alike.
    pub error: f64,
}

/// A masked autoencoder in training.
pub struct MaeTrainer {
    /// Settings.
    pub config: MaeTrainConfig,
    /// Geometry.
    pub layout: MaeLayout,
    /// Parameters and optimiser.
    pub state: OptimState,
    /// Steps of the whole run.
    pub steps: u64,
    lanes: Lanes<MaeTape>,
}

impl MaeTrainer {
    /// A trainer that starts from `state`; `images` is the size of the training split.
    ///
    /// # Errors
    /// Where the settings contradict each other.
    pub fn new(config: MaeTrainConfig, state: OptimState, images: usize) -> Result<Self> {
        config.architecture.validate()?;
        ensure!(config.batch > 0 && config.lanes > 0 && config.epochs > 0, "batch, lanes and epochs start at 1");
        ensure!(images >= config.batch, "{images} images are fewer than one batch of {}", config.batch);
        ensure!(config.quiet >= 0.0, "the variance of a quiet patch is at least 0");
        let seen = seen(&config);
        ensure!((1..config.architecture.patches()).contains(&seen), "at least one patch must be seen and one masked");
        let layout = MaeLayout::new(&config.architecture);
        layout.table.check(&state.weights)?;
        let lanes = Lanes::new(config.lanes, layout.table.len);
        let steps = u64::from(config.epochs) * (images / config.batch) as u64;
        Ok(Self { config, layout, state, steps, lanes })
    }

    /// Trains on the images of `batch`, indices into `pixels` (8-bit HWC). Returns the sums of the images' errors.
    pub fn step(&mut self, pixels: &[Vec<u8>], batch: &[usize], epoch: u32) -> Errors {
        let (config, layout, weights) = (&self.config, &self.layout, &self.state.weights);
        let side = config.architecture.encoder.image_size;
        let scale = 1.0 / batch.len() as f32;
        let work = |chunk: &[usize], tape: &mut MaeTape, grad: &mut [f32]| {
            let mut input = Vec::with_capacity(chunk.len() * config.architecture.encoder.input_len());
            let mut masks = Vec::with_capacity(chunk.len());
            for index in chunk {
                let mut rng = job::generator(config.seed, epoch, *index);
                input.extend(config.augment.apply(&pixels[*index], side, &mut rng));
                masks.push(random_mask(config, &mut rng));
            }
            normalise(&mut input, &config.preprocess);
            forward(layout, weights, &input, &masks, tape);
            let (sums, slope) = errors(config, &input, &masks, tape, scale);
            backward(layout, weights, &slope, tape, grad);
            sums
        };
        let (results, grad) = self.lanes.run(batch, CHUNK, work);
        let lr = self.config.optim.lr * one_cycle(self.state.step, self.steps, self.config.optim.warmup);
        self.state.update(&self.layout.table, &self.config.optim, lr, grad);
        sum(&results)
    }
}

fn sum(parts: &[Errors]) -> Errors {
    parts.iter().fold(Errors::default(), |a, b| Errors { loss: a.loss + b.loss, error: a.error + b.error })
}

/// Patches that are seen of an image.
fn seen(config: &MaeTrainConfig) -> usize {
    let patches = config.architecture.patches();
    patches - (config.masked * patches as f32).round() as usize
}

fn random_mask(config: &MaeTrainConfig, rng: &mut impl Rng) -> Mask {
    let patches = config.architecture.patches();
    let mut order: Vec<usize> = (0..patches).collect();
    for i in 0..seen(config) {
        order.swap(i, rng.random_range(i..patches));
    }
    Mask::seeing(&order[..seen(config)], patches)
}

/// Sums of the images' errors, and `scale` times the gradient of the loss with respect to the predictions.
fn errors(config: &MaeTrainConfig, input: &[f32], masks: &[Mask], tape: &MaeTape, scale: f32) -> (Errors, Vec<f32>) {
    let c = &config.architecture.encoder;
    let width = c.patch_len();
    let mut slope = Vec::with_capacity(tape.predictions().len());
    let mut sums = Errors::default();
    let mut drawn = tape.predictions().chunks_exact(width);
    for (image, mask) in input.chunks_exact(c.input_len()).zip(masks) {
        let patches = reference::patchify(image, c).expect("an image of the network's own size");
        let targets = reference::targets(image, c).expect("an image of the network's own size");
        let share = 1.0 / (mask.masked.len() * width) as f32;
        for (patch, drawn) in mask.masked.iter().zip(drawn.by_ref()) {
            let span = patch * width..(patch + 1) * width;
            let weight = weight(&patches[span.clone()], config.quiet);
            let target = &targets[span];
            slope.extend(drawn.iter().zip(target).map(|(a, b)| 2.0 * scale * weight * share * (a - b)));
            let error = f64::from(share) * drawn.iter().zip(target).map(|(a, b)| f64::from((a - b) * (a - b))).sum::<f64>();
            sums.error += error;
            sums.loss += f64::from(weight) * error;
        }
    }
    (sums, slope)
}

/// How much the error of a patch counts, 0..1.
fn weight(patch: &[f32], quiet: f32) -> f32 {
    if quiet == 0.0 {
        return 1.0;
    }
    let mean = patch.iter().sum::<f32>() / patch.len() as f32;
    let variance = patch.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / patch.len() as f32;
    variance / (variance + quiet)
}

/// Mean errors over a split, under fixed complementary masks: each patch counts as often as any other.
pub fn validate(config: &MaeTrainConfig, layout: &MaeLayout, weights: &[f32], pixels: &[Vec<u8>]) -> Errors {
    let c = &config.architecture;
    let count = c.patches() / seen(config);
    let fixed = Mask::complementary(config.seed, count, c.patches());
    let one = |tape: &mut MaeTape, part: &[Vec<u8>]| {
        let mut input: Vec<f32> = part.iter().flat_map(|p| augment::plain(p, c.encoder.image_size)).collect();
        normalise(&mut input, &config.preprocess);
        let errors = fixed.iter().map(|mask| {
            let masks = vec![mask.clone(); part.len()];
            forward(layout, weights, &input, &masks, tape);
            errors(config, &input, &masks, tape, 0.0).0
        });
        sum(&errors.collect::<Vec<_>>())
    };
    let parts: Vec<Errors> = pixels.par_chunks(CHUNK).map_init(MaeTape::default, one).collect();
    let (all, runs) = (sum(&parts), (pixels.len() * count) as f64);
    Errors { loss: all.loss / runs, error: all.error / runs }
}
