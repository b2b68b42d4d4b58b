//! One training step over a batch.

use anyhow::{Result, ensure};
use models::unet::Schedule;
use rand::Rng;

use super::{Objective, UnetLayout, UnetTape, UnetTrainConfig, backward, crop, forward};
use crate::train::{
    job,
    lanes::Lanes,
    optim::{OptimState, one_cycle},
    params::normal,
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
    lanes: Lanes<UnetTape>,
}

/// Noised images of one size and what is to be told of them.
#[derive(Default)]
pub(super) struct Noised {
    /// CHW in diffusion units, one after another.
    pub x: Vec<f32>,
    /// The noise in them.
    pub noise: Vec<f32>,
    /// Level of each.
    pub t: Vec<u16>,
}

impl Noised {
    /// Adds noise of level `t` to `clean`.
    pub fn push(&mut self, schedule: Schedule, clean: &[f32], t: u16, rng: &mut impl Rng) {
        let [image, noise] = schedule.shares(t);
        let from = self.noise.len();
        self.noise.extend((0..clean.len()).map(|_| normal(rng)));
        self.x.extend(clean.iter().zip(&self.noise[from..]).map(|(a, b)| image * a + noise * b));
        self.t.push(t);
    }
}

impl UnetTrainer {
    /// A trainer that starts from `state`; `images` is the size of the training split.
    ///
    /// # Errors
    /// Where the settings contradict each other.
    pub fn new(config: UnetTrainConfig, state: OptimState, images: usize) -> Result<Self> {
        config.validate()?;
        ensure!(images >= config.batch, "{images} images are fewer than one batch of {}", config.batch);
        let layout = UnetLayout::new(&config.architecture);
        layout.table.check(&state.weights)?;
        let lanes = Lanes::new(config.lanes, layout.table.len);
        let steps = u64::from(config.epochs) * (images / config.batch) as u64;
        Ok(Self { config, layout, state, steps, lanes })
    }

    /// Trains on the images of `batch`, indices into `pixels` (8-bit HWC). Returns the mean loss of their crops.
    pub fn step(&mut self, pixels: &[Vec<u8>], batch: &[usize], epoch: u32) -> f64 {
        let (config, layout, weights) = (&self.config, &self.layout, &self.state.weights);
        // No epoch of training reaches this one's generators.
        let side =
            config.crops[job::generator(config.seed, u32::MAX, self.state.step as usize).random_range(0..config.crops.len())];
        let largest = config.crops.iter().max().copied().unwrap_or(side);
        let crops = (largest * largest) / (side * side);
        let count = batch.len() * crops;
        let work = |chunk: &[usize], tape: &mut UnetTape, grad: &mut [f32]| {
            let mut noised = Noised::default();
            for index in chunk {
                let mut rng = job::generator(config.seed, epoch, *index);
                for _ in 0..crops {
                    let clean = crop::draw(&pixels[*index], config.preprocess.size, side, config.light, &mut rng);
                    let t = rng.random_range(1..=config.max_t);
                    noised.push(config.schedule, &clean, t, &mut rng);
                }
            }
            forward(layout, weights, &noised.x, [side; 2], &noised.t, tape);
            let (loss, slope) = loss(config, &noised, tape.noise(), count);
            backward(layout, weights, &slope, tape, grad);
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
