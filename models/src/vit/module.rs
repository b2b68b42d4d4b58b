//! The Vision Transformer as a burn module: the same network on every backend of burn (CPU, WebGPU), with or without autodiff.
//!
//! Shapes: B images, C channels, H = W pixels, T = 1 + patches tokens, D = token width.

use burn::{
    module::{Module, Param},
    nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor as BurnTensor, TensorData, activation},
};

use super::burn_load::Loader;
use crate::{ModelError, TensorMap, VitConfig};

/// Two linear layers with an exact GELU between them.
#[derive(Module, Debug)]
pub struct Mlp {
    pub(super) fc1: Linear,
    pub(super) fc2: Linear,
}

/// One pre-norm block.
#[derive(Module, Debug)]
pub struct Block {
    pub(super) norm1: LayerNorm,
    pub(super) qkv: Linear,
    pub(super) proj: Linear,
    pub(super) norm2: LayerNorm,
    pub(super) mlp: Mlp,
    #[module(skip)]
    heads: usize,
}

/// A Vision Transformer without a classifier.
#[derive(Module, Debug)]
pub struct Vit {
    cls_token: Param<BurnTensor<3>>,
    pos_embed: Param<BurnTensor<3>>,
    patch_embed: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    #[module(skip)]
    config: VitConfig,
}

impl VitConfig {
    /// A network of this geometry with burn's default initialisation, on `device`.
    pub fn init(&self, device: &Device) -> Vit {
        let block = |_| Block::init(self.dim, self.heads, self.mlp_dim, self.layer_norm_eps, device);
        Vit {
            cls_token: Param::from_tensor(BurnTensor::zeros([1, 1, self.dim], device)),
            pos_embed: Param::from_tensor(BurnTensor::zeros([1, self.tokens(), self.dim], device)),
            patch_embed: LinearConfig::new(self.patch_len(), self.dim).init(device),
            blocks: (0..self.depth).map(block).collect(),
            norm: LayerNormConfig::new(self.dim).with_epsilon(self.layer_norm_eps).init(device),
            config: self.clone(),
        }
    }
}

impl Block {
    /// A block with burn's default initialisation.
    pub(crate) fn init(dim: usize, heads: usize, mlp_dim: usize, eps: f64, device: &Device) -> Self {
        let norm = || LayerNormConfig::new(dim).with_epsilon(eps).init(device);
        let linear = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            norm1: norm(),
            qkv: linear(dim, 3 * dim),
            proj: linear(dim, dim),
            norm2: norm(),
            mlp: Mlp { fc1: linear(dim, mlp_dim), fc2: linear(mlp_dim, dim) },
            heads,
        }
    }

    /// Tokens [B, T, D] to tokens [B, T, D].
    pub fn forward(&self, x: BurnTensor<3>) -> BurnTensor<3> {
        let x = x.clone() + self.attention(self.norm1.forward(x));
        let inner = activation::gelu(self.mlp.fc1.forward(self.norm2.forward(x.clone())));
        x + self.mlp.fc2.forward(inner)
    }

    /// Multi-head self-attention, written with plain products: fused kernels need GPU features that not every browser has.
    fn attention(&self, x: BurnTensor<3>) -> BurnTensor<3> {
        let [b, t, d] = x.dims();
        let width = d / self.heads;
        let qkv = self.qkv.forward(x).reshape([b, t, 3, self.heads, width]).permute([2, 0, 3, 1, 4]);
        let part = |i: usize| qkv.clone().narrow(0, i, 1).reshape([b, self.heads, t, width]);
        let scores = part(0).matmul(part(1).swap_dims(2, 3)) * (width as f64).powf(-0.5);
        let mixed = activation::softmax(scores, 3).matmul(part(2));
        self.proj.forward(mixed.swap_dims(1, 2).reshape([b, t, d]))
    }
}

impl Vit {
    /// The network's sizes.
    pub const fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The blocks, first to last; running them one by one lets a caller report progress.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Normalised images [B, C, H, W] to CLS and patch tokens with positions [B, T, D].
    pub fn embed(&self, images: BurnTensor<4>) -> BurnTensor<3> {
        let [b, c, ..] = images.dims();
        let (grid, p) = (self.config.grid(), self.config.patch_size);
        let patches = images.reshape([b, c, grid, p, grid, p]).permute([0, 2, 4, 1, 3, 5]);
        let tokens = self.patch_embed.forward(patches.reshape([b, grid * grid, c * p * p]));
        let cls = self.cls_token.val().expand([b, 1, self.config.dim]);
        BurnTensor::cat(vec![cls, tokens], 1) + self.pos_embed.val()
    }

    /// Tokens [B, T, D], any choice of embedded ones, after every block and the last norm.
    pub(crate) fn encode_tokens(&self, tokens: BurnTensor<3>) -> BurnTensor<3> {
        self.norm.forward(self.blocks.iter().fold(tokens, |x, block| block.forward(x)))
    }

    /// Normalised images [B, C, H, W] to tokens [B, T, D] after the last block, before the last norm.
    pub fn forward(&self, images: BurnTensor<4>) -> BurnTensor<3> {
        self.blocks.iter().fold(self.embed(images), |x, block| block.forward(x))
    }

    /// Tokens [B, T, D] of the last block to CLS tokens [B, D] after the last norm.
    pub fn finish(&self, tokens: BurnTensor<3>) -> BurnTensor<2> {
        let [b, _, d] = tokens.dims();
        self.norm.forward(tokens.narrow(1, 0, 1)).reshape([b, d])
    }

    /// Normalised images [B, C, H, W] to CLS tokens [B, D].
    pub fn cls(&self, images: BurnTensor<4>) -> BurnTensor<2> {
        self.finish(self.forward(images))
    }

    /// The CLS token `[D]` of one normalised image `[C, H, W]`, read back without blocking: a browser's GPU allows no other way.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] for an input of another length, [`ModelError::Device`] where the device fails.
    pub async fn encode(&self, input: &[f32], device: &Device) -> Result<Vec<f32>, ModelError> {
        let (channels, size) = (self.config.in_channels, self.config.image_size);
        let expected = self.config.input_len();
        if input.len() != expected {
            return Err(ModelError::InputLength { expected, found: input.len() });
        }
        let data = TensorData::new(input.to_vec(), [1, channels, size, size]);
        let cls = self.cls(BurnTensor::from_data(data, device)).into_data_async().await;
        let failed = |reason: String| ModelError::Device { reason };
        cls.map_err(|error| failed(format!("{error:?}")))?.try_to_vec().map_err(|error| failed(format!("{error:?}")))
    }

    /// The network with the tensors of `map` (timm names; what the network does not have is ignored), on `device`.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] or [`ModelError::WrongShape`].
    pub fn load(mut self, map: &TensorMap, device: &Device) -> Result<Self, ModelError> {
        let (d, p, patch) = (self.config.dim, self.config.patch_size, self.config.patch_len());
        let load = Loader { map, device };
        self.cls_token = load.param("cls_token", &[1, 1, d])?;
        self.pos_embed = load.param("pos_embed", &[1, self.config.tokens(), d])?;
        let shape = [d, self.config.in_channels, p, p];
        load.linear(&mut self.patch_embed, "patch_embed.proj", &shape, [patch, d])?;
        load.blocks(&mut self.blocks, "blocks", d, self.config.mlp_dim)?;
        load.norm(&mut self.norm, "norm", d)?;
        Ok(self)
    }
}
