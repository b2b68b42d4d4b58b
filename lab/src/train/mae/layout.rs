//! The autoencoder's parameters in one flat vector, under the names of the authors of MAE.

use anyhow::Result;
use models::{TensorMap, mae::MaeConfig};

use crate::train::{
    block::Sizes,
    params::{BlockSlots, Builder, Slot, Table},
};

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct MaeLayout {
    /// Geometry.
    pub config: MaeConfig,
    /// CLS token [1, 1, d].
    pub cls: Slot,
    /// Positions [1, tokens, d].
    pub pos: Slot,
    /// Patch embedding.
    pub patch: [Slot; 2],
    /// Blocks of the encoder.
    pub blocks: Vec<BlockSlots>,
    /// Last norm of the encoder.
    pub norm: [Slot; 2],
    /// From the encoder's width to the decoder's.
    pub embed: [Slot; 2],
    /// Stands for a masked patch [1, 1, decoder d].
    pub mask_token: Slot,
    /// Positions in the decoder [1, tokens, decoder d].
    pub decoder_pos: Slot,
    /// Blocks of the decoder.
    pub decoder_blocks: Vec<BlockSlots>,
    /// Last norm of the decoder.
    pub decoder_norm: [Slot; 2],
    /// From the decoder's width to pixels.
    pub predict: [Slot; 2],
    /// Every slot.
    pub table: Table,
}

impl MaeLayout {
    /// The layout of an autoencoder of this geometry.
    pub fn new(config: &MaeConfig) -> Self {
        let (c, d, m) = (&config.encoder, config.decoder_dim, config.decoder_mlp_dim);
        let mut b = Builder::default();
        let (cls, pos, patch) = b.embedding(c);
        let blocks = b.blocks(c);
        b.layer = c.depth + 1;
        let norm = b.pair("norm", &[c.dim]);
        let embed = b.pair("decoder_embed", &[d, c.dim]);
        let mask_token = b.slot("mask_token", &[1, 1, d]);
        let decoder_pos = b.slot("decoder_pos_embed", &[1, c.tokens(), d]);
        let decoder_blocks = (0..config.decoder_depth).map(|i| b.block(&format!("decoder_blocks.{i}"), d, m)).collect();
        let decoder_norm = b.pair("decoder_norm", &[d]);
        let predict = b.pair("decoder_pred", &[c.patch_len(), d]);
        Self {
            config: config.clone(),
            cls,
            pos,
            patch,
            blocks,
            norm,
            embed,
            mask_token,
            decoder_pos,
            decoder_blocks,
            decoder_norm,
            predict,
            table: b.table(),
        }
    }

    /// A random start with sines and cosines for the decoder's positions.
    pub fn random(&self, seed: u64) -> Vec<f32> {
        let mut flat = self.table.random(seed);
        let positions = sines(self.config.decoder_dim, self.config.encoder.grid());
        self.decoder_pos.of_mut(&mut flat).copy_from_slice(&positions);
        flat
    }

    /// Copies what `map` holds over `flat`: an encoder, or an autoencoder. Returns the number of tensors copied.
    ///
    /// # Errors
    /// Where a tensor of the encoder is missing or has another shape.
    pub fn load(&self, map: &TensorMap, flat: &mut [f32]) -> Result<usize> {
        self.table.load(map, flat, |name| name.starts_with("decoder_") || name == "mask_token")
    }

    /// The tensors of `flat`.
    pub fn tensors(&self, flat: &[f32]) -> TensorMap {
        self.table.tensors(flat, |_| true)
    }

    /// Sizes of the encoder's blocks, which see `tokens` tokens.
    pub(super) fn encoder_sizes(&self, tokens: usize) -> Sizes {
        let c = &self.config.encoder;
        Sizes { tokens, dim: c.dim, heads: c.heads, mlp_dim: c.mlp_dim, eps: self.eps() }
    }

    /// Sizes of the decoder's blocks.
    pub(super) fn decoder_sizes(&self) -> Sizes {
        let c = &self.config;
        Sizes {
            tokens: c.encoder.tokens(),
            dim: c.decoder_dim,
            heads: c.decoder_heads,
            mlp_dim: c.decoder_mlp_dim,
            eps: self.eps(),
        }
    }

    /// Epsilon of every norm.
    pub(super) fn eps(&self) -> f32 {
        self.config.encoder.layer_norm_eps as f32
    }
}

/// Positions [1 + grid², d] of sines and cosines: the first half tells the column, the second the row; zeros for CLS.
fn sines(d: usize, grid: usize) -> Vec<f32> {
    let quarter = (d / 4).max(1);
    let wave = |at: usize, i: usize| at as f32 / 10_000f32.powf((i % quarter) as f32 / quarter as f32);
    let mut out = vec![0.0; d];
    for place in 0..grid * grid {
        for i in 0..d {
            let at = if i < d / 2 { place % grid } else { place / grid };
            out.push(if (i / quarter).is_multiple_of(2) { wave(at, i).sin() } else { wave(at, i).cos() });
        }
    }
    out
}
