//! A trained decoder from tokens to images: one linear layer to an 8 × 8 map, three convolutions with sub-pixel upsampling, one to pixels.
//!
//! It learns what the ridge decoder leaves over, so that it starts where linear decoding ends. Trained with burn's
//! autodiff on the CPU; the parameters are plain vectors, updated by [`Adam`].

use anyhow::{Context, Result, anyhow, ensure};
use burn::tensor::{Device, Gradients, Tensor, TensorData, activation, module::conv2d, ops::ConvOptions};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    adam::{Adam, cosine},
    linear::{Decoder, Ridge, squared_error},
    subjects::{Part, mean},
};
use crate::train::params::normal;

/// Side of the first map.
const GRID: usize = 8;
/// Channels at 8, 16, 32 and 64 pixels a side.
const WIDTHS: [usize; 4] = [32, 24, 16, 8];
/// Upsampling of the last convolution.
const LAST: usize = 2;

/// Settings of a training.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Passes over the training split.
    pub epochs: usize,
    /// Images in a step.
    pub batch: usize,
    /// Peak learning rate.
    pub rate: f32,
    /// Seed of weights and order.
    pub seed: u64,
}

/// One layer's weight and bias.
#[derive(Clone)]
struct Layer {
    shape: [usize; 4],
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// The decoder.
#[derive(Clone)]
pub struct ConvDecoder {
    layers: Vec<Layer>,
    linear: Ridge,
    mean_token: Vec<f32>,
    scale_token: Vec<f32>,
    side: usize,
    channels: usize,
}

impl ConvDecoder {
    /// Trains on `train` beyond `linear`; the epoch with the least squared error on `val` is kept.
    ///
    /// # Errors
    /// Where images are no squares of 128 pixels a side or the device fails.
    pub fn train(linear: Ridge, train: &Part, val: &Part, channels: usize, settings: &Settings) -> Result<Self> {
        let rest = rest(&linear, train)?;
        let mut decoder = Self::new(linear, train, channels, settings.seed)?;
        let mut states: Vec<[Adam; 2]> =
            decoder.layers.iter().map(|l| [Adam::new(l.weight.len()), Adam::new(l.bias.len())]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let mut order: Vec<usize> = (0..train.len()).collect();
        let batches = train.len() / settings.batch;
        ensure!(batches > 0, "{} images are fewer than one batch of {}", train.len(), settings.batch);
        let mut best = (f64::MAX, decoder.clone());
        for epoch in 0..settings.epochs {
            for i in (1..order.len()).rev() {
                order.swap(i, rng.random_range(0..=i));
            }
            for (i, batch) in order.chunks_exact(settings.batch).enumerate() {
                let rate = settings.rate * cosine(epoch * batches + i, settings.epochs * batches);
                decoder.step(train, &rest, batch, rate, &mut states)?;
            }
            let error = squared_error(&decoder.decode(&val.tokens)?, &val.images);
            if error < best.0 {
                best = (error, decoder.clone());
            }
        }
        Ok(best.1)
    }

    fn new(linear: Ridge, train: &Part, channels: usize, seed: u64) -> Result<Self> {
        let mean_token = mean(&train.tokens);
        let side = GRID << (WIDTHS.len() - 1) << (LAST / 2);
        let known = train.images.iter().all(|image| image.len() == channels * side * side);
        ensure!(known, "the decoder draws images of {side} pixels a side");
        let squares: Vec<Vec<f32>> =
            train.tokens.iter().map(|t| t.iter().zip(&mean_token).map(|(v, m)| (v - m) * (v - m)).collect()).collect();
        let scale_token = mean(&squares).into_iter().map(|v| 1.0 / v.sqrt().max(1e-6)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut layer = |shape: [usize; 4], gain: f32| {
            let size = gain / ((shape[1] * shape[2] * shape[3]) as f32).sqrt();
            let weight = (0..shape.iter().product()).map(|_| size * normal(&mut rng)).collect();
            Layer { shape, weight, bias: vec![0.0; shape[0]] }
        };
        let mut layers = vec![layer([WIDTHS[0] * GRID * GRID, mean_token.len(), 1, 1], 1.0)];
        layers.extend(WIDTHS.windows(2).map(|w| layer([4 * w[1], w[0], 3, 3], 1.4)));
        layers.push(layer([LAST * LAST * channels, WIDTHS[3], 3, 3], 0.1));
        Ok(Self { layers, linear, mean_token, scale_token, side, channels })
    }

    fn step(&mut self, train: &Part, rest: &[Vec<f32>], batch: &[usize], rate: f32, states: &mut [[Adam; 2]]) -> Result<()> {
        let device = Device::flex().autodiff();
        let tokens: Vec<&[f32]> = batch.iter().map(|i| train.tokens[*i].as_slice()).collect();
        let target: Vec<f32> = batch.iter().flat_map(|i| rest[*i].iter().copied()).collect();
        let target = Tensor::<4>::from_data(TensorData::new(target, [batch.len(), self.channels, self.side, self.side]), &device);
        let parameters = self.parameters(&device, true);
        let error = self.forward(&parameters, self.standardise(&tokens, &device)) - target;
        let gradients = (error.clone() * error).mean().backward();
        for ((layer, (weight, bias)), [of_weight, of_bias]) in self.layers.iter_mut().zip(&parameters).zip(states) {
            of_weight.update(&mut layer.weight, &read(weight, &gradients)?, rate);
            of_bias.update(&mut layer.bias, &read(bias, &gradients)?, rate);
        }
        Ok(())
    }

    fn parameters(&self, device: &Device, tracked: bool) -> Vec<(Tensor<4>, Tensor<1>)> {
        let make = |layer: &Layer| {
            let weight = Tensor::<4>::from_data(TensorData::new(layer.weight.clone(), layer.shape), device);
            let bias = Tensor::<1>::from_data(TensorData::new(layer.bias.clone(), [layer.bias.len()]), device);
            if tracked { (weight.require_grad(), bias.require_grad()) } else { (weight, bias) }
        };
        self.layers.iter().map(make).collect()
    }

    fn standardise(&self, tokens: &[&[f32]], device: &Device) -> Tensor<2> {
        let scaled = |token: &&[f32]| {
            let centred = token.iter().zip(&self.mean_token).map(|(v, m)| v - m);
            centred.zip(&self.scale_token).map(|(v, s)| v * s).collect::<Vec<f32>>()
        };
        let values: Vec<f32> = tokens.iter().flat_map(scaled).collect();
        Tensor::from_data(TensorData::new(values, [tokens.len(), self.mean_token.len()]), device)
    }

    /// Standardised tokens [b, d] to what the ridge decoder leaves over [b, channels, side, side].
    fn forward(&self, parameters: &[(Tensor<4>, Tensor<1>)], tokens: Tensor<2>) -> Tensor<4> {
        let [b, d] = tokens.dims();
        let (weight, bias) = &parameters[0];
        let rows = WIDTHS[0] * GRID * GRID;
        let flat = tokens.matmul(weight.clone().reshape([rows, d]).transpose()) + bias.clone().reshape([1, rows]);
        let mut x = activation::gelu(flat.reshape([b, WIDTHS[0], GRID, GRID]));
        for (i, (weight, bias)) in parameters[1..].iter().enumerate() {
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            x = sub_pixel(conv2d(x, weight.clone(), Some(bias.clone()), options));
            if i + 2 < parameters.len() {
                x = activation::gelu(x);
            }
        }
        x
    }
}

impl Decoder for ConvDecoder {
    fn decode(&self, tokens: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let device = Device::flex();
        let parameters = self.parameters(&device, false);
        let mut images = Vec::with_capacity(tokens.len());
        for chunk in tokens.chunks(32) {
            let views: Vec<&[f32]> = chunk.iter().map(Vec::as_slice).collect();
            let out = self.forward(&parameters, self.standardise(&views, &device)).into_data();
            let values: Vec<f32> = out.try_to_vec().map_err(|error| anyhow!("cannot read a decoded image: {error:?}"))?;
            let linear = self.linear.decode(chunk)?;
            let parts = linear.iter().zip(values.chunks_exact(self.channels * self.side * self.side));
            images.extend(parts.map(|(image, rest)| image.iter().zip(rest).map(|(a, b)| a + b).collect::<Vec<f32>>()));
        }
        Ok(images)
    }
}

/// What a linear decoder leaves over of each image.
fn rest(linear: &Ridge, part: &Part) -> Result<Vec<Vec<f32>>> {
    let decoded = linear.decode(&part.tokens)?;
    Ok(part.images.iter().zip(decoded).map(|(image, d)| image.iter().zip(d).map(|(x, d)| x - d).collect()).collect())
}

/// [b, 4 c, h, w] to [b, c, 2 h, 2 w].
fn sub_pixel(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c / 4, 2, 2, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([b, c / 4, 2 * h, 2 * w])
}

fn read<const D: usize>(tensor: &Tensor<D>, gradients: &Gradients) -> Result<Vec<f32>> {
    let gradient = tensor.grad(gradients).context("a layer of the decoder has no gradient")?;
    gradient.into_data().try_to_vec().map_err(|error| anyhow!("cannot read a gradient: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discs whose place is the token.
    fn discs(count: usize, seed: u64) -> Part {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut part = Part::default();
        for _ in 0..count {
            let (x, y): (f32, f32) = (rng.random_range(0.3..0.7), rng.random_range(0.3..0.7));
            let at = |i: usize| ((i % 128) as f32 / 128.0 - x).hypot((i / 128) as f32 / 128.0 - y);
            part.images.push((0..128 * 128).map(|i| if at(i) < 0.2 { 0.9 } else { 0.1 }).collect());
            part.tokens.push(vec![x, y, x * y, 1.0]);
        }
        part
    }

    #[test]
    fn it_learns_what_no_linear_decoder_can() {
        let (train, val) = (discs(64, 1), discs(16, 2));
        let ridge = Ridge::fit(&train, &val, &[1e-3, 1e-1]).unwrap();
        let linear = squared_error(&ridge.decode(&val.tokens).unwrap(), &val.images);
        let settings = Settings { epochs: 12, batch: 16, rate: 3e-3, seed: 1 };
        let decoder = ConvDecoder::train(ridge, &train, &val, 1, &settings).unwrap();
        let found = squared_error(&decoder.decode(&val.tokens).unwrap(), &val.images);
        assert!(found < 0.9 * linear, "{found} of {linear}");
    }
}
