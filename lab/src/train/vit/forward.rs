//! The forward pass.

use super::{Tape, sizes};
use crate::train::{
    block::{self, BlockTape},
    math::{self, View, gemm},
    params::Layout,
    patches,
};

/// Runs `input` (images in CHW, normalised, one after another) through the network.
///
/// `keep` is either empty or the residual scales of stochastic depth, [depth × 2, images]; 0 drops a branch.
pub fn forward(layout: &Layout, w: &[f32], input: &[f32], keep: &[f32], tape: &mut Tape) {
    let c = &layout.config;
    let size = c.tokens() * c.dim;
    tape.images = input.len() / c.input_len();
    let n = tape.images;
    tape.blocks.resize_with(c.depth, BlockTape::default);
    embed(layout, w, input, tape);
    for (i, (slots, block)) in layout.blocks.iter().zip(&mut tape.blocks).enumerate() {
        let branch = |b: usize| if keep.is_empty() { keep } else { &keep[b * n..(b + 1) * n] };
        let keep = [branch(2 * i), branch(2 * i + 1)];
        block::forward(sizes(layout), slots, w, keep, &mut tape.tokens, block, &mut tape.scratch);
    }
    let first: Vec<f32> = tape.tokens.chunks_exact(size).flat_map(|image| image[..c.dim].iter().copied()).collect();
    block::norm(&layout.norm, w, c.layer_norm_eps as f32, &first, &mut tape.last);
    block::zeros(&mut tape.logits, n * layout.classes);
    block::linear(&layout.head, w, &tape.last.output, &mut tape.logits);
}

/// Cuts the images into patches (tape.patches) and writes CLS + positions + embedded patches to tape.tokens.
fn embed(layout: &Layout, w: &[f32], input: &[f32], tape: &mut Tape) {
    let c = &layout.config;
    let (d, tokens, width) = (c.dim, c.tokens(), c.patch_len());
    patches::cut(c, input, &mut tape.patches);
    block::keep_size(&mut tape.tokens, tape.images * tokens * d);
    let weight = View::new(layout.patch[0].of(w), width).t();
    let (pos, cls, bias) = (layout.pos.of(w), layout.cls.of(w), layout.patch[1].of(w));
    let size = (tokens - 1) * width;
    for (rows, patches) in tape.tokens.chunks_exact_mut(tokens * d).zip(tape.patches.chunks_exact(size)) {
        rows.copy_from_slice(pos);
        math::add_scaled(&mut rows[..d], cls, 1.0);
        math::add_bias(&mut rows[d..], bias);
        gemm(1.0, View::new(patches, width), weight, 1.0, &mut rows[d..], d);
    }
}
