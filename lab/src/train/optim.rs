//! AdamW with layer-wise learning rates, gradient clipping and a moving average of the weights, and the one-cycle schedule.

use super::{math, params::Table};

/// Settings of the optimiser.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct OptimConfig {
    /// Peak learning rate.
    pub lr: f32,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f32,
    /// Factor of the learning rate from each layer to the one below it; 1 for none.
    pub layer_decay: f32,
    /// Largest norm of the gradient.
    pub clip: f32,
    /// Decay of the moving average of the weights at each step.
    pub ema: f32,
    /// Part of the steps in which the learning rate rises.
    pub warmup: f32,
}

/// The optimiser's state: everything a checkpoint needs besides the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimState {
    /// Parameters.
    pub weights: Vec<f32>,
    /// Moving average of the parameters.
    pub ema: Vec<f32>,
    /// First moments.
    pub first: Vec<f32>,
    /// Second moments.
    pub second: Vec<f32>,
    /// Steps taken.
    pub step: u64,
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

impl OptimState {
    /// A fresh state that starts from `weights`.
    pub fn new(weights: Vec<f32>) -> Self {
        let zeros = vec![0.0; weights.len()];
        Self { ema: weights.clone(), first: zeros.clone(), second: zeros, weights, step: 0 }
    }

    /// One step along `grad` (which is clipped in place). Returns the norm of the gradient before clipping.
    pub fn update(&mut self, table: &Table, config: &OptimConfig, lr: f32, grad: &mut [f32]) -> f32 {
        let norm = math::norm(grad);
        let shrink = if norm > config.clip { config.clip / norm } else { 1.0 };
        self.step += 1;
        let t = self.step as f32;
        let (correct1, correct2) = (1.0 - BETA1.powf(t), 1.0 - BETA2.powf(t));
        for slot in &table.slots {
            let lr = lr * config.layer_decay.powi((table.top - slot.layer) as i32);
            let decay = if slot.decays() { lr * config.weight_decay } else { 0.0 };
            let update = Update { lr, decay, shrink, correct1, correct2 };
            let (w, g) = (slot.of_mut(&mut self.weights), slot.of(grad));
            update.apply(w, g, slot.of_mut(&mut self.first), slot.of_mut(&mut self.second));
        }
        // A short memory at first, so that the average forgets the start.
        let keep = config.ema.min((1.0 + t) / (10.0 + t));
        math::blend(&mut self.ema, &self.weights, keep);
        norm
    }
}

struct Update {
    lr: f32,
    decay: f32,
    shrink: f32,
    correct1: f32,
    correct2: f32,
}

impl Update {
    fn apply(&self, weights: &mut [f32], grad: &[f32], first: &mut [f32], second: &mut [f32]) {
        pulp::Arch::new().dispatch(|| {
            let moments = first.iter_mut().zip(second.iter_mut());
            for ((w, g), (m, v)) in weights.iter_mut().zip(grad).zip(moments) {
                let g = g * self.shrink;
                *m = BETA1 * *m + (1.0 - BETA1) * g;
                *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                let size = (*v / self.correct2).sqrt() + EPSILON;
                *w -= self.lr * (*m / self.correct1) / size + self.decay * *w;
            }
        });
    }
}

/// The one-cycle schedule: a straight rise to 1 over `warmup`, then half a cosine down to 0.001.
pub fn one_cycle(step: u64, steps: u64, warmup: f32) -> f32 {
    let at = step as f32 / steps.max(1) as f32;
    if at < warmup {
        return (step + 1) as f32 / (warmup * steps as f32).max(1.0);
    }
    let fall = ((at - warmup) / (1.0 - warmup)).min(1.0);
    0.001 + 0.999 * 0.5 * (1.0 + (std::f32::consts::PI * fall).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_rises_peaks_and_falls() {
        let rates: Vec<f32> = (0..100).map(|s| one_cycle(s, 100, 0.1)).collect();
        assert!((rates[0] - 0.1).abs() < 1e-6 && (rates[9] - 1.0).abs() < 1e-6);
        assert!(rates[10..].windows(2).all(|w| w[0] >= w[1]));
        assert!(rates[99] < 0.003);
    }
}
