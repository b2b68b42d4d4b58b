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

/// Queries `[tokens, dim]`, keys and values `[tokens, 2, dim]` of tokens.
pub(crate) struct Projected {
    pub(super) queries: Vec<f32>,
    pub(super) keys_values: Vec<f32>,
}

/// Space for some images of the same number of tokens.
pub(super) struct Space {
    /// Tokens of an image.
    tokens: usize,
    projected: Projected,
    /// Keys of a head, transposed: `[head_dim, tokens]`.
    keys: Panels,
    /// Values of a head, `[tokens, head_dim]`, with rows of zeros for the padding of `scores`.
    values: Panels,
    /// `[tokens, padded tokens]`
    scores: Vec<f32>,
}

impl Space {
    pub(super) fn new(images: usize, tokens: usize, widths: Widths) -> Self {
        let (values, width) = (images * tokens * widths.dim, widths.dim / widths.heads);
        let padded = tokens.next_multiple_of(LANES);
        Self {
            tokens,
            projected: Projected { queries: vec![0.0; values], keys_values: vec![0.0; 2 * values] },
            keys: Panels::pack(width, padded, |_, _| 0.0),
            values: Panels::pack(padded, width, |_, _| 0.0),
            scores: vec![0.0; tokens * padded],
        }
    }
}

impl Space {
    /// Takes the tokens `chosen` of `known` as the first tokens of this image.
    pub(super) fn recall(&mut self, known: &Projected, chosen: &[usize], dim: usize) {
        let pairs =
            [(&mut self.projected.queries, &known.queries, dim), (&mut self.projected.keys_values, &known.keys_values, 2 * dim)];
        for (rows, known, width) in pairs {
            let chosen = chosen.iter().map(|token| &known[token * width..(token + 1) * width]);
            rows.chunks_exact_mut(width).zip(chosen).for_each(|(row, known)| row.copy_from_slice(known));
        }
    }
}

impl Attention {
    /// Queries of the first `wanted` and keys and values of all tokens of `normal` `[tokens, dim]`; the first `known` are left as they are.
    pub(super) fn project(&self, normal: &[f32], dim: usize, [known, wanted]: [usize; 2], projected: &mut Projected) {
        let rows = Rows { data: &normal[known * dim..], stride: dim, count: normal.len() / dim - known };
        self.keys_values.apply(rows, Output { data: &mut projected.keys_values[known * 2 * dim..], stride: 2 * dim });
        let rows = Rows { count: wanted.saturating_sub(known), ..rows };
        self.queries.apply(rows, Output { data: &mut projected.queries[known * dim..], stride: dim });
    }

    /// Adds the attention of the first `wanted` tokens to `output`; each token attends to those of its image among `normal`
    /// `[images · tokens, dim]`, which is overwritten. The first `known` tokens were recalled.
    pub(super) fn add(&self, normal: &mut [f32], [known, wanted]: [usize; 2], space: &mut Space, output: Output) {
        let (dim, tokens) = (output.stride, space.tokens);
        self.project(normal, dim, [known, wanted], &mut space.projected);
        let sizes = Sizes { tokens, wanted: wanted.min(tokens), dim, width: dim / self.heads };
        for (image, mixed) in normal.chunks_exact_mut(tokens * dim).enumerate() {
            for first in (0..dim).step_by(sizes.width) {
                head(space, image * tokens, first, sizes, Output { data: &mut mixed[first..], stride: dim });
            }
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

/// softmax(Q·Kᵀ / √width) · V of the head whose columns begin at `first`, for the image whose tokens begin at `start`.
fn head(space: &mut Space, start: usize, first: usize, sizes: Sizes, mixed: Output) {
    let Sizes { tokens, wanted, dim, width } = sizes;
    let pairs = &space.projected.keys_values[start * 2 * dim..];
    space.keys.fill(|row, token| if token < tokens { pairs[token * 2 * dim + first + row] } else { 0.0 });
    space.values.fill(|token, column| if token < tokens { pairs[(token * 2 + 1) * dim + first + column] } else { 0.0 });

    let padded = space.keys.n;
    let queries = Rows { data: &space.projected.queries[start * dim + first..], stride: dim, count: wanted };
    multiply(queries, &space.keys, None, false, Output { data: &mut space.scores, stride: padded });
    let scale = 1.0 / (width as f32).sqrt();
    let scores = &mut space.scores[..wanted * padded];
    scores.chunks_exact_mut(padded).for_each(|row| math::softmax(row, tokens, scale));
    multiply(Rows { data: scores, stride: padded, count: wanted }, &space.values, None, false, mixed);
}
