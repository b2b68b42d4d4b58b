//! The backward pass: gradients of the parameters, or of the input alone.

use super::{
    MaeLayout, MaeTape,
    forward::{each_masked, each_seen, visible},
};
use crate::train::{
    block,
    math::{self, View, gemm},
    patches,
};

/// Adds the gradient of every parameter to `grad`, from `dy`, that of the predictions of the last [`super::forward`].
pub fn backward(layout: &MaeLayout, w: &[f32], dy: &[f32], tape: &mut MaeTape, grad: &mut [f32]) {
    blocks_backward(layout, w, dy, tape, Some(grad));
    let (d, width) = (layout.config.encoder.dim, layout.config.encoder.patch_len());
    let dx = &tape.tokens;
    let places = tape.masks.iter().flat_map(|mask| std::iter::once(0).chain(mask.visible.iter().map(|patch| patch + 1)));
    let mut embedded = Vec::with_capacity(dx.len());
    for (row, token) in dx.chunks_exact(d).zip(places) {
        math::add_scaled(&mut layout.pos.of_mut(grad)[token * d..(token + 1) * d], row, 1.0);
        if token == 0 {
            math::add_scaled(layout.cls.of_mut(grad), row, 1.0);
        } else {
            embedded.extend_from_slice(row);
        }
    }
    math::add_column_sums(&embedded, layout.patch[1].of_mut(grad));
    let (dy, seen) = (View::new(&embedded, d).t(), View::new(&tape.seen, width));
    gemm(1.0, dy, seen, 1.0, layout.patch[0].of_mut(grad), width);
}

/// Gradient of a function of the predictions with respect to the normalised input of the last [`super::forward`], in its
/// shape, from `dy`, the function's gradient with respect to the predictions.
///
/// It flows through the visible patches and is zero in the masked ones. Where the function compares with targets that are
/// made of the input too, the caller adds their part.
pub fn backward_input(layout: &MaeLayout, w: &[f32], dy: &[f32], tape: &mut MaeTape) -> Vec<f32> {
    blocks_backward(layout, w, dy, tape, None);
    let c = &layout.config.encoder;
    let (d, width, per_image) = (c.dim, c.patch_len(), c.tokens() - 1);
    let mut rows = vec![0.0; tape.patches.len()];
    let weight = View::new(layout.patch[0].of(w), width);
    let size = (1 + visible(&tape.masks)) * d;
    for ((image, mask), dx) in tape.masks.iter().enumerate().zip(tape.tokens.chunks_exact(size)) {
        let mut seen = vec![0.0; mask.visible.len() * width];
        gemm(1.0, View::new(&dx[d..], d), weight, 0.0, &mut seen, width);
        for (patch, row) in mask.visible.iter().zip(seen.chunks_exact(width)) {
            let at = image * per_image + patch;
            rows[at * width..(at + 1) * width].copy_from_slice(row);
        }
    }
    patches::join(c, &rows)
}

/// Leaves the gradient of the embedded tokens in `tape.tokens`.
fn blocks_backward(layout: &MaeLayout, w: &[f32], dy: &[f32], tape: &mut MaeTape, mut grad: Option<&mut [f32]>) {
    decoder_backward(layout, w, dy, tape, grad.as_deref_mut());
    let (c, d) = (&layout.config.encoder, layout.config.decoder_dim);
    let mut embedded = Vec::with_capacity(tape.last.output.len() / c.dim * d);
    each_seen(d, c.tokens(), &tape.masks, |place| embedded.extend_from_slice(&tape.decoder[place]));
    let mut last = vec![0.0; tape.last.output.len()];
    block::linear_backward(&layout.embed, w, &tape.last.output, &embedded, &mut last, grad.as_deref_mut());
    block::zeros(&mut tape.tokens, last.len());
    block::norm_backward(&layout.norm, w, &last, &tape.last, &mut tape.tokens, grad.as_deref_mut());
    let sizes = layout.encoder_sizes(1 + visible(&tape.masks));
    for (slots, t) in layout.blocks.iter().zip(&tape.blocks).rev() {
        block::backward(sizes, slots, w, &mut tape.tokens, t, &mut tape.scratch, grad.as_deref_mut());
    }
}

/// Leaves the gradient of the decoder's first tokens in `tape.decoder`.
fn decoder_backward(layout: &MaeLayout, w: &[f32], dy: &[f32], tape: &mut MaeTape, mut grad: Option<&mut [f32]>) {
    let (tokens, d) = (layout.config.encoder.tokens(), layout.config.decoder_dim);
    let mut last = vec![0.0; tape.decoder_last.output.len()];
    block::linear_backward(&layout.predict, w, &tape.decoder_last.output, dy, &mut last, grad.as_deref_mut());
    let mut rows = vec![0.0; last.len()];
    block::norm_backward(&layout.decoder_norm, w, &last, &tape.decoder_last, &mut rows, grad.as_deref_mut());
    let dx = &mut tape.decoder;
    block::zeros(dx, tape.masks.len() * tokens * d);
    let mut next = rows.chunks_exact(d);
    each_masked(d, tokens, &tape.masks, |place| dx[place].copy_from_slice(next.next().unwrap_or_default()));
    for (slots, t) in layout.decoder_blocks.iter().zip(&tape.decoder_blocks).rev() {
        block::backward(layout.decoder_sizes(), slots, w, dx, t, &mut tape.scratch, grad.as_deref_mut());
    }
    if let Some(grad) = grad {
        for image in dx.chunks_exact(tokens * d) {
            math::add_scaled(layout.decoder_pos.of_mut(grad), image, 1.0);
        }
        let mask_token = layout.mask_token.of_mut(grad);
        each_masked(d, tokens, &tape.masks, |place| math::add_scaled(mask_token, &dx[place], 1.0));
    }
}
