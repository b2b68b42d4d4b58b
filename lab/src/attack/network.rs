//! The network under attack: encoder and head of a model pack as trainable floats, which is what sites would share gradients of.

use std::path::Path;

use anyhow::{Context, Result};
use models::{ClsQuantiser, Preprocess, RelayPack, TensorMap};

use crate::train::{
    loss,
    params::Layout,
    vit::{self, OutputGradients, Tape},
};

/// Encoder, head and preprocessing.
pub struct Network {
    /// Geometry.
    pub layout: Layout,
    /// Every parameter.
    pub weights: Vec<f32>,
    /// How pixels become inputs.
    pub preprocess: Preprocess,
    /// How tokens become integers.
    pub quantiser: ClsQuantiser,
}

impl Network {
    /// The network of the pack in `folder`; its integer head becomes floats again.
    ///
    /// # Errors
    /// Where the pack is missing, damaged, or does not fit its card.
    pub fn load(folder: &Path) -> Result<(Self, RelayPack)> {
        let pack = RelayPack::load_dir(folder).with_context(|| format!("no usable model pack in {}", folder.display()))?;
        let (card, head) = (&pack.card, &pack.head);
        let layout = Layout::new(&card.encoder.architecture, head.classes);
        let mut weights = vec![0.0; layout.len];
        layout.load(&TensorMap::from_safetensors(&pack.encoder_bytes)?, &mut weights)?;
        let (step, unit) = (head.weight_scale, head.weight_scale * card.cls.quantiser.scale);
        let rows = layout.head[0].of_mut(&mut weights).iter_mut().zip(head.weights());
        rows.for_each(|(w, integer)| *w = f32::from(*integer) * step);
        let bias = layout.head[1].of_mut(&mut weights).iter_mut().zip(head.bias());
        bias.for_each(|(b, integer)| *b = *integer as f32 * unit);
        let network = Self { layout, weights, preprocess: card.preprocess.clone(), quantiser: card.cls.quantiser };
        Ok((network, pack))
    }

    /// Values of an image.
    pub fn image_len(&self) -> usize {
        self.layout.config.input_len()
    }

    /// Side of an image in pixels.
    pub fn side(&self) -> usize {
        self.layout.config.image_size
    }

    /// CLS tokens of images (each CHW in 0..=1).
    pub fn tokens(&self, images: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut tape = Tape::default();
        let mut tokens = Vec::with_capacity(images.len());
        for chunk in images.chunks(8) {
            let input: Vec<f32> = chunk.iter().flat_map(|image| self.normalise(image)).collect();
            vit::forward(&self.layout, &self.weights, &input, &[], &mut tape);
            tokens.extend(tape.cls().chunks_exact(self.layout.config.dim).map(<[f32]>::to_vec));
        }
        tokens
    }

    /// The gradient that a site would send for a batch: of the mean cross-entropy, every parameter.
    pub fn gradient(&self, images: &[&[f32]], classes: &[usize]) -> Vec<f32> {
        let mut gradient = vec![0.0; self.layout.len];
        let mut tape = Tape::default();
        for (image, class) in images.iter().zip(classes) {
            let share = 1.0 / images.len() as f32;
            self.add_gradient(&self.weights, &self.normalise(image), *class, share, &mut tape, &mut gradient);
        }
        gradient
    }

    /// Adds `share` times the gradient of one normalised input at other `weights`.
    pub(super) fn add_gradient(
        &self,
        weights: &[f32],
        input: &[f32],
        class: usize,
        share: f32,
        tape: &mut Tape,
        gradient: &mut [f32],
    ) {
        vit::forward(&self.layout, weights, input, &[], tape);
        let mut out = OutputGradients { logits: vec![0.0; self.layout.classes], ..OutputGradients::default() };
        loss::cross_entropy(tape.logits(), &[class], 0.0, share, &mut out.logits);
        vit::backward(&self.layout, weights, &out, tape, gradient);
    }

    /// `(value − mean) / std`, channel by channel.
    pub(crate) fn normalise(&self, image: &[f32]) -> Vec<f32> {
        self.by_channel(image, |value, mean, std| (value - mean) / std)
    }

    /// Back to 0..=1.
    pub(super) fn denormalise(&self, input: &[f32]) -> Vec<f32> {
        self.by_channel(input, |value, mean, std| value * std + mean)
    }

    /// Slope with respect to the pixels, of the slope with respect to the normalised input.
    pub(crate) fn pixel_slope(&self, slope: &[f32]) -> Vec<f32> {
        self.by_channel(slope, |value, _, std| value / std)
    }

    fn by_channel(&self, values: &[f32], change: impl Fn(f32, f32, f32) -> f32) -> Vec<f32> {
        let area = self.side() * self.side();
        let Preprocess { mean, std, .. } = &self.preprocess;
        values.iter().enumerate().map(|(i, value)| change(*value, mean[i / area], std[i / area])).collect()
    }

    /// Patch rows [patches, channels × p × p] of a CHW image.
    pub(super) fn patches_of_image(&self, image: &[f32]) -> Vec<f32> {
        let mut patches = vec![0.0; image.len()];
        self.each_place(|pixel, place| patches[place] = image[pixel]);
        patches
    }

    /// The inverse of [`Self::patches_of_image`].
    pub(super) fn image_of_patches(&self, patches: &[f32]) -> Vec<f32> {
        let mut image = vec![0.0; patches.len()];
        self.each_place(|pixel, place| image[pixel] = patches[place]);
        image
    }

    /// Calls `visit` with the index of each pixel in a CHW image and its index in the patch rows.
    fn each_place(&self, mut visit: impl FnMut(usize, usize)) {
        let c = &self.layout.config;
        let (p, grid, side, width) = (c.patch_size, c.grid(), c.image_size, c.patch_len());
        for pixel in 0..c.input_len() {
            let (channel, y, x) = (pixel / (side * side), pixel / side % side, pixel % side);
            let inner = (channel * p + y % p) * p + x % p;
            visit(pixel, (y / p * grid + x / p) * width + inner);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::train::params::normal;
    use models::{VitConfig, preprocess::Channels};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A network of random weights for 16 × 16 images: 16 patches of 16 pixels, tokens of 24.
    pub fn tiny(channels: usize) -> Network {
        let config =
            VitConfig { in_channels: channels, patch_size: 4, dim: 24, heads: 2, depth: 2, mlp_dim: 32, ..VitConfig::tiny16(16) };
        let layout = Layout::new(&config, 2);
        let mut weights = layout.random(1);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        weights.iter_mut().for_each(|w| *w += 0.15 * normal(&mut rng));
        let kind = if channels == 1 { Channels::Grey } else { Channels::Rgb };
        let half = vec![0.5; channels];
        let preprocess = Preprocess { size: 16, channels: kind, mean: half.clone(), std: half };
        Network { layout, weights, preprocess, quantiser: ClsQuantiser { bits: 9, scale: 0.02 } }
    }

    pub fn image(network: &Network, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..network.image_len()).map(|_| rng.random()).collect()
    }

    #[test]
    fn patches_are_those_of_the_encoder() {
        let network = tiny(3);
        let image = image(&network, 3);
        let patches = network.patches_of_image(&image);
        assert_eq!(network.image_of_patches(&patches), image);
        // The second patch of the first row, its second channel, second line, third pixel.
        assert_eq!(patches[48 + 16 + 4 + 2], image[256 + 16 + 4 + 2]);
    }

    #[test]
    fn the_gradient_of_a_batch_is_the_mean_of_its_images() {
        let network = tiny(1);
        let (a, b) = (image(&network, 4), image(&network, 5));
        let both = network.gradient(&[&a, &b], &[0, 1]);
        let (a, b) = (network.gradient(&[&a], &[0]), network.gradient(&[&b], &[1]));
        for ((both, a), b) in both.iter().zip(&a).zip(&b) {
            assert!((both - 0.5 * (a + b)).abs() < 1e-5);
        }
    }
}
