//! The U-Net as a burn module: for the relay's GPU and the browser's WebGPU, held to the CPU engine by a test.
//!
//! Shapes: B images, C channels, H x W pixels or places, E = width of the time embedding.

use burn::{
    module::Module,
    nn::{
        LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor as BurnTensor, TensorData, activation::gelu},
};

use super::{EPS, MAX_T, UnetConfig, config::BlockShape, time};
use crate::{ModelError, TensorMap, vit::burn_load::Loader};

/// A residual block that knows the noise level.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    conv1: Conv2d,
    time: Linear,
    norm2: LayerNorm,
    conv2: Conv2d,
    skip: Option<Conv2d>,
}

/// A U-Net that tells the noise in an image from the image.
#[derive(Module, Debug)]
pub struct Unet {
    /// The embedding of each noise level [1001, E]: a GPU's cosine is too coarse for angles of hundreds of turns.
    embeddings: BurnTensor<2>,
    time: Vec<Linear>,
    stem: Conv2d,
    /// Down, middle and up, in the order in which they run.
    blocks: Vec<Block>,
    norm: LayerNorm,
    out: Conv2d,
    #[module(skip)]
    config: UnetConfig,
}

impl UnetConfig {
    /// A network of these sizes with burn's default initialisation, on `device`.
    pub fn init(&self, device: &Device) -> Unet {
        let (first, folded, dim) = (self.widths[0], self.folded(), self.time_dim);
        let table: Vec<f32> = (0..=MAX_T).flat_map(|t| time::embedding(t, dim)).collect();
        Unet {
            embeddings: BurnTensor::from_data(TensorData::new(table, [usize::from(MAX_T) + 1, dim]), device),
            time: vec![LinearConfig::new(dim, dim).init(device), LinearConfig::new(dim, dim).init(device)],
            stem: conv(folded, first, 3, device),
            blocks: self.blocks().iter().map(|shape| Block::init(shape, dim, device)).collect(),
            norm: norm(first, device),
            out: conv(first, folded, 3, device),
            config: self.clone(),
        }
    }
}

fn norm(channels: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(channels).with_epsilon(f64::from(EPS)).init(device)
}

/// A convolution of `side` x `side`, zeros around the image.
fn conv(inputs: usize, outputs: usize, side: usize, device: &Device) -> Conv2d {
    let around = side / 2;
    let padding = PaddingConfig2d::Explicit(around, around, around, around);
    Conv2dConfig::new([inputs, outputs], [side, side]).with_padding(padding).init(device)
}

/// The norm of each pixel's channels, then GELU.
fn activated(norm: &LayerNorm, x: BurnTensor<4>) -> BurnTensor<4> {
    gelu(norm.forward(x.permute([0, 2, 3, 1]))).permute([0, 3, 1, 2])
}

impl Block {
    fn init(shape: &BlockShape, time_dim: usize, device: &Device) -> Self {
        let BlockShape { inputs, outputs, .. } = *shape;
        Self {
            norm1: norm(inputs, device),
            conv1: conv(inputs, outputs, 3, device),
            time: LinearConfig::new(time_dim, outputs).init(device),
            norm2: norm(outputs, device),
            conv2: conv(outputs, outputs, 3, device),
            skip: (inputs != outputs).then(|| conv(inputs, outputs, 1, device)),
        }
    }

    /// Values [B, inputs, H, W] and embedded noise levels [B, E] to values [B, outputs, H, W].
    fn forward(&self, x: BurnTensor<4>, time: BurnTensor<2>) -> BurnTensor<4> {
        let shift = self.time.forward(time);
        let [images, channels] = shift.dims();
        let inner = self.conv1.forward(activated(&self.norm1, x.clone())) + shift.reshape([images, channels, 1, 1]);
        let change = self.conv2.forward(activated(&self.norm2, inner));
        change + self.skip.as_ref().map_or(x.clone(), |skip| skip.forward(x))
    }

    fn load(&mut self, shape: &BlockShape, time_dim: usize, load: &Loader) -> Result<(), ModelError> {
        let BlockShape { name, inputs, outputs } = shape;
        let name = |part: &str| format!("{name}.{part}");
        load.norm(&mut self.norm1, &name("norm1"), *inputs)?;
        load.conv(&mut self.conv1, &name("conv1"))?;
        load.linear(&mut self.time, &name("time"), &[*outputs, time_dim], [time_dim, *outputs])?;
        load.norm(&mut self.norm2, &name("norm2"), *outputs)?;
        load.conv(&mut self.conv2, &name("conv2"))?;
        self.skip.as_mut().map_or(Ok(()), |skip| load.conv(skip, &name("skip")))
    }
}

impl Unet {
    /// The network's sizes.
    pub const fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Images [B, C, H, W] in diffusion units and their noise levels [B], whole numbers of 0..=1000, to the noise in them [B, C, H, W].
    pub fn forward(&self, x: BurnTensor<4>, t: BurnTensor<1>) -> BurnTensor<4> {
        let time = self.embeddings.clone().select(0, t.int());
        let time = self.time.iter().fold(time, |time, layer| gelu(layer.forward(time)));
        let (levels, mut blocks) = (self.config.levels(), self.blocks.iter());
        let mut values = self.stem.forward(unshuffled(x, self.config.fold));
        let mut kept = Vec::with_capacity(levels);
        for (level, block) in blocks.by_ref().take(levels).enumerate() {
            values = block.forward(if level > 0 { halved(values) } else { values }, time.clone());
            kept.push(values.clone());
        }
        for block in blocks.by_ref().take(1) {
            values = block.forward(values, time.clone());
        }
        for (place, (block, kept)) in blocks.zip(kept.into_iter().rev()).enumerate() {
            let above = if place > 0 { doubled(values) } else { values };
            values = block.forward(BurnTensor::cat(vec![above, kept], 1), time.clone());
        }
        shuffled(self.out.forward(activated(&self.norm, values)), self.config.fold)
    }

    /// As [`crate::CpuUnet::noise_of_many`], in one forward pass, read back without blocking: a browser's GPU allows no other way.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where sides, lengths or levels do not fit, [`ModelError::Device`] where the device fails.
    pub async fn noise_of_many(
        &self,
        xs: &[&[f32]],
        side: [usize; 2],
        t: &[u16],
        device: &Device,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        self.config.check_batch(xs, side, t)?;
        if xs.is_empty() {
            return Ok(Vec::new());
        }
        let images = TensorData::new(xs.concat(), [xs.len(), self.config.in_channels, side[0], side[1]]);
        let levels: Vec<f32> = t.iter().map(|t| f32::from(*t)).collect();
        let levels = TensorData::new(levels, [t.len()]);
        let noise = self.forward(BurnTensor::from_data(images, device), BurnTensor::from_data(levels, device));
        let failed = |reason: String| ModelError::Device { reason };
        let data = noise.into_data_async().await.map_err(|error| failed(format!("{error:?}")))?;
        let values: Vec<f32> = data.try_to_vec().map_err(|error| failed(format!("{error:?}")))?;
        Ok(values.chunks_exact(values.len() / xs.len()).map(<[f32]>::to_vec).collect())
    }

    /// The network with the tensors of `map` ([`UnetConfig::shapes`]; what the network does not have is ignored), on `device`.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] or [`ModelError::WrongShape`].
    pub fn load(mut self, map: &TensorMap, device: &Device) -> Result<Self, ModelError> {
        let (dim, load) = (self.config.time_dim, Loader { map, device });
        for (layer, name) in self.time.iter_mut().zip(["time.fc1", "time.fc2"]) {
            load.linear(layer, name, &[dim, dim], [dim, dim])?;
        }
        load.conv(&mut self.stem, "stem")?;
        let shapes = self.config.blocks();
        self.blocks.iter_mut().zip(&shapes).try_for_each(|(block, shape)| block.load(shape, dim, &load))?;
        load.norm(&mut self.norm, "out.norm", self.config.widths[0])?;
        load.conv(&mut self.out, "out.conv")?;
        Ok(self)
    }
}

/// [B, C, H, W] to [B, C · fold², H / fold, W / fold], as PyTorch's `pixel_unshuffle` orders the channels.
fn unshuffled(x: BurnTensor<4>, fold: usize) -> BurnTensor<4> {
    let [b, c, h, w] = x.dims();
    let split = x.reshape([b, c, h / fold, fold, w / fold, fold]).permute([0, 1, 3, 5, 2, 4]);
    split.reshape([b, c * fold * fold, h / fold, w / fold])
}

/// The reverse of [`unshuffled`].
fn shuffled(x: BurnTensor<4>, fold: usize) -> BurnTensor<4> {
    let [b, c, h, w] = x.dims();
    let split = x.reshape([b, c / (fold * fold), fold, fold, h, w]).permute([0, 1, 4, 2, 5, 3]);
    split.reshape([b, c / (fold * fold), h * fold, w * fold])
}

/// Half the side: the mean of each 2 x 2 pixels.
fn halved(x: BurnTensor<4>) -> BurnTensor<4> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h / 2, 2, w / 2, 2]).mean_dims(&[3, 5]).reshape([b, c, h / 2, w / 2])
}

/// Twice the side: each pixel four times.
fn doubled(x: BurnTensor<4>) -> BurnTensor<4> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h, 1, w, 1]).expand([b, c, h, 2, w, 2]).reshape([b, c, 2 * h, 2 * w])
}
