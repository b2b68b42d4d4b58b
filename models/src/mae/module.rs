//! The masked autoencoder as a burn module: the reference of the CPU engine, with autodiff where a backend has it.
//!
//! Shapes: B images, C channels, H = W pixels, V visible and M masked patches, D = token width of the decoder.

use burn::{
    module::{Module, Param},
    nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Int, Tensor as BurnTensor, TensorData},
};

use super::{MaeConfig, Mask};
use crate::{
    ModelError, TensorMap,
    vit::{
        burn_load::Loader,
        module::{Block, Vit},
    },
};

/// A masked autoencoder.
#[derive(Module, Debug)]
pub struct Mae {
    encoder: Vit,
    embed: Linear,
    mask_token: Param<BurnTensor<3>>,
    positions: Param<BurnTensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    predict: Linear,
    #[module(skip)]
    config: MaeConfig,
}

impl MaeConfig {
    /// A network of these sizes with burn's default initialisation, on `device`.
    pub fn init(&self, device: &Device) -> Mae {
        let (dim, eps) = (self.decoder_dim, self.encoder.layer_norm_eps);
        let block = |_| Block::init(dim, self.decoder_heads, self.decoder_mlp_dim, eps, device);
        Mae {
            encoder: self.encoder.init(device),
            embed: LinearConfig::new(self.encoder.dim, dim).init(device),
            mask_token: Param::from_tensor(BurnTensor::zeros([1, 1, dim], device)),
            positions: Param::from_tensor(BurnTensor::zeros([1, self.encoder.tokens(), dim], device)),
            blocks: (0..self.decoder_depth).map(block).collect(),
            norm: LayerNormConfig::new(dim).with_epsilon(eps).init(device),
            predict: LinearConfig::new(dim, self.encoder.patch_len()).init(device),
            config: self.clone(),
        }
    }
}

impl Mae {
    /// The network's sizes.
    pub const fn config(&self) -> &MaeConfig {
        &self.config
    }

    /// Normalised images [B, C, H, W], all under one mask, to their masked patches [B, M, patch_len] in the units of [`super::targets`].
    pub fn forward(&self, images: BurnTensor<4>, mask: &Mask) -> BurnTensor<3> {
        let device = images.device();
        let after_cls = |patch: &usize| patch + 1;
        let seen = places([0].into_iter().chain(mask.visible.iter().map(after_cls)), &device);
        let unseen = places(mask.masked.iter().map(after_cls), &device);
        let seen_tokens = self.encoder.embed(images).select(1, seen.clone());
        let known = self.embed.forward(self.encoder.encode_tokens(seen_tokens)) + self.positions.val().select(1, seen);

        let [b, _, d] = known.dims();
        let hidden = self.mask_token.val() + self.positions.val().select(1, unseen);
        let drawn = mask.masked.len();
        let all = BurnTensor::cat(vec![hidden.expand([b, drawn, d]), known], 1);
        let all = self.blocks.iter().fold(all, |x, block| block.forward(x));
        self.predict.forward(self.norm.forward(all.narrow(1, 0, drawn)))
    }

    /// The network with the tensors of `map` (the names of the authors of MAE; what the network does not have is ignored), on `device`.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] or [`ModelError::WrongShape`].
    pub fn load(mut self, map: &TensorMap, device: &Device) -> Result<Self, ModelError> {
        self.encoder = self.encoder.load(map, device)?;
        let (width, d, patch) = (self.config.encoder.dim, self.config.decoder_dim, self.config.encoder.patch_len());
        let load = Loader { map, device };
        load.linear(&mut self.embed, "decoder_embed", &[d, width], [width, d])?;
        self.mask_token = load.param("mask_token", &[1, 1, d])?;
        self.positions = load.param("decoder_pos_embed", &[1, self.config.encoder.tokens(), d])?;
        load.blocks(&mut self.blocks, "decoder_blocks", d, self.config.decoder_mlp_dim)?;
        load.norm(&mut self.norm, "decoder_norm", d)?;
        load.linear(&mut self.predict, "decoder_pred", &[patch, d], [d, patch])?;
        Ok(self)
    }
}

fn places(places: impl Iterator<Item = usize>, device: &Device) -> BurnTensor<1, Int> {
    let places: Vec<i32> = places.map(|place| place as i32).collect();
    let count = places.len();
    BurnTensor::from_data(TensorData::new(places, [count]), device)
}
