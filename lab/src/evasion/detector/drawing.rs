//! Slope of the feature that compares the image with what the masked autoencoder draws of it: through the drawings and through the
//! patches that they are compared with, over all masks.

use std::sync::Mutex;

use anyhow::Result;
use models::{
    Mask, TensorMap,
    detector::{DetectorCard, ERROR_FLOOR},
    mae::{VARIANCE_FLOOR, patchify, targets},
};

use crate::train::mae::{self, MaeLayout, MaeTape};

/// What the caller promises.
const OWN_SIZE: &str = "an image of the network's own size";

/// The autoencoder as floats, with its masks.
pub(super) struct Drawing {
    layout: MaeLayout,
    weights: Vec<f32>,
    masks: Vec<Mask>,
    /// Mean and deviation of each patch's log error.
    clean: (Vec<f32>, Vec<f32>),
    /// A tape for each mask, lent to one thread at a time.
    tapes: Mutex<Vec<Vec<MaeTape>>>,
}

impl Drawing {
    /// The network of a detector's file.
    ///
    /// # Errors
    /// Where the file does not fit the card.
    pub fn new(card: &DetectorCard, weights: &TensorMap) -> Result<Self> {
        let layout = MaeLayout::new(&card.architecture);
        let mut flat = vec![0.0; layout.table.len];
        layout.load(weights, &mut flat)?;
        let masks = Mask::complementary(card.masks.seed, card.masks.count, card.architecture.patches());
        let clean = (card.patch_error.mean.clone(), card.patch_error.std.clone());
        Ok(Self { layout, weights: flat, masks, clean, tapes: Mutex::default() })
    }

    /// The feature at each of `inputs` (normalised, CHW, of the network's own size) and its slope with respect to the input.
    pub fn slopes(&self, inputs: &[Vec<f32>]) -> Vec<(f64, Vec<f32>)> {
        let held = self.tapes.lock().ok().and_then(|mut free| free.pop());
        let mut tapes = held.unwrap_or_else(|| self.masks.iter().map(|_| MaeTape::default()).collect());
        let found = self.with_tapes(inputs, &mut tapes);
        if let Ok(mut free) = self.tapes.lock() {
            free.push(tapes);
        }
        found
    }

    fn with_tapes(&self, inputs: &[Vec<f32>], tapes: &mut [MaeTape]) -> Vec<(f64, Vec<f32>)> {
        let c = &self.layout.config.encoder;
        let (count, len, width, patches) = (inputs.len(), c.input_len(), c.patch_len(), c.tokens() - 1);
        let all: Vec<f32> = inputs.concat();
        let wanted: Vec<Vec<f32>> = inputs.iter().map(|input| targets(input, c).expect(OWN_SIZE)).collect();
        for (mask, tape) in self.masks.iter().zip(tapes.iter_mut()) {
            mae::forward(&self.layout, &self.weights, &all, &vec![mask.clone(); count], tape);
        }
        let errors = self.errors(&wanted, tapes, width, patches);
        let mut values = Vec::with_capacity(count);
        let mut shares = vec![vec![0.0; patches]; count];
        for (errors, shares) in errors.iter().zip(&mut shares) {
            values.push(self.value(errors, shares));
        }
        let mut slopes = vec![0.0; count * len];
        let mut of_targets = vec![vec![0.0f32; patches * width]; count];
        for (mask, tape) in self.masks.iter().zip(tapes) {
            let dy = difference(&wanted, mask, tape, width, &shares, &mut of_targets);
            let back = mae::backward_input(&self.layout, &self.weights, &dy, tape);
            slopes.iter_mut().zip(back).for_each(|(s, b)| *s += b);
        }
        let parts = slopes.chunks_exact_mut(len).zip(&of_targets).zip(inputs).zip(wanted);
        for (((slope, of_targets), input), wanted) in parts {
            self.through_targets(input, &wanted, of_targets, slope);
        }
        values.into_iter().zip(slopes.chunks_exact(len).map(<[f32]>::to_vec)).collect()
    }

    /// Error of each patch of each image, its mean over the masks that hid it.
    fn errors(&self, wanted: &[Vec<f32>], tapes: &[MaeTape], width: usize, patches: usize) -> Vec<Vec<f64>> {
        let mut errors = vec![vec![0.0; patches]; wanted.len()];
        for (mask, tape) in self.masks.iter().zip(tapes) {
            let mut drawn = tape.predictions().chunks_exact(width);
            for (errors, wanted) in errors.iter_mut().zip(wanted) {
                for (patch, drawn) in mask.masked.iter().zip(drawn.by_ref()) {
                    let wanted = &wanted[patch * width..(patch + 1) * width];
                    let square: f64 = drawn.iter().zip(wanted).map(|(d, w)| f64::from(d - w).powi(2)).sum();
                    errors[*patch] += square / width as f64 / self.hidden(*patch);
                }
            }
        }
        errors
    }

    /// Number of masks that hide a patch.
    fn hidden(&self, patch: usize) -> f64 {
        self.masks.iter().filter(|mask| mask.masked.contains(&patch)).count() as f64
    }

    /// Mean standardised log error; `shares` become its slopes with respect to the drawn pixels, but for the difference itself.
    fn value(&self, errors: &[f64], shares: &mut [f64]) -> f64 {
        let (mean, std) = &self.clean;
        let count = errors.len() as f64;
        let width = self.layout.config.encoder.patch_len() as f64;
        let mut sum = 0.0;
        for (patch, error) in errors.iter().enumerate() {
            let (floored, std) = (error + f64::from(ERROR_FLOOR), f64::from(std[patch]));
            sum += (floored.ln() - f64::from(mean[patch])) / std;
            shares[patch] = 2.0 / (count * std * floored * self.hidden(patch) * width);
        }
        sum / count
    }

    /// Adds the slope through the patches that the drawings are compared with: each was normalised by its own mean and deviation.
    fn through_targets(&self, input: &[f32], wanted: &[f32], of_targets: &[f32], slope: &mut [f32]) {
        let c = &self.layout.config.encoder;
        let width = c.patch_len();
        let mut rows = patchify(input, c).expect(OWN_SIZE);
        for (patch, row) in rows.chunks_exact_mut(width).enumerate() {
            let span = patch * width..(patch + 1) * width;
            normalise_back(row, &wanted[span.clone()], &of_targets[span]);
        }
        for (place, row) in places(c).into_iter().zip(rows) {
            slope[place] += row;
        }
    }
}

/// `patch` becomes the slope with respect to it, where `unit` is the patch normalised and `slope` that with respect to `unit`.
fn normalise_back(patch: &mut [f32], unit: &[f32], slope: &[f32]) {
    let n = patch.len() as f64;
    let mean = patch.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = patch.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let scale = 1.0 / (variance + f64::from(VARIANCE_FLOOR)).sqrt();
    let middle = slope.iter().map(|g| f64::from(*g)).sum::<f64>() / n;
    let along: f64 = slope.iter().zip(unit).map(|(g, u)| f64::from(g * u)).sum::<f64>() / (n - 1.0).max(1.0);
    for ((p, u), g) in patch.iter_mut().zip(unit).zip(slope) {
        *p = (scale * (f64::from(*g) - middle - along * f64::from(*u))) as f32;
    }
}

/// Slopes with respect to the drawn pixels, in the tape's order; the opposite is added to those with respect to the targets.
fn difference(
    wanted: &[Vec<f32>],
    mask: &Mask,
    tape: &MaeTape,
    width: usize,
    shares: &[Vec<f64>],
    of_targets: &mut [Vec<f32>],
) -> Vec<f32> {
    let mut dy = Vec::with_capacity(tape.predictions().len());
    let mut drawn = tape.predictions().chunks_exact(width);
    for ((wanted, shares), of_targets) in wanted.iter().zip(shares).zip(of_targets) {
        for (patch, drawn) in mask.masked.iter().zip(drawn.by_ref()) {
            let span = patch * width..(patch + 1) * width;
            let share = shares[*patch] as f32;
            for ((d, w), t) in drawn.iter().zip(&wanted[span.clone()]).zip(&mut of_targets[span]) {
                dy.push(share * (d - w));
                *t -= share * (d - w);
            }
        }
    }
    dy
}

/// Place in the CHW image of each value of its patches.
fn places(c: &models::VitConfig) -> Vec<usize> {
    let (size, side, grid) = (c.image_size, c.patch_size, c.grid());
    let place = |i: usize| {
        let (patch, pixel, channel) = (i / c.patch_len(), i % c.patch_len() / c.in_channels, i % c.in_channels);
        let (row, column) = (patch / grid * side + pixel / side, patch % grid * side + pixel % side);
        (channel * size + row) * size + column
    };
    (0..c.input_len()).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::params::normal;
    use models::{
        MaeConfig, VitConfig,
        card::{Storage, Training},
        detector::{Detector, Feature, FeatureCard, Filter, Masks, PatchError},
    };
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn card() -> DetectorCard {
        let encoder =
            VitConfig { in_channels: 3, patch_size: 4, dim: 16, heads: 2, depth: 2, mlp_dim: 24, ..VitConfig::tiny16(16) };
        let architecture = MaeConfig { encoder, decoder_dim: 12, decoder_depth: 1, decoder_heads: 2, decoder_mlp_dim: 20 };
        let training = Training {
            data: String::new(),
            split: String::new(),
            seed: 1,
            command: String::new(),
            start: String::new(),
            epochs: 0,
            more: serde_json::Map::new(),
        };
        DetectorCard {
            architecture,
            file: "detector.safetensors".into(),
            sha256: "0".repeat(64),
            bytes: 1,
            storage: Storage::F32,
            masks: Masks { seed: 3, count: 4 },
            filter: Filter::Mean3,
            patch_error: PatchError { mean: vec![0.2; 16], std: (1..=16).map(|i| 0.3 + 0.1 * i as f32).collect() },
            features: vec![FeatureCard { name: Feature::Reconstruction, mean: 0.0, std: 1.0, weight: 1.0 }],
            false_positive_rate: 0.05,
            threshold: 1.0,
            clean_quantiles: (0..101).map(|i| i as f32).collect(),
            roc: [1.0, 2.0]
                .map(|threshold| models::detector::RocPoint { threshold, false_positive_rate: 0.1, true_positive_rate: 0.2 })
                .to_vec(),
            attack: String::new(),
            training,
        }
    }

    #[test]
    fn the_feature_is_the_detectors_and_its_slope_that_of_the_feature() {
        let card = card();
        let layout = MaeLayout::new(&card.architecture);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut weights = layout.random(1);
        weights.iter_mut().for_each(|w| *w += 0.2 * normal(&mut rng));
        let drawing = Drawing::new(&card, &layout.tensors(&weights)).unwrap();
        let detector = Detector::load(&card, layout.tensors(&weights)).unwrap();
        let mut noise = || (0..3 * 256).map(|_| normal(&mut rng)).collect::<Vec<f32>>();
        let (inputs, direction) = ([noise(), noise()], noise());
        let found = drawing.slopes(&inputs);
        let score = |input: &[f32]| {
            let examination = detector.examine(input).unwrap();
            f64::from(detector.finish(&examination, &[1.0], &[0.0]).unwrap().score)
        };
        for (input, (value, slope)) in inputs.iter().zip(&found) {
            assert!((score(input) - value).abs() < 1e-4, "{} {value}", score(input));
            let at = |step: f32| {
                let moved = input.iter().zip(&direction).map(|(v, d)| v + step * d).collect();
                drawing.slopes(&[moved])[0].0
            };
            let measured = (at(1e-2) - at(-1e-2)) / 2e-2;
            let claimed: f64 = slope.iter().zip(&direction).map(|(s, d)| f64::from(s * d)).sum();
            assert!((measured - claimed).abs() < 0.02 * claimed.abs() + 2e-3, "{measured} {claimed}");
        }
    }
}
