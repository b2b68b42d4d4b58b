//! Sizes of a masked autoencoder.

use serde::{Deserialize, Serialize};

use crate::{ModelError, VitConfig, config};

/// Sizes of a masked autoencoder: a Vision Transformer over the visible patches and a decoder of narrower blocks over all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaeConfig {
    /// The encoder; its epsilon is the decoder's too.
    pub encoder: VitConfig,
    /// Width of a token in the decoder; a multiple of `decoder_heads`.
    pub decoder_dim: usize,
    /// Number of blocks in the decoder.
    pub decoder_depth: usize,
    /// Attention heads in a block of the decoder.
    pub decoder_heads: usize,
    /// Width of the hidden layer of a decoder block's MLP.
    pub decoder_mlp_dim: usize,
}

impl MaeConfig {
    /// Patches of an image.
    pub const fn patches(&self) -> usize {
        self.encoder.grid() * self.encoder.grid()
    }

    /// Number of trained values, the fixed positions among them.
    pub const fn parameters(&self) -> usize {
        let (dim, patch) = (self.decoder_dim, self.encoder.patch_len());
        let blocks = self.decoder_depth * config::block_parameters(dim, self.decoder_mlp_dim);
        let tokens = (self.encoder.tokens() + 1) * dim;
        self.encoder.parameters() + (self.encoder.dim + 1) * dim + tokens + blocks + 2 * dim + (dim + 1) * patch
    }

    /// Checks that the sizes fit together and are small enough to run.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] names the first size that does not fit.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.encoder.validate()?;
        config::check_range("decoder_dim", self.decoder_dim, config::MAX_DIM)?;
        config::check_range("decoder_depth", self.decoder_depth, config::MAX_DEPTH)?;
        config::check_range("decoder_heads", self.decoder_heads, config::MAX_HEADS)?;
        config::check_range("decoder_mlp_dim", self.decoder_mlp_dim, config::MAX_MLP_DIM)?;
        if !self.decoder_dim.is_multiple_of(self.decoder_heads) {
            return config::bad(format!(
                "decoder_dim {} is no multiple of decoder_heads {}",
                self.decoder_dim, self.decoder_heads
            ));
        }
        config::check_parameters(self.parameters())
    }
}
