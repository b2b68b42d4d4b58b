//! The blocks of a network of the CPU engine, for any number of tokens.

use super::{
    attention::{self, Attention, Projected},
    linear::{Linear, Output, Rows},
    math,
};
use crate::VitConfig;

/// Widths of a network's blocks.
#[derive(Clone, Copy)]
pub(crate) struct Widths {
    /// Width of a token.
    pub(crate) dim: usize,
    /// Attention heads.
    pub(crate) heads: usize,
    /// Width of the MLP's hidden layer.
    pub(crate) hidden: usize,
    /// Epsilon of every LayerNorm.
    pub(crate) eps: f32,
}

impl From<&VitConfig> for Widths {
    fn from(config: &VitConfig) -> Self {
        Self { dim: config.dim, heads: config.heads, hidden: config.mlp_dim, eps: config.layer_norm_eps as f32 }
    }
}

/// LayerNorm's weight and bias `[dim]`.
pub(crate) struct Norm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) eps: f32,
}

impl Norm {
    /// The normalised rows of `input`, written to `output`.
    pub(crate) fn apply(&self, input: &[f32], output: &mut [f32]) {
        math::layer_norm(input, output, &self.weight, &self.bias, self.eps);
    }
}

/// One pre-norm block: `x += attention(norm(x)); x += mlp(norm(x))`.
pub(crate) struct Block {
    pub(super) norm1: Norm,
    pub(super) attention: Attention,
    pub(super) norm2: Norm,
    pub(super) fc1: Linear,
    pub(super) fc2: Linear,
}

/// The space that blocks work in, for some images of the same number of tokens.
pub(crate) struct Space {
    dim: usize,
    hidden_width: usize,
    normal: Vec<f32>,
    hidden: Vec<f32>,
    attention: attention::Space,
}

impl Space {
    pub(crate) fn new(images: usize, tokens: usize, widths: Widths) -> Self {
        Self {
            dim: widths.dim,
            hidden_width: widths.hidden,
            normal: vec![0.0; images * tokens * widths.dim],
            hidden: vec![0.0; images * tokens * widths.hidden],
            attention: attention::Space::new(images, tokens, widths),
        }
    }
}

impl Space {
    /// Lets the tokens `chosen` of `known` be the first of the image that is run next; give [`Block::run_known`] their number.
    pub(crate) fn recall(&mut self, known: &Projected, chosen: &[usize]) {
        self.attention.recall(known, chosen, self.dim);
    }
}

impl Block {
    /// Runs the block on the tokens `[images · tokens, dim]` of images; of a single image only the first `wanted` may be computed, from all.
    pub(crate) fn run(&self, values: &mut [f32], wanted: usize, space: &mut Space) {
        self.run_known(values, [0, wanted], space);
    }

    /// What the block's attention makes of tokens `[tokens, dim]` that are the same in every image, to be computed once.
    pub(crate) fn project(&self, tokens: &[f32]) -> Projected {
        let dim = self.norm1.weight.len();
        let mut normal = vec![0.0; tokens.len()];
        self.norm1.apply(tokens, &mut normal);
        let mut projected = Projected { queries: vec![0.0; tokens.len()], keys_values: vec![0.0; 2 * tokens.len()] };
        self.attention.project(&normal, dim, [0, tokens.len() / dim], &mut projected);
        projected
    }

    /// As [`Self::run`], where the first `known` tokens were recalled.
    pub(crate) fn run_known(&self, values: &mut [f32], [known, wanted]: [usize; 2], space: &mut Space) {
        let (dim, hidden) = (space.dim, space.hidden_width);
        self.norm1.apply(&values[known * dim..], &mut space.normal[known * dim..]);
        let output = Output { data: &mut *values, stride: dim };
        self.attention.add(&mut space.normal, [known, wanted], &mut space.attention, output);

        let normal = &mut space.normal[..wanted * dim];
        self.norm2.apply(&values[..wanted * dim], normal);
        let middle = &mut space.hidden[..wanted * hidden];
        let rows = Rows { data: normal, stride: dim, count: wanted };
        self.fc1.apply(rows, Output { data: middle, stride: hidden });
        math::gelu(middle);
        let rows = Rows { data: middle, stride: hidden, count: wanted };
        self.fc2.add(rows, Output { data: values, stride: dim });
    }
}
