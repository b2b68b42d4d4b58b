//! The backward pass: gradients of the parameters, or of the input alone.

use super::{OutputGradients, Tape, sizes};
use crate::train::{
    block,
    math::{self, View, gemm},
    params::Layout,
    patches,
};

/// Adds the gradient of every parameter to `grad`, from the gradients of the outputs of the last [`super::forward`].
pub fn backward(layout: &Layout, w: &[f32], out: &OutputGradients, tape: &mut Tape, grad: &mut [f32]) {
    blocks_backward(layout, w, out, tape, Some(grad));
    embed_backward(layout, tape, grad);
}

/// Gradient of the loss with respect to the normalised input of the last [`super::forward`], in its shape (CHW images, one
/// after another). No parameter's gradient is computed, which saves a third of the work.
pub fn backward_input(layout: &Layout, w: &[f32], out: &OutputGradients, tape: &mut Tape) -> Vec<f32> {
    blocks_backward(layout, w, out, tape, None);
    let c = &layout.config;
    let (d, tokens, width) = (c.dim, c.tokens(), c.patch_len());
    let weight = View::new(layout.patch[0].of(w), width);
    let mut rows = vec![0.0; tape.images * c.input_len()];
    for (dx, rows) in tape.tokens.chunks_exact(tokens * d).zip(rows.chunks_exact_mut(c.input_len())) {
        gemm(1.0, View::new(&dx[d..], d), weight, 0.0, rows, width);
    }
    patches::join(c, &rows)
}

/// Leaves the gradient of the embedded tokens in `tape.tokens`.
fn blocks_backward(layout: &Layout, w: &[f32], out: &OutputGradients, tape: &mut Tape, mut grad: Option<&mut [f32]>) {
    let c = &layout.config;
    let (d, tokens, n) = (c.dim, c.tokens(), tape.images);
    let mut dcls = vec![0.0; n * d];
    block::linear_backward(&layout.head, w, &tape.last.output, &out.logits, &mut dcls, grad.as_deref_mut());
    math::add_scaled(&mut dcls, &out.cls, 1.0);
    let mut first = vec![0.0; n * d];
    block::norm_backward(&layout.norm, w, &dcls, &tape.last, &mut first, grad.as_deref_mut());
    let dx = &mut tape.tokens;
    block::zeros(dx, n * tokens * d);
    for (rows, cls) in dx.chunks_exact_mut(tokens * d).zip(first.chunks_exact(d)) {
        rows[..d].copy_from_slice(cls);
    }
    for (i, (slots, t)) in layout.blocks.iter().zip(&tape.blocks).enumerate().rev() {
        if let Some(extra) = out.hidden.get(i).filter(|h| !h.is_empty()) {
            math::add_scaled(dx, extra, 1.0);
        }
        block::backward(sizes(layout), slots, w, dx, t, &mut tape.scratch, grad.as_deref_mut());
    }
}

fn embed_backward(layout: &Layout, tape: &Tape, grad: &mut [f32]) {
    let c = &layout.config;
    let (d, tokens, width) = (c.dim, c.tokens(), c.patch_len());
    let size = (tokens - 1) * width;
    for (rows, patches) in tape.tokens.chunks_exact(tokens * d).zip(tape.patches.chunks_exact(size)) {
        math::add_scaled(layout.pos.of_mut(grad), rows, 1.0);
        math::add_scaled(layout.cls.of_mut(grad), &rows[..d], 1.0);
        math::add_column_sums(&rows[d..], layout.patch[1].of_mut(grad));
        let dy = View::new(&rows[d..], d).t();
        gemm(1.0, dy, View::new(patches, width), 1.0, layout.patch[0].of_mut(grad), width);
    }
}
