//! A frozen encoder that says what must survive purification: the CLS token of the clean image (Liao et al. 2018,
//! arXiv 1712.02976, the feature guided denoiser).

use models::{preprocess::Preprocess, unet::Schedule};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{
    UnetTrainConfig,
    crop::{self, Tiling},
    step::Noised,
};
use crate::train::{
    adversarial::{Pgd, Target},
    math,
    params::Layout,
    step::{answers, normalise},
    vit::{self, OutputGradients, Tape},
};

/// How an encoder guides the training. Crops whose side divides that of the images are then the tiles of whole images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuideConfig {
    /// Weight of the squared change of the CLS token, a mean over its values.
    pub token_weight: f32,
    /// Every other image is attacked before it is noised; the clean one is what is to come out. Each attack has a radius of its
    /// own up to this one, of 1.
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
    /// Adds the tiles of a whole image to `noised`, all at one level; every other image is attacked first. Returns how it was cut.
    pub(super) fn push(
        &self,
        config: &UnetTrainConfig,
        guide: &GuideConfig,
        (pixels, side): (&[u8], usize),
        noised: &mut Noised,
        rng: &mut impl Rng,
        tape: &mut Tape,
    ) -> Tiling {
        let clean = crop::whole(pixels, config.preprocess.size, config.light, rng);
        let tiling = Tiling::draw(config.preprocess.size, side, rng);
        let attacked = rng.random::<bool>().then(|| {
            let attack = Pgd { eps: guide.eps * rng.random::<f32>(), steps: guide.attack_steps };
            self.attacked(attack, &clean, rng, tape)
        });
        let seen = tiling.split(attacked.as_ref().unwrap_or(&clean));
        let clean = tiling.split(&clean);
        let (t, tile) = (rng.random_range(1..=config.max_t), clean.len() / tiling.count());
        for (clean, seen) in clean.chunks_exact(tile).zip(seen.chunks_exact(tile)) {
            noised.push(config.schedule, clean, seen, t, rng);
        }
        tiling
    }

    /// Leaves the encoder's outputs for images in diffusion units, one after another, in `tape`.
    fn see(&self, images: &[f32], tape: &mut Tape) {
        let mut input = pixels(images);
        normalise(&mut input, &self.preprocess);
        vit::forward(&self.layout, &self.weights, &input, &[], tape);
    }

    /// The CLS tokens of images in diffusion units, one after another, and the answers.
    pub(super) fn tokens(&self, images: &[f32], tape: &mut Tape) -> (Vec<f32>, Vec<usize>) {
        self.see(images, tape);
        (tape.cls().to_vec(), answers(tape.logits(), self.layout.classes))
    }

    /// `clean`, an image in diffusion units, attacked so that its answer turns.
    pub(super) fn attacked(&self, attack: Pgd, clean: &[f32], rng: &mut impl Rng, tape: &mut Tape) -> Vec<f32> {
        let (_, label) = self.tokens(clean, tape);
        let target = Target { layout: &self.layout, weights: &self.weights, preprocess: &self.preprocess };
        let clean = pixels(clean);
        let mut moved = attack.start(&clean, rng);
        attack.run(target, &clean, &label, &mut moved, tape);
        moved.iter().map(|value| 2.0 * value - 1.0).collect()
    }

    /// `scale` times the squared change of the tokens, summed, from the clean images to those that follow from the noise
    /// `told` of their tiles; adds its gradient with respect to `told` to `slope`.
    pub(super) fn token_loss(
        &self,
        scale: f32,
        schedule: Schedule,
        (noised, tilings): (&Noised, &[Tiling]),
        told: &[f32],
        slope: &mut [f32],
        tape: &mut Tape,
    ) -> f64 {
        let estimates = noised.estimates(schedule, told);
        let inside: Vec<f32> = estimates.iter().map(|value| value.clamp(-1.0, 1.0)).collect();
        self.see(&join(tilings, &noised.clean), tape);
        let mut change: Vec<f32> = tape.cls().iter().map(|value| -value).collect();
        self.see(&join(tilings, &inside), tape);
        math::add_scaled(&mut change, tape.cls(), 1.0);
        let loss = f64::from(scale) * change.iter().map(|d| f64::from(d * d)).sum::<f64>();
        change.iter_mut().for_each(|d| *d *= 2.0 * scale);
        let logits = vec![0.0; tilings.len() * self.layout.classes];
        let out = OutputGradients { logits, cls: change, hidden: Vec::new() };
        let gradient = self.in_tiles(tilings, &vit::backward_input(&self.layout, &self.weights, &out, tape));
        let tile = told.len() / noised.t.len();
        for (i, (slope, gradient)) in slope.iter_mut().zip(&gradient).enumerate() {
            let [image, noise] = schedule.shares(noised.t[i / tile]);
            *slope -= if inside[i] == estimates[i] { noise / image * gradient } else { 0.0 };
        }
        loss
    }

    /// The gradient with respect to the values of tiles in diffusion units, from that with respect to the encoder's input.
    fn in_tiles(&self, tilings: &[Tiling], gradient: &[f32]) -> Vec<f32> {
        let area = self.preprocess.size * self.preprocess.size;
        let mut tiles = Vec::with_capacity(gradient.len());
        for (tiling, gradient) in tilings.iter().zip(gradient.chunks_exact(gradient.len() / tilings.len())) {
            let scaled = gradient.chunks_exact(area).zip(&self.preprocess.std);
            let scaled: Vec<f32> = scaled.flat_map(|(plane, std)| plane.iter().map(move |g| 0.5 / std * g)).collect();
            tiles.extend(tiling.split(&scaled));
        }
        tiles
    }
}

/// The images of these tiles, one after another.
fn join(tilings: &[Tiling], tiles: &[f32]) -> Vec<f32> {
    let images = tiles.chunks_exact(tiles.len() / tilings.len());
    images.zip(tilings).flat_map(|(tiles, tiling)| tiling.join(tiles)).collect()
}

fn pixels(images: &[f32]) -> Vec<f32> {
    images.iter().map(|value| (value + 1.0) / 2.0).collect()
}

#[cfg(test)]
mod tests {
    use models::{config::VitConfig, preprocess::Channels, unet::UnetConfig};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::train::{
        optim::OptimConfig,
        params::normal,
        unet::{
            Objective, UnetLayout,
            kept::{Guided, Kept},
        },
    };

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
        for side in [8, 4] {
            let tilings = [Tiling::draw(8, side, &mut rng), Tiling::draw(8, side, &mut rng)];
            let mut noised = Noised::default();
            for (tiling, t) in tilings.iter().zip([60, 200]) {
                for _ in 0..tiling.count() {
                    let clean: Vec<f32> = (0..side * side).map(|_| rng.random_range(-0.6..0.6)).collect();
                    noised.push(LINEAR, &clean, &clean, t, &mut rng);
                }
            }
            let told: Vec<f32> = noised.noise.iter().map(|noise| noise + 0.2 * normal(&mut rng)).collect();
            let loss = |told: &[f32], slope: &mut [f32]| {
                encoder.token_loss(0.7, LINEAR, (&noised, &tilings), told, slope, &mut Tape::default())
            };
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
                assert!((slope - claimed).abs() < 0.02 * size, "side {side}: slope {slope}, gradient {claimed}");
            }
        }
    }

    /// At the lowest level hardly anything is changed, so a clean image keeps its token and an attacked one keeps its attack.
    #[test]
    fn what_is_kept_is_told_of_clean_and_attacked_images() {
        let (encoder, mut rng) = (encoder(), ChaCha8Rng::seed_from_u64(6));
        let guide = GuideConfig { token_weight: 1.0, eps: 0.6, attack_steps: 4 };
        let config = UnetTrainConfig {
            architecture: UnetConfig { widths: vec![4], time_dim: 4, ..UnetConfig::standard(1) },
            preprocess: encoder.preprocess.clone(),
            schedule: LINEAR,
            max_t: 1,
            objective: Objective::Clean,
            seed: 3,
            epochs: 1,
            batch: 1,
            lanes: 1,
            crops: vec![4],
            light: 0.0,
            optim: OptimConfig { lr: 1e-3, weight_decay: 0.0, layer_decay: 1.0, clip: 1.0, ema: 0.9, warmup: 0.1 },
            guide: Some(guide.clone()),
        };
        let layout = UnetLayout::new(&config.architecture);
        let weights = layout.random(1);
        let pixels: Vec<Vec<u8>> = (0..6).map(|_| (0..64).map(|_| rng.random()).collect()).collect();
        let guided = Guided { config: &config, guide: &guide, encoder: &encoder, layout: &layout, weights: &weights };
        let kept = guided.kept(&pixels);
        assert_eq!(kept.iter().map(|kept| (kept.side, kept.t)).collect::<Vec<_>>(), [(8, 1), (8, 1)]);
        for Kept { change: [clean, attacked], answers: [same, turned], .. } in kept {
            assert!(clean < 0.01 && attacked > 10.0 * clean, "{clean} {attacked}");
            assert!(same == 1.0 && turned < 1.0, "{same} {turned}");
        }
    }
}
