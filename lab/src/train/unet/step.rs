//! One training step over a batch.

use anyhow::{Result, ensure};
use models::unet::Schedule;
use rand::Rng;

use super::{Objective, UnetLayout, UnetTape, UnetTrainConfig, backward, crop, forward, guide::Encoder, kept::Guided};
use crate::train::{
    job,
    lanes::Lanes,
    optim::{OptimState, one_cycle},
    params::normal,
    vit::Tape,
};

/// Largest number of pixels that go through the network together in one lane.
const CHUNK: usize = 4 * 64 * 64;

/// A U-Net in training.
pub struct UnetTrainer {
    /// Settings.
    pub config: UnetTrainConfig,
    /// Geometry.
    pub layout: UnetLayout,
    /// Parameters and optimiser.
    pub state: OptimState,
    /// Steps of the whole run.
    pub steps: u64,
    encoder: Option<Encoder>,
    lanes: Lanes<Memory>,
}

/// Working memory of a lane.
#[derive(Default)]
struct Memory {
    unet: UnetTape,
    encoder: Tape,
}

/// Noised images of one size and what is to be told of them.
#[derive(Default)]
pub(super) struct Noised {
    /// CHW in diffusion units, one after another.
    pub x: Vec<f32>,
    /// The noise in them.
    pub noise: Vec<f32>,
    /// What is to remain without it.
    pub clean: Vec<f32>,
    /// Level of each.
    pub t: Vec<u16>,
}

impl Noised {
    /// Adds noise of level `t` to `seen`. What differs between it and `clean` counts as noise too.
    pub fn push(&mut self, schedule: Schedule, clean: &[f32], seen: &[f32], t: u16, rng: &mut impl Rng) {
        let [image, noise] = schedule.shares(t);
        for (clean, seen) in clean.iter().zip(seen) {
            let random = normal(rng);
            self.x.push(image * seen + noise * random);
            self.noise.push(random + image / noise * (seen - clean));
        }
        self.clean.extend_from_slice(clean);
        self.t.push(t);
    }

    /// Adds a random crop of `side` pixels at a random level.
    fn push_crop(&mut self, config: &UnetTrainConfig, pixels: &[u8], side: usize, rng: &mut impl Rng) {
        let clean = crop::draw(pixels, config.preprocess.size, side, config.light, rng);
        let t = rng.random_range(1..=config.max_t);
        self.push(config.schedule, &clean, &clean, t, rng);
    }

    /// The clean images that follow from the noise `told`, not limited to −1..1.
    pub fn estimates(&self, schedule: Schedule, told: &[f32]) -> Vec<f32> {
        let size = self.x.len() / self.t.len();
        let mut estimates = Vec::with_capacity(told.len());
        for ((x, told), t) in self.x.chunks_exact(size).zip(told.chunks_exact(size)).zip(&self.t) {
            let [image, noise] = schedule.shares(*t);
            estimates.extend(x.iter().zip(told).map(|(x, told)| (x - noise * told) / image));
        }
        estimates
    }
}

impl UnetTrainer {
    /// A trainer that starts from `state`; `images` is the size of the training split. The encoder is there where the
    /// settings name a guide.
    ///
    /// # Errors
    /// Where the settings contradict each other.
    pub fn new(config: UnetTrainConfig, state: OptimState, encoder: Option<Encoder>, images: usize) -> Result<Self> {
        config.validate()?;
        ensure!(config.guide.is_some() == encoder.is_some(), "a guided run needs an encoder, and no other has one");
        ensure!(images >= config.batch, "{images} images are fewer than one batch of {}", config.batch);
        let layout = UnetLayout::new(&config.architecture);
        layout.table.check(&state.weights)?;
        let lanes = Lanes::new(config.lanes, layout.table.len);
        let steps = u64::from(config.epochs) * (images / config.batch) as u64;
        Ok(Self { config, layout, state, steps, encoder, lanes })
    }

    /// The averaged weights and their guide, where there is one.
    pub fn guided(&self) -> Option<Guided<'_>> {
        let (guide, encoder) = self.config.guide.as_ref().zip(self.encoder.as_ref())?;
        Some(Guided { config: &self.config, guide, encoder, layout: &self.layout, weights: &self.state.ema })
    }

    /// Trains on the images of `batch`, indices into `pixels` (8-bit HWC). Returns the mean loss of their crops.
    pub fn step(&mut self, pixels: &[Vec<u8>], batch: &[usize], epoch: u32) -> f64 {
        let (config, layout, weights) = (&self.config, &self.layout, &self.state.weights);
        let size = config.preprocess.size;
        // No epoch of training reaches this one's generators.
        let side =
            config.crops[job::generator(config.seed, u32::MAX, self.state.step as usize).random_range(0..config.crops.len())];
        // The encoder sees whole images only: tiles have to make them up.
        let guide = config.guide.as_ref().zip(self.encoder.as_ref()).filter(|_| size.is_multiple_of(side));
        let largest = if guide.is_some() { size } else { config.crops.iter().max().copied().unwrap_or(side) };
        let crops = (largest * largest) / (side * side);
        let count = batch.len() * crops;
        let work = |chunk: &[usize], memory: &mut Memory, grad: &mut [f32]| {
            let (mut noised, mut tilings) = (Noised::default(), Vec::new());
            for index in chunk {
                let mut rng = job::generator(config.seed, epoch, *index);
                if let Some((guide, encoder)) = guide {
                    let image = (pixels[*index].as_slice(), side);
                    tilings.push(encoder.push(config, guide, image, &mut noised, &mut rng, &mut memory.encoder));
                } else {
                    (0..crops).for_each(|_| noised.push_crop(config, &pixels[*index], side, &mut rng));
                }
            }
            forward(layout, weights, &noised.x, [side; 2], &noised.t, &mut memory.unet);
            let told = memory.unet.noise();
            let (mut loss, mut slope) = loss(config, &noised, told, count);
            if let Some((guide, encoder)) = guide {
                let scale = guide.token_weight / (batch.len() * encoder.layout.config.dim) as f32;
                let cut = (&noised, tilings.as_slice());
                loss += encoder.token_loss(scale, config.schedule, cut, told, &mut slope, &mut memory.encoder);
            }
            backward(layout, weights, &slope, &mut memory.unet, grad);
            loss
        };
        let (losses, grad) = self.lanes.run(batch, (CHUNK / (crops * side * side)).max(1), work);
        let lr = self.config.optim.lr * one_cycle(self.state.step, self.steps, self.config.optim.warmup);
        self.state.update(&self.layout.table, &self.config.optim, lr, grad);
        losses.iter().sum()
    }
}

/// The part of these images in the mean loss of a step of `count`, and its gradient with respect to the noise told.
fn loss(config: &UnetTrainConfig, noised: &Noised, told: &[f32], count: usize) -> (f64, Vec<f32>) {
    let size = noised.x.len() / noised.t.len();
    let mut slope = Vec::with_capacity(told.len());
    let mut loss = 0.0;
    let images = told.chunks_exact(size).zip(noised.noise.chunks_exact(size)).zip(&noised.t);
    for ((told, noise), t) in images {
        let weight = weight(config, *t) / (count * size) as f32;
        let errors = told.iter().zip(noise).map(|(a, b)| a - b);
        slope.extend(errors.clone().map(|error| 2.0 * weight * error));
        loss += f64::from(weight) * errors.map(|error| f64::from(error * error)).sum::<f64>();
    }
    (loss, slope)
}

/// How much the error of the noise counts at level `t`.
fn weight(config: &UnetTrainConfig, t: u16) -> f32 {
    let alpha_bar = config.schedule.alpha_bar(t);
    match config.objective {
        Objective::Noise => 1.0,
        Objective::Clean => (1.0 - alpha_bar) / alpha_bar,
    }
}
