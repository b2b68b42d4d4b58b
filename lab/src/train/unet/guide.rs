//! A frozen encoder that says what must survive purification: the CLS token of the clean image (Liao et al. 2018,
//! arXiv 1712.02976, the feature guided denoiser).

use models::{preprocess::Preprocess, unet::Schedule};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::step::Noised;
use crate::train::{
    adversarial::{Pgd, Target},
    math,
    params::Layout,
    step::{answers, normalise},
    vit::{self, OutputGradients, Tape},
};

/// How an encoder guides the training, on crops that are whole images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuideConfig {
    /// Weight of the squared change of the CLS token, a mean over its values.
    pub token_weight: f32,
    /// Every other image is attacked before it is noised; the clean one is what is to come out. Largest change of a pixel, of 1.
    pub eps: f32,
    /// Steps of that attack, which turns the encoder's answer.
    pub attack_steps: u32,
}

/// The encoder, with a head.
pub struct Encoder {
    /// Geometry.
    pub layout: Layout,
    /// Parameters.
    pub weights: Vec<f32>,
    /// How pixel values become inputs.
    pub preprocess: Preprocess,
}

impl Encoder {
    /// Leaves the encoder's outputs for images in diffusion units, one after another, in `tape`.
    fn see(&self, images: &[f32], tape: &mut Tape) {
        let mut input = pixels(images);
        normalise(&mut input, &self.preprocess);
        vit::forward(&self.layout, &self.weights, &input, &[], tape);
    }

    /// `clean`, an image in diffusion units, attacked.
    pub(super) fn attacked(&self, config: &GuideConfig, clean: &[f32], rng: &mut impl Rng, tape: &mut Tape) -> Vec<f32> {
        self.see(clean, tape);
        let label = answers(tape.logits(), self.layout.classes);
        let attack = Pgd { eps: config.eps, steps: config.attack_steps };
        let target = Target { layout: &self.layout, weights: &self.weights, preprocess: &self.preprocess };
        let clean = pixels(clean);
        let mut moved = attack.start(&clean, rng);
        attack.run(target, &clean, &label, &mut moved, tape);
        moved.iter().map(|value| 2.0 * value - 1.0).collect()
    }

    /// `scale` times the squared change of the tokens, summed, from the clean images to those that follow from the noise
    /// `told`; adds its gradient with respect to `told` to `slope`.
    pub(super) fn token_loss(
        &self,
        scale: f32,
        schedule: Schedule,
        noised: &Noised,
        told: &[f32],
        slope: &mut [f32],
        tape: &mut Tape,
    ) -> f64 {
        self.see(&noised.clean, tape);
        let mut change: Vec<f32> = tape.cls().iter().map(|value| -value).collect();
        let estimates = noised.estimates(schedule, told);
        let inside: Vec<f32> = estimates.iter().map(|value| value.clamp(-1.0, 1.0)).collect();
        self.see(&inside, tape);
        math::add_scaled(&mut change, tape.cls(), 1.0);
        let loss = f64::from(scale) * change.iter().map(|d| f64::from(d * d)).sum::<f64>();
        change.iter_mut().for_each(|d| *d *= 2.0 * scale);
        let logits = vec![0.0; noised.t.len() * self.layout.classes];
        let out = OutputGradients { logits, cls: change, hidden: Vec::new() };
        let gradient = vit::backward_input(&self.layout, &self.weights, &out, tape);
        let size = gradient.len() / noised.t.len();
        let area = self.preprocess.size * self.preprocess.size;
        for (i, (slope, gradient)) in slope.iter_mut().zip(&gradient).enumerate() {
            let [image, noise] = schedule.shares(noised.t[i / size]);
            let std = self.preprocess.std[i % size / area];
            // From an input to its pixel, to diffusion units, to the noise told.
            let chain = -0.5 / std * noise / image;
            *slope += if inside[i] == estimates[i] { chain * gradient } else { 0.0 };
        }
        loss
    }
}

fn pixels(images: &[f32]) -> Vec<f32> {
    images.iter().map(|value| (value + 1.0) / 2.0).collect()
}

#[cfg(test)]
mod tests {
    use models::{config::VitConfig, preprocess::Channels};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::train::params::normal;

    const LINEAR: Schedule = Schedule::Linear;

    fn encoder() -> Encoder {
        let config =
            VitConfig { in_channels: 1, patch_size: 4, dim: 16, heads: 2, depth: 2, mlp_dim: 24, ..VitConfig::tiny16(8) };
        let layout = Layout::new(&config, 2);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut weights = layout.random(1);
        weights.iter_mut().for_each(|w| *w += 0.2 * normal(&mut rng));
        Encoder { layout, weights, preprocess: Preprocess { size: 8, channels: Channels::Grey, mean: vec![0.4], std: vec![0.3] } }
    }

    #[test]
    fn the_gradient_of_the_token_is_the_slope_along_the_noise_told() {
        let (encoder, mut rng) = (encoder(), ChaCha8Rng::seed_from_u64(4));
        let mut noised = Noised::default();
        for t in [60, 200] {
            let clean: Vec<f32> = (0..64).map(|_| rng.random_range(-0.6..0.6)).collect();
            noised.push(LINEAR, &clean, &clean, t, &mut rng);
        }
        let told: Vec<f32> = noised.noise.iter().map(|noise| noise + 0.2 * normal(&mut rng)).collect();
        let loss = |told: &[f32], slope: &mut [f32]| encoder.token_loss(0.7, LINEAR, &noised, told, slope, &mut Tape::default());
        let mut gradient = vec![0.0; told.len()];
        assert!(loss(&told, &mut gradient) > 1e-3);
        for _ in 0..4 {
            let direction: Vec<f32> = told.iter().map(|_| normal(&mut rng)).collect();
            let at = |step: f32| {
                let moved: Vec<f32> = told.iter().zip(&direction).map(|(v, d)| v + step * d).collect();
                loss(&moved, &mut vec![0.0; told.len()])
            };
            let slope = (at(2e-3) - at(-2e-3)) / 4e-3;
            let claimed: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let size = f64::from(math::norm(&gradient)) * 8.0 + 1e-3;
            assert!((slope - claimed).abs() < 0.02 * size, "slope {slope}, gradient {claimed}");
        }
    }
}
