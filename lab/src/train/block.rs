//! One transformer block, forward and backward, written out by hand on flat slices.
//!
//! The encoder and both halves of the masked autoencoder are made of it. Rows are tokens: n = images × tokens.

use super::{
    math::{self, View, gemm},
    params::{BlockSlots, Slot},
};

/// Sizes of a block and of the sequences that it sees.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Tokens of an image.
    pub tokens: usize,
    /// Width of a token.
    pub dim: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the hidden layer of the MLP.
    pub mlp_dim: usize,
    /// Epsilon of the norms.
    pub eps: f32,
}

/// What the forward pass of one block keeps for the backward pass.
#[derive(Default)]
pub struct BlockTape {
    norm1: NormTape,
    qkv: Vec<f32>,
    probs: Vec<f32>,
    mixed: Vec<f32>,
    norm2: NormTape,
    slope: Vec<f32>,
    active: Vec<f32>,
    /// Tokens after the block [n, d].
    pub output: Vec<f32>,
    /// Scales of the two residual branches for each image; empty for 1.
    keep: [Vec<f32>; 2],
}

/// What a layer norm keeps.
#[derive(Default)]
pub struct NormTape {
    hat: Vec<f32>,
    inverse_std: Vec<f32>,
    /// Rows after the norm.
    pub output: Vec<f32>,
}

/// Memory that the blocks of one network share.
#[derive(Default)]
pub struct Scratch {
    branch: Vec<f32>,
    wide: Vec<f32>,
    narrow: Vec<f32>,
}

/// Makes `buffer` hold `len` zeros.
pub fn zeros(buffer: &mut Vec<f32>, len: usize) {
    buffer.clear();
    buffer.resize(len, 0.0);
}

/// Makes `buffer` hold `len` values, whichever.
pub fn keep_size(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

/// `y = x · Wᵀ + b`.
pub fn linear(slots: &[Slot; 2], w: &[f32], x: &[f32], y: &mut [f32]) {
    let (weight, bias) = (slots[0].of(w), slots[1].of(w));
    let d_in = weight.len() / bias.len();
    gemm(1.0, View::new(x, d_in), View::new(weight, d_in).t(), 0.0, y, bias.len());
    math::add_bias(y, bias);
}

/// `dX = dY W`, and `dW += dYᵀ X`, `db += Σ dY` where parameters are wanted.
pub fn linear_backward(slots: &[Slot; 2], w: &[f32], x: &[f32], dy: &[f32], dx: &mut [f32], grad: Option<&mut [f32]>) {
    let d_out = slots[0].shape[0];
    let d_in = slots[0].len / d_out;
    let dy_view = View::new(dy, d_out);
    if let Some(grad) = grad {
        gemm(1.0, dy_view.t(), View::new(x, d_in), 1.0, slots[0].of_mut(grad), d_in);
        math::add_column_sums(dy, slots[1].of_mut(grad));
    }
    gemm(1.0, dy_view, View::new(slots[0].of(w), d_in), 0.0, dx, d_in);
}

/// Layer norm of each row of `x`.
pub fn norm(slots: &[Slot; 2], w: &[f32], eps: f32, x: &[f32], tape: &mut NormTape) {
    let d = slots[0].len;
    keep_size(&mut tape.hat, x.len());
    keep_size(&mut tape.inverse_std, x.len() / d);
    keep_size(&mut tape.output, x.len());
    math::layer_norm(x, slots[0].of(w), slots[1].of(w), eps, &mut tape.hat, &mut tape.inverse_std, &mut tape.output);
}

/// Adds the gradient of a norm's input to `dx`, and those of γ and β where parameters are wanted.
pub fn norm_backward(slots: &[Slot; 2], w: &[f32], dy: &[f32], tape: &NormTape, dx: &mut [f32], grad: Option<&mut [f32]>) {
    if let Some(grad) = grad {
        // γ and β of one norm lie side by side in the flat vector.
        let both = &mut grad[slots[0].start..slots[1].start + slots[1].len];
        let (d_gamma, d_beta) = both.split_at_mut(slots[0].len);
        math::layer_norm_parameters(dy, &tape.hat, d_gamma, d_beta);
    }
    math::layer_norm_backward(dy, slots[0].of(w), &tape.hat, &tape.inverse_std, dx);
}

/// `x` [n, d] becomes the tokens after the block. `keep` scales the two residual branches of each image; empty for 1.
pub fn forward(
    sizes: Sizes,
    s: &BlockSlots,
    w: &[f32],
    keep: [&[f32]; 2],
    x: &mut [f32],
    t: &mut BlockTape,
    scratch: &mut Scratch,
) {
    let Sizes { tokens, dim: d, mlp_dim, eps, .. } = sizes;
    let n = x.len() / d;
    let branch = &mut scratch.branch;
    keep_size(branch, n * d);
    keep_size(&mut t.mixed, n * d);
    keep_size(&mut t.qkv, n * 3 * d);
    keep_size(&mut t.slope, n * mlp_dim);
    keep_size(&mut t.active, n * mlp_dim);
    for (kept, scales) in t.keep.iter_mut().zip(keep) {
        kept.clear();
        kept.extend_from_slice(scales);
    }
    norm(&s.norm1, w, eps, x, &mut t.norm1);
    linear(&s.qkv, w, &t.norm1.output, &mut t.qkv);
    attention(sizes, &t.qkv, &mut t.probs, &mut t.mixed);
    linear(&s.proj, w, &t.mixed, branch);
    add_branch(x, branch, &t.keep[0], tokens * d);

    norm(&s.norm2, w, eps, x, &mut t.norm2);
    linear(&s.fc1, w, &t.norm2.output, &mut t.slope);
    math::gelu(&mut t.slope, &mut t.active);
    linear(&s.fc2, w, &t.active, branch);
    add_branch(x, branch, &t.keep[1], tokens * d);
    t.output.clear();
    t.output.extend_from_slice(x);
}

/// `x += keep · y`, image by image.
fn add_branch(x: &mut [f32], y: &[f32], keep: &[f32], size: usize) {
    for (i, (x, y)) in x.chunks_exact_mut(size).zip(y.chunks_exact(size)).enumerate() {
        math::add_scaled(x, y, keep.get(i).copied().unwrap_or(1.0));
    }
}

fn attention(sizes: Sizes, qkv: &[f32], probs: &mut Vec<f32>, mixed: &mut [f32]) {
    let Sizes { tokens, dim: d, heads, .. } = sizes;
    let images = mixed.len() / (tokens * d);
    let (width, area) = (d / heads, tokens * tokens);
    let scale = 1.0 / (width as f32).sqrt();
    keep_size(probs, images * heads * area);
    for image in 0..images {
        let rows = &qkv[image * tokens * 3 * d..(image + 1) * tokens * 3 * d];
        for head in 0..heads {
            let part = |k: usize| View::strided(&rows[k * d + head * width..], tokens, width, 3 * d);
            let p = &mut probs[(image * heads + head) * area..][..area];
            gemm(scale, part(0), part(1).t(), 0.0, p, tokens);
            math::softmax_rows(p, tokens);
            let out = &mut mixed[image * tokens * d + head * width..];
            gemm(1.0, View::new(p, tokens), part(2), 0.0, out, d);
        }
    }
}

/// `dx` [n, d], the gradient of the block's output, becomes that of its input; parameters' gradients are added to `grad`
/// where they are wanted.
pub fn backward(
    sizes: Sizes,
    s: &BlockSlots,
    w: &[f32],
    dx: &mut [f32],
    t: &BlockTape,
    scratch: &mut Scratch,
    mut grad: Option<&mut [f32]>,
) {
    let Sizes { tokens, dim: d, mlp_dim, .. } = sizes;
    let n = dx.len() / d;
    let Scratch { branch, wide, narrow } = scratch;
    keep_size(wide, n * mlp_dim.max(3 * d));
    keep_size(narrow, n * d);

    scaled_copy(branch, dx, &t.keep[1], tokens * d);
    let mlp = &mut wide[..n * mlp_dim];
    linear_backward(&s.fc2, w, &t.active, branch, mlp, grad.as_deref_mut());
    math::multiply(mlp, &t.slope);
    linear_backward(&s.fc1, w, &t.norm2.output, mlp, narrow, grad.as_deref_mut());
    norm_backward(&s.norm2, w, narrow, &t.norm2, dx, grad.as_deref_mut());

    scaled_copy(branch, dx, &t.keep[0], tokens * d);
    linear_backward(&s.proj, w, &t.mixed, branch, narrow, grad.as_deref_mut());
    let dqkv = &mut wide[..n * 3 * d];
    attention_backward(sizes, t, narrow, dqkv);
    linear_backward(&s.qkv, w, &t.norm1.output, dqkv, narrow, grad.as_deref_mut());
    norm_backward(&s.norm1, w, narrow, &t.norm1, dx, grad);
}

fn scaled_copy(out: &mut Vec<f32>, x: &[f32], keep: &[f32], size: usize) {
    out.clear();
    out.extend_from_slice(x);
    for (part, scale) in out.chunks_exact_mut(size).zip(keep) {
        part.iter_mut().for_each(|v| *v *= scale);
    }
}

fn attention_backward(sizes: Sizes, t: &BlockTape, dmixed: &[f32], dqkv: &mut [f32]) {
    let Sizes { tokens, dim: d, heads, .. } = sizes;
    let images = dmixed.len() / (tokens * d);
    let (width, area) = (d / heads, tokens * tokens);
    let scale = 1.0 / (width as f32).sqrt();
    let mut dp = vec![0.0; area];
    for image in 0..images {
        let span = image * tokens * 3 * d..(image + 1) * tokens * 3 * d;
        let (rows, drows) = (&t.qkv[span.clone()], &mut dqkv[span]);
        for head in 0..heads {
            let at = |k: usize| k * d + head * width;
            let part = |k: usize| View::strided(&rows[at(k)..], tokens, width, 3 * d);
            let p = &t.probs[(image * heads + head) * area..][..area];
            let out = &dmixed[image * tokens * d + head * width..];
            let out = View::strided(out, tokens, width, d);
            gemm(1.0, out, part(2).t(), 0.0, &mut dp, tokens);
            gemm(1.0, View::new(p, tokens).t(), out, 0.0, &mut drows[at(2)..], 3 * d);
            math::softmax_backward(&mut dp, p, tokens, scale);
            let ds = View::new(&dp, tokens);
            gemm(1.0, ds, part(1), 0.0, &mut drows[at(0)..], 3 * d);
            gemm(1.0, ds.t(), part(0), 0.0, &mut drows[at(1)..], 3 * d);
        }
    }
}
