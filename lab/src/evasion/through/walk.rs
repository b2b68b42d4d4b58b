//! The purifier's walk as something that can be gone back: how the purified image depends on the noised one.

use std::sync::Mutex;

use anyhow::Result;
use models::{PurifierCard, TensorMap, purifier::ddim_levels, unet::Schedule};

use crate::{
    purify::purification::Setting,
    train::unet::{self, UnetLayout, UnetTape},
};

/// The purifier's network as floats.
pub struct WalkSlope {
    layout: UnetLayout,
    weights: Vec<f32>,
    schedule: Schedule,
    tapes: Mutex<Vec<UnetTape>>,
}

/// A walk that was gone forward.
pub struct Walked {
    /// The clean images, [copies, C, H, W] in diffusion units within ±1.
    pub clean: Vec<f32>,
    levels: Vec<u16>,
    tapes: Vec<UnetTape>,
}

impl WalkSlope {
    /// The network of a purifier's file.
    ///
    /// # Errors
    /// Where the file does not fit the card.
    pub fn new(card: &PurifierCard, weights: &TensorMap) -> Result<Self> {
        let layout = UnetLayout::new(&card.architecture);
        let mut flat = vec![0.0; layout.table.len];
        layout.load(weights, &mut flat)?;
        Ok(Self { layout, weights: flat, schedule: card.schedule, tapes: Mutex::default() })
    }

    /// Walks `copies` square noised images, one after another, to clean ones.
    pub fn forward(&self, mut noised: Vec<f32>, copies: usize, setting: Setting) -> Walked {
        let levels = ddim_levels(setting.t, setting.steps);
        let side = (noised.len() / copies / self.layout.config.in_channels).isqrt();
        let mut tapes = Vec::with_capacity(levels.len() - 1);
        for pair in levels.windows(2) {
            let mut tape = self.tapes.lock().ok().and_then(|mut free| free.pop()).unwrap_or_default();
            unet::forward(&self.layout, &self.weights, &noised, [side, side], &vec![pair[0]; copies], &mut tape);
            let ([image, rest], [next_image, next_rest]) = (self.schedule.shares(pair[0]), self.schedule.shares(pair[1]));
            for (value, eps) in noised.iter_mut().zip(tape.noise()) {
                let clean = ((*value - rest * eps) / image).clamp(-1.0, 1.0);
                *value = next_image * clean + next_rest * (*value - image * clean) / rest;
            }
            tapes.push(tape);
        }
        Walked { clean: noised, levels, tapes }
    }

    /// Slope with respect to the noised images, of the slope with respect to the clean ones. It passes unchanged through the cut at ±1,
    /// beyond which there would be none (Athalye et al. 2018).
    pub fn backward(&self, walked: Walked, mut slope: Vec<f32>) -> Vec<f32> {
        for (pair, mut tape) in walked.levels.windows(2).zip(walked.tapes).rev() {
            let ([image, rest], [next_image, next_rest]) = (self.schedule.shares(pair[0]), self.schedule.shares(pair[1]));
            let (to_clean, to_value) = (next_image - next_rest * image / rest, next_rest / rest);
            let of_eps: Vec<f32> = slope.iter().map(|s| -rest / image * to_clean * s).collect();
            let through = unet::backward_input(&self.layout, &self.weights, &of_eps, &mut tape);
            slope.iter_mut().zip(through).for_each(|(s, t)| *s = (to_clean / image + to_value) * *s + t);
            if let Ok(mut free) = self.tapes.lock() {
                free.push(tape);
            }
        }
        slope
    }
}
