//! A Vision Transformer for inference on one CPU thread, natively and in WebAssembly, with the same bits on both.
//!
//! Why beside the burn module: it is faster in WebAssembly, small, and needs no run-time. It is plain safe Rust whose
//! loops compilers turn into vector instructions, as wide as the processor has them. Weights are held once, in f32, in the order
//! in which they are read.

mod attention;
mod block;
mod linear;
pub(crate) mod load;
pub(crate) mod math;
mod wide;

use crate::{ModelError, VitConfig};
use attention::Attention;
pub(crate) use attention::Projected;
pub(crate) use block::{Block, Norm, Space, Widths};
pub(crate) use linear::{Linear, Output, Rows};

/// A Vision Transformer, ready to run.
pub struct CpuVit {
    config: VitConfig,
    patches: Linear,
    cls_token: Vec<f32>,
    positions: Vec<f32>,
    blocks: Vec<Block>,
    norm: Norm,
}

/// The tokens of one image on their way through the blocks, and the space that the blocks work in.
pub struct CpuTokens {
    values: Vec<f32>,
    space: Space,
}

impl CpuTokens {
    /// Token values, row-major `[1 + patches, dim]`, the CLS token first.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl CpuVit {
    /// Sizes of the network.
    pub const fn config(&self) -> &VitConfig {
        &self.config
    }

    /// Embeds an input `[channels, size, size]` as tokens `[1 + patches, dim]`, positions added.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] where the input has another length.
    pub fn embed(&self, input: &[f32]) -> Result<CpuTokens, ModelError> {
        let patches = self.embed_patches(input)?;
        let dim = self.config.dim;
        let mut values = Vec::with_capacity(dim + patches.len());
        values.extend(self.embedded_cls());
        values.extend(patches);
        let space = Space::new(1, self.config.tokens(), (&self.config).into());
        Ok(CpuTokens { values, space })
    }

    /// The patch tokens `[patches, dim]` of an input, positions added.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] where the input has another length.
    pub(crate) fn embed_patches(&self, input: &[f32]) -> Result<Vec<f32>, ModelError> {
        let config = &self.config;
        if input.len() != config.input_len() {
            return Err(ModelError::InputLength { expected: config.input_len(), found: input.len() });
        }
        let (patches, dim) = (config.tokens() - 1, config.dim);
        let pixels = unfold(input, config);
        let mut values = vec![0.0; patches * dim];
        let rows = Rows { data: &pixels, stride: config.patch_len(), count: patches };
        self.patches.apply(rows, Output { data: &mut values, stride: dim });
        values.iter_mut().zip(&self.positions[dim..]).for_each(|(value, position)| *value += position);
        Ok(values)
    }

    /// The CLS token `[dim]` as it enters the first block.
    pub(crate) fn embedded_cls(&self) -> impl Iterator<Item = f32> {
        self.cls_token.iter().zip(&self.positions).map(|(value, position)| value + position)
    }

    /// Choices `[images, tokens, dim]` of embedded tokens, to run through [`Self::whole_block`] together: each block's weights are
    /// fetched once for all.
    pub(crate) fn together(&self, images: usize, values: Vec<f32>) -> CpuTokens {
        let tokens = values.len() / self.config.dim / images;
        CpuTokens { values, space: Space::new(images, tokens, (&self.config).into()) }
    }

    /// Runs block `index` of 0..depth, every token of it; after the last the final LayerNorm too.
    pub(crate) fn whole_block(&self, index: usize, tokens: &mut CpuTokens) {
        let count = tokens.values.len() / self.config.dim;
        self.blocks[index].run(&mut tokens.values, count, &mut tokens.space);
        if index + 1 == self.blocks.len() {
            let values = tokens.values.clone();
            self.norm.apply(&values, &mut tokens.values);
        }
    }

    /// Number of blocks.
    pub const fn depth(&self) -> usize {
        self.config.depth
    }

    /// Runs block `index` of 0..depth.
    ///
    /// Only the CLS token leaves the encoder, so the last block computes its CLS token alone and leaves the others.
    ///
    /// # Panics
    /// Where there is no such block.
    pub fn block(&self, index: usize, tokens: &mut CpuTokens) {
        let wanted = if index + 1 == self.blocks.len() { 1 } else { self.config.tokens() };
        self.blocks[index].run(&mut tokens.values, wanted, &mut tokens.space);
    }

    /// The CLS token `[dim]` after the final LayerNorm.
    pub fn cls(&self, tokens: &CpuTokens) -> Vec<f32> {
        let mut cls = vec![0.0; self.config.dim];
        self.norm.apply(&tokens.values[..self.config.dim], &mut cls);
        cls
    }

    /// The CLS token `[dim]` of an input `[channels, size, size]`: embedding, every block, final LayerNorm.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] where the input has another length.
    pub fn encode(&self, input: &[f32]) -> Result<Vec<f32>, ModelError> {
        let mut tokens = self.embed(input)?;
        (0..self.blocks.len()).for_each(|index| self.block(index, &mut tokens));
        Ok(self.cls(&tokens))
    }
}

/// Patches as rows `[patches, channels · patch · patch]`, in the order of a convolution's weights.
fn unfold(input: &[f32], config: &VitConfig) -> Vec<f32> {
    let (size, patch) = (config.image_size, config.patch_size);
    let mut rows = Vec::with_capacity(input.len());
    for top in (0..size).step_by(patch) {
        for left in (0..size).step_by(patch) {
            for plane in input.chunks_exact(size * size) {
                let lines = plane.chunks_exact(size).skip(top).take(patch);
                lines.for_each(|line| rows.extend_from_slice(&line[left..left + patch]));
            }
        }
    }
    rows
}
