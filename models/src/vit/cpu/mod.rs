//! A Vision Transformer for inference on one CPU thread, natively and in WebAssembly, with the same bits on both.
//!
//! Why beside the burn module: it is faster in WebAssembly, small, and needs no run-time. It is plain safe Rust whose
//! loops compilers turn into vector instructions. Weights are held once, in f32, in the order in which they are read.

mod attention;
mod linear;
mod load;
mod math;

use crate::{ModelError, VitConfig};
use attention::Attention;
use linear::{Linear, Output, Rows};

/// LayerNorm's weight and bias `[dim]`.
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Norm {
    fn apply(&self, input: &[f32], output: &mut [f32]) {
        math::layer_norm(input, output, &self.weight, &self.bias, self.eps);
    }
}

/// One pre-norm block: `x += attention(norm(x)); x += mlp(norm(x))`.
struct Block {
    norm1: Norm,
    attention: Attention,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

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
    normal: Vec<f32>,
    hidden: Vec<f32>,
    attention: attention::Space,
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
        let config = &self.config;
        if input.len() != config.input_len() {
            return Err(ModelError::InputLength { expected: config.input_len(), found: input.len() });
        }
        let (tokens, dim) = (config.tokens(), config.dim);
        let mut values = vec![0.0; tokens * dim];
        let (cls, rest) = values.split_at_mut(dim);
        cls.copy_from_slice(&self.cls_token);
        let patches = unfold(input, config);
        let rows = Rows { data: &patches, stride: config.patch_len(), count: tokens - 1 };
        self.patches.apply(rows, Output { data: rest, stride: dim });
        values.iter_mut().zip(&self.positions).for_each(|(value, position)| *value += position);
        Ok(CpuTokens {
            values,
            normal: vec![0.0; tokens * dim],
            hidden: vec![0.0; tokens * config.mlp_dim],
            attention: attention::Space::new(config),
        })
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
        let block = &self.blocks[index];
        let wanted = if index + 1 == self.blocks.len() { 1 } else { self.config.tokens() };
        let (dim, hidden) = (self.config.dim, self.config.mlp_dim);
        block.norm1.apply(&tokens.values, &mut tokens.normal);
        let output = Output { data: &mut tokens.values, stride: dim };
        block.attention.add(&mut tokens.normal, wanted, &mut tokens.attention, output);

        let normal = &mut tokens.normal[..wanted * dim];
        block.norm2.apply(&tokens.values[..wanted * dim], normal);
        let middle = &mut tokens.hidden[..wanted * hidden];
        let rows = Rows { data: normal, stride: dim, count: wanted };
        block.fc1.apply(rows, Output { data: middle, stride: hidden });
        math::gelu(middle);
        let rows = Rows { data: middle, stride: hidden, count: wanted };
        block.fc2.add(rows, Output { data: &mut tokens.values, stride: dim });
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
