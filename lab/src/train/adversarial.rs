//! Adversarial training: the worst image near each training image, found by projected gradient descent (Madry et al. 2018).

use models::preprocess::Preprocess;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    augment, loss,
    params::Layout,
    step::{Images, answers, normalise},
    vit::{self, OutputGradients, Tape},
};

/// Settings of adversarial training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adversarial {
    /// Largest change of a pixel (L∞), of 1.
    pub eps: f32,
    /// Steps of the attack during training.
    pub steps: u32,
    /// Weight of the attacked images in the loss; the rest is that of the clean ones. At 1 the clean ones are left out.
    pub share: f32,
}

/// Part of the steps of a run in which the radius rises from 0 to its full size.
const RAMP: f32 = 1.0 / 3.0;
/// Steps of the attack on validation images.
const VALIDATION_STEPS: u32 = 5;
/// Validation images that are attacked after each epoch.
const VALIDATION_IMAGES: usize = 100;

impl Adversarial {
    /// The attack at step `step` of `steps` of the run.
    pub fn attack(&self, step: u64, steps: u64) -> Pgd {
        let rise = (step + 1) as f32 / (RAMP * steps as f32).max(1.0);
        Pgd { eps: self.eps * rise.min(1.0), steps: self.steps }
    }

    /// The attack that measures robustness after each epoch.
    pub fn validation(&self) -> Pgd {
        Pgd { eps: self.eps, steps: VALIDATION_STEPS }
    }
}

/// Projected gradient descent within an L∞ ball around the image, from a random start in it, by signs of the gradient.
#[derive(Clone, Copy, Debug)]
pub struct Pgd {
    /// Radius, of 1.
    pub eps: f32,
    /// Steps, each of 2.5 · eps / steps.
    pub steps: u32,
}

/// A network that is attacked, in inference mode.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Geometry.
    pub layout: &'a Layout,
    /// Parameters.
    pub weights: &'a [f32],
    /// How pixel values become inputs.
    pub preprocess: &'a Preprocess,
}

impl Pgd {
    /// A uniformly random point of the ball around `clean`, a CHW image in [0, 1].
    pub fn start(&self, clean: &[f32], rng: &mut impl Rng) -> Vec<f32> {
        clean.iter().map(|v| (v + self.eps * (2.0 * rng.random::<f32>() - 1.0)).clamp(0.0, 1.0)).collect()
    }

    /// Moves `images`, points of the balls around `clean` (CHW images in [0, 1], one after another), so that the loss of
    /// their labels rises.
    pub fn run(&self, target: Target, clean: &[f32], labels: &[usize], images: &mut [f32], tape: &mut Tape) {
        let size = 2.5 * self.eps / self.steps.max(1) as f32;
        for _ in 0..self.steps {
            let slope = input_gradient(target, images, labels, tape);
            for ((value, clean), slope) in images.iter_mut().zip(clean).zip(&slope) {
                let step = if *slope == 0.0 { 0.0 } else { size * slope.signum() };
                *value = (*value + step).clamp(clean - self.eps, clean + self.eps).clamp(0.0, 1.0);
            }
        }
    }
}

/// Gradient of the cross-entropy with respect to the normalised input; its signs are those of the pixels' gradient.
fn input_gradient(target: Target, images: &[f32], labels: &[usize], tape: &mut Tape) -> Vec<f32> {
    let Target { layout, weights, preprocess } = target;
    let mut input = images.to_vec();
    normalise(&mut input, preprocess);
    vit::forward(layout, weights, &input, &[], tape);
    let mut out = OutputGradients { logits: vec![0.0; labels.len() * layout.classes], ..OutputGradients::default() };
    loss::cross_entropy(tape.logits(), labels, 0.0, 1.0, &mut out.logits);
    vit::backward_input(layout, weights, &out, tape)
}

/// Accuracy under attack on at most 100 images, evenly chosen; `generator` gives the random numbers of each image's start.
pub fn robust_accuracy<R: Rng>(target: Target, attack: Pgd, images: &Images, generator: impl Fn(usize) -> R + Sync) -> f64 {
    use rayon::prelude::*;
    let (count, side) = (images.pixels.len(), target.layout.config.image_size);
    let limit = count.min(VALIDATION_IMAGES);
    let chosen: Vec<usize> = (0..limit).map(|i| i * count / limit).collect();
    let right = |tape: &mut Tape, part: &[usize]| {
        let labels: Vec<usize> = part.iter().map(|i| images.classes[*i]).collect();
        let plain: Vec<Vec<f32>> = part.iter().map(|i| augment::plain(&images.pixels[*i], side)).collect();
        let starts = part.iter().zip(&plain).flat_map(|(i, clean)| attack.start(clean, &mut generator(*i)));
        let mut moved: Vec<f32> = starts.collect();
        attack.run(target, &plain.concat(), &labels, &mut moved, tape);
        normalise(&mut moved, target.preprocess);
        vit::forward(target.layout, target.weights, &moved, &[], tape);
        answers(tape.logits(), target.layout.classes).iter().zip(&labels).filter(|(a, b)| a == b).count()
    };
    let right: usize = chosen.par_chunks(8).map_init(Tape::default, right).sum();
    right as f64 / limit as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::{config::VitConfig, preprocess::Channels};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_radius_rises_over_a_third_of_the_run() {
        let settings = Adversarial { eps: 0.03, steps: 2, share: 0.5 };
        let radius = |step| settings.attack(step, 90).eps;
        assert!((radius(0) - 0.001).abs() < 1e-6 && (radius(14) - 0.015).abs() < 1e-6);
        assert_eq!([radius(29), radius(89)], [0.03; 2]);
    }

    #[test]
    fn an_attack_raises_the_loss_and_stays_in_its_ball() {
        let config =
            VitConfig { in_channels: 1, patch_size: 4, dim: 16, heads: 2, depth: 2, mlp_dim: 24, ..VitConfig::tiny16(8) };
        let layout = Layout::new(&config, 3);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut weights = layout.random(1);
        weights.iter_mut().for_each(|w| *w += 0.2 * crate::train::params::normal(&mut rng));
        let preprocess = Preprocess { size: 8, channels: Channels::Grey, mean: vec![0.5], std: vec![0.25] };
        let clean: Vec<f32> = (0..2 * config.input_len()).map(|_| rng.random()).collect();
        let target = Target { layout: &layout, weights: &weights, preprocess: &preprocess };
        let (attack, labels, mut tape) = (Pgd { eps: 0.05, steps: 4 }, [0, 2], Tape::default());
        let mut loss = |images: &[f32]| {
            let mut input = images.to_vec();
            normalise(&mut input, &preprocess);
            vit::forward(&layout, &weights, &input, &[], &mut tape);
            loss::cross_entropy(tape.logits(), &labels, 0.0, 0.0, &mut [0.0; 6])
        };
        let mut moved: Vec<f32> = clean.chunks_exact(config.input_len()).flat_map(|c| attack.start(c, &mut rng)).collect();
        attack.run(target, &clean, &labels, &mut moved, &mut Tape::default());
        assert!(loss(&moved) > loss(&clean) + 0.01, "{} {}", loss(&moved), loss(&clean));
        let inside = |(m, c): (&f32, &f32)| (m - c).abs() <= 0.05 + 1e-6 && (0.0..=1.0).contains(m);
        assert!(moved.iter().zip(&clean).all(inside));
    }
}
