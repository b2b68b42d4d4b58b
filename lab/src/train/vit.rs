//! The encoder's forward and backward pass, written out by hand on flat slices.
//!
//! Written out, a step costs little more than its matrix products; autodiff on burn's CPU backend also pays for every small
//! operation between them. A test holds outputs and gradients against the burn module in `models` and burn's autodiff.

use super::{
    math::{self, View, gemm},
    params::{BlockSlots, Layout},
};

/// What the forward pass of one block keeps for the backward pass. n = images × tokens rows.
#[derive(Default)]
struct BlockTape {
    hat1: Vec<f32>,
    std1: Vec<f32>,
    norm1: Vec<f32>,
    qkv: Vec<f32>,
    probs: Vec<f32>,
    mixed: Vec<f32>,
    hat2: Vec<f32>,
    std2: Vec<f32>,
    norm2: Vec<f32>,
    slope: Vec<f32>,
    active: Vec<f32>,
    output: Vec<f32>,
}

/// Working memory of one lane: reused from step to step.
#[derive(Default)]
pub struct Tape {
    images: usize,
    patches: Vec<f32>,
    blocks: Vec<BlockTape>,
    last_hat: Vec<f32>,
    last_std: Vec<f32>,
    cls: Vec<f32>,
    logits: Vec<f32>,
    scratch: [Vec<f32>; 4],
    /// Scale of each residual branch for each image, [depth × 2, images]; 0 where stochastic depth drops it.
    keep: Vec<f32>,
}

/// Gradients of the loss with respect to what [`Tape`] exposes.
#[derive(Default)]
pub struct OutputGradients {
    /// [images, classes].
    pub logits: Vec<f32>,
    /// After the last norm, [images, d]; empty for none.
    pub cls: Vec<f32>,
    /// For each block [images × tokens, d]; empty for none.
    pub hidden: Vec<Vec<f32>>,
}

impl Tape {
    /// CLS tokens after the last norm, [images, d].
    pub fn cls(&self) -> &[f32] {
        &self.cls
    }

    /// Logits of the training head, [images, classes].
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Tokens after block `i`, [images × tokens, d].
    pub fn hidden(&self, i: usize) -> &[f32] {
        &self.blocks[i].output
    }
}

fn sized(buffer: &mut Vec<f32>, len: usize) {
    buffer.clear();
    buffer.resize(len, 0.0);
}

fn keep_size(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}

/// Runs `images` (CHW, normalised, one after another) through the network.
///
/// `keep` is either empty or the residual scales of stochastic depth, [depth × 2, images].
pub fn forward(layout: &Layout, w: &[f32], input: &[f32], keep: &[f32], tape: &mut Tape) {
    let c = &layout.config;
    let (d, tokens) = (c.dim, c.tokens());
    tape.images = input.len() / (c.in_channels * c.image_size * c.image_size);
    tape.keep.clear();
    tape.keep.extend_from_slice(keep);
    tape.blocks.resize_with(c.depth, BlockTape::default);
    let mut x = std::mem::take(&mut tape.scratch[0]);
    embed(layout, w, input, tape, &mut x);
    for (i, slots) in layout.blocks.iter().enumerate() {
        block_forward(layout, slots, w, i, &mut x, tape);
    }
    let n = tape.images;
    keep_size(&mut tape.last_hat, n * d);
    keep_size(&mut tape.last_std, n);
    keep_size(&mut tape.cls, n * d);
    sized(&mut tape.logits, n * layout.classes);
    let first: Vec<f32> = x.chunks_exact(tokens * d).flat_map(|image| image[..d].iter().copied()).collect();
    math::layer_norm(
        &first,
        layout.norm[0].of(w),
        layout.norm[1].of(w),
        c.layer_norm_eps as f32,
        &mut tape.last_hat,
        &mut tape.last_std,
        &mut tape.cls,
    );
    let head = View::new(layout.head[0].of(w), d).t();
    gemm(1.0, View::new(&tape.cls, d), head, 0.0, &mut tape.logits, layout.classes);
    math::add_bias(&mut tape.logits, layout.head[1].of(w));
    tape.scratch[0] = x;
}

/// Cuts the images into patches (tape.patches) and writes CLS + positions + embedded patches to `x`.
fn embed(layout: &Layout, w: &[f32], input: &[f32], tape: &mut Tape, x: &mut Vec<f32>) {
    let c = &layout.config;
    let (d, tokens, p, side) = (c.dim, c.tokens(), c.patch_size, c.image_size);
    let width = c.in_channels * p * p;
    let grid = side / p;
    keep_size(&mut tape.patches, tape.images * (tokens - 1) * width);
    let per_image = c.in_channels * side * side;
    for (row, patch) in tape.patches.chunks_exact_mut(width).enumerate() {
        let (image, index) = (row / (tokens - 1), row % (tokens - 1));
        let (py, px) = (index / grid * p, index % grid * p);
        for (line, out) in patch.chunks_exact_mut(p).enumerate() {
            let (channel, y) = (line / p, line % p);
            let from = image * per_image + channel * side * side + (py + y) * side + px;
            out.copy_from_slice(&input[from..from + p]);
        }
    }
    sized(x, tape.images * tokens * d);
    let weight = View::new(layout.patch[0].of(w), width).t();
    let (pos, cls, bias) = (layout.pos.of(w), layout.cls.of(w), layout.patch[1].of(w));
    for (image, rows) in x.chunks_exact_mut(tokens * d).enumerate() {
        rows.copy_from_slice(pos);
        math::add_scaled(&mut rows[..d], cls, 1.0);
        math::add_bias(&mut rows[d..], bias);
        let size = (tokens - 1) * width;
        let patches = View::new(&tape.patches[image * size..(image + 1) * size], width);
        gemm(1.0, patches, weight, 1.0, &mut rows[d..], d);
    }
}

/// `y = x · Wᵀ + b`.
fn linear(x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    let d_in = weight.len() / bias.len();
    let (x, weight) = (View::new(x, d_in), View::new(weight, d_in).t());
    gemm(1.0, x, weight, 0.0, y, bias.len());
    math::add_bias(y, bias);
}

/// `x += keep · y`, image by image.
fn add_branch(x: &mut [f32], y: &[f32], keep: &[f32], images: usize) {
    let size = x.len() / images;
    for (i, (x, y)) in x.chunks_exact_mut(size).zip(y.chunks_exact(size)).enumerate() {
        math::add_scaled(x, y, keep.get(i).copied().unwrap_or(1.0));
    }
}

fn branch_keep(keep: &[f32], branch: usize, images: usize) -> &[f32] {
    if keep.is_empty() { keep } else { &keep[branch * images..(branch + 1) * images] }
}

fn block_forward(layout: &Layout, s: &BlockSlots, w: &[f32], i: usize, x: &mut [f32], tape: &mut Tape) {
    let c = &layout.config;
    let (d, eps) = (c.dim, c.layer_norm_eps as f32);
    let n = x.len() / d;
    let images = tape.images;
    let mut branch = std::mem::take(&mut tape.scratch[1]);
    keep_size(&mut branch, n * d);
    let t = &mut tape.blocks[i];
    for buffer in [&mut t.hat1, &mut t.norm1, &mut t.mixed, &mut t.hat2, &mut t.norm2] {
        keep_size(buffer, n * d);
    }
    keep_size(&mut t.std1, n);
    keep_size(&mut t.std2, n);
    keep_size(&mut t.qkv, n * 3 * d);
    keep_size(&mut t.slope, n * c.mlp_dim);
    keep_size(&mut t.active, n * c.mlp_dim);

    let (g, b) = (s.norm1[0].of(w), s.norm1[1].of(w));
    math::layer_norm(x, g, b, eps, &mut t.hat1, &mut t.std1, &mut t.norm1);
    linear(&t.norm1, s.qkv[0].of(w), s.qkv[1].of(w), &mut t.qkv);
    attention(c.tokens(), c.heads, d, &t.qkv, &mut t.probs, &mut t.mixed);
    linear(&t.mixed, s.proj[0].of(w), s.proj[1].of(w), &mut branch);
    add_branch(x, &branch, branch_keep(&tape.keep, 2 * i, images), images);

    let (g, b) = (s.norm2[0].of(w), s.norm2[1].of(w));
    math::layer_norm(x, g, b, eps, &mut t.hat2, &mut t.std2, &mut t.norm2);
    linear(&t.norm2, s.fc1[0].of(w), s.fc1[1].of(w), &mut t.slope);
    math::gelu(&mut t.slope, &mut t.active);
    linear(&t.active, s.fc2[0].of(w), s.fc2[1].of(w), &mut branch);
    add_branch(x, &branch, branch_keep(&tape.keep, 2 * i + 1, images), images);
    t.output.clear();
    t.output.extend_from_slice(x);
    tape.scratch[1] = branch;
}

fn attention(tokens: usize, heads: usize, d: usize, qkv: &[f32], probs: &mut Vec<f32>, mixed: &mut [f32]) {
    let images = mixed.len() / (tokens * d);
    let (width, area) = (d / heads, tokens * tokens);
    let scale = 1.0 / (width as f32).sqrt();
    sized(probs, images * heads * area);
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

/// Adds the gradient of every parameter to `grad`, from the gradients of the outputs of the last [`forward`].
pub fn backward(layout: &Layout, w: &[f32], out: &OutputGradients, tape: &mut Tape, grad: &mut [f32]) {
    let c = &layout.config;
    let (d, tokens, n) = (c.dim, c.tokens(), tape.images);
    let mut dcls = out.cls.clone();
    sized_if_empty(&mut dcls, n * d);
    let (dl, head) = (View::new(&out.logits, layout.classes), layout.head[0].of(w));
    gemm(1.0, dl, View::new(head, d), 1.0, &mut dcls, d);
    gemm(1.0, dl.t(), View::new(&tape.cls, d), 1.0, layout.head[0].of_mut(grad), d);
    math::add_column_sums(&out.logits, layout.head[1].of_mut(grad));

    let mut first = vec![0.0; n * d];
    let gamma = layout.norm[0].of(w);
    norm_backward(&layout.norm, gamma, &dcls, &tape.last_hat, &tape.last_std, &mut first, grad);
    let mut dx = std::mem::take(&mut tape.scratch[0]);
    sized(&mut dx, n * tokens * d);
    for (rows, cls) in dx.chunks_exact_mut(tokens * d).zip(first.chunks_exact(d)) {
        rows[..d].copy_from_slice(cls);
    }
    for (i, slots) in layout.blocks.iter().enumerate().rev() {
        if let Some(extra) = out.hidden.get(i).filter(|h| !h.is_empty()) {
            math::add_scaled(&mut dx, extra, 1.0);
        }
        block_backward(layout, slots, w, i, &mut dx, tape, grad);
    }
    embed_backward(layout, &dx, tape, grad);
    tape.scratch[0] = dx;
}

fn sized_if_empty(buffer: &mut Vec<f32>, len: usize) {
    if buffer.is_empty() {
        buffer.resize(len, 0.0);
    }
}

fn norm_backward(
    slots: &[super::params::Slot; 2],
    gamma: &[f32],
    dy: &[f32],
    hat: &[f32],
    std: &[f32],
    dx: &mut [f32],
    grad: &mut [f32],
) {
    // γ and β of one norm lie side by side in the flat vector.
    let both = &mut grad[slots[0].start..slots[1].start + slots[1].len];
    let (d_gamma, d_beta) = both.split_at_mut(slots[0].len);
    math::layer_norm_backward(dy, gamma, hat, std, dx, d_gamma, d_beta);
}

/// `dW += dYᵀ X`, `db += Σ dY`, and `dX = dY W` where `dx` is wanted.
fn linear_backward(slots: &[super::params::Slot; 2], w: &[f32], x: &[f32], dy: &[f32], dx: &mut [f32], grad: &mut [f32]) {
    let (d_out, d_in) = (slots[0].shape[0], slots[0].shape[1]);
    let dy_view = View::new(dy, d_out);
    gemm(1.0, dy_view.t(), View::new(x, d_in), 1.0, slots[0].of_mut(grad), d_in);
    math::add_column_sums(dy, slots[1].of_mut(grad));
    gemm(1.0, dy_view, View::new(slots[0].of(w), d_in), 0.0, dx, d_in);
}

fn block_backward(layout: &Layout, s: &BlockSlots, w: &[f32], i: usize, dx: &mut [f32], tape: &mut Tape, grad: &mut [f32]) {
    let c = &layout.config;
    let (d, n, images) = (c.dim, dx.len() / c.dim, tape.images);
    let [_, branch, wide, narrow] = &mut tape.scratch;
    let t = &tape.blocks[i];
    keep_size(wide, n * c.mlp_dim.max(3 * d));
    keep_size(narrow, n * d);

    scaled_copy(branch, dx, branch_keep(&tape.keep, 2 * i + 1, images), images);
    let mlp = &mut wide[..n * c.mlp_dim];
    linear_backward(&s.fc2, w, &t.active, branch, mlp, grad);
    math::multiply(mlp, &t.slope);
    linear_backward(&s.fc1, w, &t.norm2, mlp, narrow, grad);
    norm_backward(&s.norm2, s.norm2[0].of(w), narrow, &t.hat2, &t.std2, dx, grad);

    scaled_copy(branch, dx, branch_keep(&tape.keep, 2 * i, images), images);
    linear_backward(&s.proj, w, &t.mixed, branch, narrow, grad);
    let dqkv = &mut wide[..n * 3 * d];
    attention_backward(c.tokens(), c.heads, d, t, narrow, dqkv);
    linear_backward(&s.qkv, w, &t.norm1, dqkv, narrow, grad);
    norm_backward(&s.norm1, s.norm1[0].of(w), narrow, &t.hat1, &t.std1, dx, grad);
}

fn scaled_copy(out: &mut Vec<f32>, x: &[f32], keep: &[f32], images: usize) {
    out.clear();
    out.extend_from_slice(x);
    let size = x.len() / images;
    for (part, scale) in out.chunks_exact_mut(size).zip(keep) {
        part.iter_mut().for_each(|v| *v *= scale);
    }
}

fn attention_backward(tokens: usize, heads: usize, d: usize, t: &BlockTape, dmixed: &[f32], dqkv: &mut [f32]) {
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

fn embed_backward(layout: &Layout, dx: &[f32], tape: &Tape, grad: &mut [f32]) {
    let c = &layout.config;
    let (d, tokens) = (c.dim, c.tokens());
    let width = c.in_channels * c.patch_size * c.patch_size;
    let size = (tokens - 1) * width;
    for (image, rows) in dx.chunks_exact(tokens * d).enumerate() {
        math::add_scaled(layout.pos.of_mut(grad), rows, 1.0);
        math::add_scaled(layout.cls.of_mut(grad), &rows[..d], 1.0);
        math::add_column_sums(&rows[d..], layout.patch[1].of_mut(grad));
        let patches = View::new(&tape.patches[image * size..(image + 1) * size], width);
        let dy = View::new(&rows[d..], d).t();
        gemm(1.0, dy, patches, 1.0, layout.patch[0].of_mut(grad), width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::params::normal;
    use models::config::VitConfig;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn small() -> Layout {
        let config = VitConfig { patch_size: 4, dim: 16, heads: 2, depth: 2, mlp_dim: 24, ..VitConfig::tiny16(8) };
        Layout::new(&config, 3)
    }

    /// A scalar of every output, so that every path carries gradient.
    fn scalar(layout: &Layout, w: &[f32], input: &[f32], keep: &[f32], mix: &OutputGradients, tape: &mut Tape) -> f64 {
        forward(layout, w, input, keep, tape);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        dot(tape.logits(), &mix.logits) + dot(tape.cls(), &mix.cls) + dot(tape.hidden(0), &mix.hidden[0])
    }

    #[test]
    fn the_gradient_is_the_slope_in_every_tensor() {
        let layout = small();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut noise = |n: usize, size: f32| (0..n).map(|_| size * normal(&mut rng)).collect::<Vec<f32>>();
        let mut w = layout.random(1);
        w.iter_mut().zip(noise(layout.len, 0.2)).for_each(|(w, n)| *w += n);
        let input = noise(2 * layout.config.input_len(), 1.0);
        let keep = [1.0, 0.0, 1.2, 1.0, 0.5, 1.0, 1.0, 2.0];
        let mix = OutputGradients { logits: noise(6, 1.0), cls: noise(32, 1.0), hidden: vec![noise(2 * 5 * 16, 0.3), vec![]] };
        let mut tape = Tape::default();
        scalar(&layout, &w, &input, &keep, &mix, &mut tape);
        let mut grad = vec![0.0; layout.len];
        backward(&layout, &w, &mix, &mut tape, &mut grad);
        for slot in layout.slots() {
            let direction = noise(slot.len, 1.0);
            let moved = |step: f32| {
                let mut w = w.clone();
                slot.of_mut(&mut w).iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
                w
            };
            let at = |step: f32, tape: &mut Tape| scalar(&layout, &moved(step), &input, &keep, &mix, tape);
            let step = 2e-3;
            let slope = (at(step, &mut tape) - at(-step, &mut tape)) / (2.0 * f64::from(step));
            let claimed: f64 = slot.of(&grad).iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let size = f64::from(math::norm(slot.of(&grad))) * (slot.len as f64).sqrt() + 1e-2;
            assert!((slope - claimed).abs() < 0.02 * size, "{}: slope {slope}, gradient {claimed}", slot.name);
        }
    }
}
