//! Sizes of a Vision Transformer.

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Sizes of a pre-norm Vision Transformer with a CLS token, fused qkv and exact GELU (timm's `VisionTransformer`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VitConfig {
    /// Side of the square input, in pixels; a multiple of `patch_size`.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of the input: 1 or 3.
    pub in_channels: usize,
    /// Width of a token; a multiple of `heads`.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Attention heads in a block.
    pub heads: usize,
    /// Width of the hidden layer of a block's MLP.
    pub mlp_dim: usize,
    /// Epsilon of every LayerNorm.
    pub layer_norm_eps: f64,
}

/// Largest network that is run: ViT-L has 304 million parameters.
const MAX_PARAMETERS: usize = 400_000_000;
/// Most tokens of an image: attention grows with their square.
const MAX_TOKENS: usize = 4097;
/// Widest token.
pub(crate) const MAX_DIM: usize = 2048;
/// Most blocks.
pub(crate) const MAX_DEPTH: usize = 48;
/// Most attention heads of a block.
pub(crate) const MAX_HEADS: usize = 64;
/// Widest hidden layer of a block's MLP.
pub(crate) const MAX_MLP_DIM: usize = 8192;

impl VitConfig {
    /// ViT-Ti/16 for RGB images of `image_size` pixels: 192-d, 12 blocks, 3 heads.
    pub const fn tiny16(image_size: usize) -> Self {
        Self::patch16(image_size, 192, 3)
    }

    /// ViT-S/16 for RGB images of `image_size` pixels: 384-d, 12 blocks, 6 heads.
    pub const fn small16(image_size: usize) -> Self {
        Self::patch16(image_size, 384, 6)
    }

    /// ViT-B/16 for RGB images of `image_size` pixels: 768-d, 12 blocks, 12 heads.
    pub const fn base16(image_size: usize) -> Self {
        Self::patch16(image_size, 768, 12)
    }

    const fn patch16(image_size: usize, dim: usize, heads: usize) -> Self {
        Self { image_size, patch_size: 16, in_channels: 3, dim, depth: 12, heads, mlp_dim: 4 * dim, layer_norm_eps: 1e-6 }
    }

    /// Patches in a row of the image.
    pub const fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Tokens of an image: the CLS token and one a patch.
    pub const fn tokens(&self) -> usize {
        1 + self.grid() * self.grid()
    }

    /// Values of an input: channels x size x size.
    pub const fn input_len(&self) -> usize {
        self.in_channels * self.image_size * self.image_size
    }

    /// Values of a patch: channels x patch x patch.
    pub const fn patch_len(&self) -> usize {
        self.in_channels * self.patch_size * self.patch_size
    }

    /// Width of one attention head.
    pub const fn head_dim(&self) -> usize {
        self.dim / self.heads
    }

    /// Number of trained values, without a classifier.
    pub const fn parameters(&self) -> usize {
        let blocks = self.depth * block_parameters(self.dim, self.mlp_dim);
        self.dim * (self.patch_len() + 1 + 1 + self.tokens() + 2) + blocks
    }

    /// Checks that the sizes fit together and are small enough to run.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] names the first size that does not fit. A card is checked by it before anything is allocated.
    pub fn validate(&self) -> Result<(), ModelError> {
        let ranges = [
            ("image_size", self.image_size, 1024),
            ("patch_size", self.patch_size, 64),
            ("dim", self.dim, MAX_DIM),
            ("depth", self.depth, MAX_DEPTH),
            ("heads", self.heads, MAX_HEADS),
            ("mlp_dim", self.mlp_dim, MAX_MLP_DIM),
        ];
        ranges.into_iter().try_for_each(|(name, value, limit)| check_range(name, value, limit))?;
        if !matches!(self.in_channels, 1 | 3) {
            return bad(format!("in_channels is {} and must be 1 or 3", self.in_channels));
        }
        if !self.image_size.is_multiple_of(self.patch_size) {
            return bad(format!("image_size {} is no multiple of patch_size {}", self.image_size, self.patch_size));
        }
        if !self.dim.is_multiple_of(self.heads) {
            return bad(format!("dim {} is no multiple of heads {}", self.dim, self.heads));
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return bad(format!("layer_norm_eps is {} and must lie between 0 and 1", self.layer_norm_eps));
        }
        if self.tokens() > MAX_TOKENS {
            return bad(format!("{} tokens are more than the {MAX_TOKENS} that are run", self.tokens()));
        }
        check_parameters(self.parameters())
    }
}

/// Number of trained values of a block.
pub(crate) const fn block_parameters(dim: usize, mlp_dim: usize) -> usize {
    dim * (4 * dim + 2 * mlp_dim + 9) + mlp_dim
}

/// Checks that a size is not 0 and within its limit.
pub(crate) fn check_range(name: &str, value: usize, limit: usize) -> Result<(), ModelError> {
    if value == 0 || value > limit {
        return bad(format!("{name} is {value} and must lie in 1..={limit}"));
    }
    Ok(())
}

/// Checks that a network is small enough to run.
pub(crate) fn check_parameters(parameters: usize) -> Result<(), ModelError> {
    if parameters > MAX_PARAMETERS {
        return bad(format!("{parameters} parameters are more than the {MAX_PARAMETERS} that are run"));
    }
    Ok(())
}

pub(crate) fn bad(reason: String) -> Result<(), ModelError> {
    Err(ModelError::BadConfig { reason })
}
