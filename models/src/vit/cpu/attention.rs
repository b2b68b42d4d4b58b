//! Multi-head self-attention of the CPU engine, one head after the other.

use super::{
    block::Widths,
    linear::{Linear, Output, Panels, Rows, multiply},
    math::{self, LANES},
};

/// The attention of a block; queries apart from keys and values, so that the last block can ask for the CLS token only.
pub(super) struct Attention {
    pub(super) heads: usize,
    pub(super) queries: Linear,
    pub(super) keys_values: Linear,
    pub(super) projection: Linear,
}

/// Space for one image of some number of tokens.
pub(super) struct Space {
    queries: Vec<f32>,
    keys_values: Vec<f32>,
    /// Keys of a head, transposed: `[head_dim, tokens]`.
    keys: Panels,
    /// Values of a head, `[tokens, head_dim]`, with rows of zeros for the padding of `scores`.
    values: Panels,
    /// `[tokens, padded tokens]`
    scores: Vec<f32>,
}

impl Space {
    pub(super) fn new(tokens: usize, widths: Widths) -> Self {
        let (dim, width) = (widths.dim, widths.dim / widths.heads);
        let padded = tokens.next_multiple_of(LANES);
        Self {
            queries: vec![0.0; tokens * dim],
            keys_values: vec![0.0; tokens * 2 * dim],
            keys: Panels::pack(width, padded, |_, _| 0.0),
            values: Panels::pack(padded, width, |_, _| 0.0),
            scores: vec![0.0; tokens * padded],
        }
    }
}

impl Attention {
    /// Adds the attention of the first `wanted` tokens over all of `normal` `[tokens, dim]`, which is overwritten.
    pub(super) fn add(&self, normal: &mut [f32], wanted: usize, space: &mut Space, output: Output) {
        let dim = output.stride;
        let (tokens, width) = (normal.len() / dim, dim / self.heads);
        let rows = Rows { data: normal, stride: dim, count: tokens };
        self.keys_values.apply(rows, Output { data: &mut space.keys_values, stride: 2 * dim });
        self.queries.apply(Rows { count: wanted, ..rows }, Output { data: &mut space.queries, stride: dim });
        for first in (0..dim).step_by(width) {
            let mixed = Output { data: &mut normal[first..], stride: dim };
            head(space, first, Sizes { tokens, wanted, dim, width }, mixed);
        }
        self.projection.add(Rows { data: normal, stride: dim, count: wanted }, output);
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    tokens: usize,
    wanted: usize,
    dim: usize,
    width: usize,
}

/// softmax(Q·Kᵀ / √width) · V of the head whose columns begin at `first`.
fn head(space: &mut Space, first: usize, sizes: Sizes, mixed: Output) {
    let Sizes { tokens, wanted, dim, width } = sizes;
    let pairs = &space.keys_values;
    space.keys.fill(|row, token| if token < tokens { pairs[token * 2 * dim + first + row] } else { 0.0 });
    space.values.fill(|token, column| if token < tokens { pairs[(token * 2 + 1) * dim + first + column] } else { 0.0 });

    let padded = space.keys.n;
    let queries = Rows { data: &space.queries[first..], stride: dim, count: wanted };
    multiply(queries, &space.keys, None, false, Output { data: &mut space.scores, stride: padded });
    let scale = 1.0 / (width as f32).sqrt();
    let scores = &mut space.scores[..wanted * padded];
    scores.chunks_exact_mut(padded).for_each(|row| math::softmax(row, tokens, scale));
    multiply(Rows { data: scores, stride: padded, count: wanted }, &space.values, None, false, mixed);
}
