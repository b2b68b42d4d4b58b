//! The forward pass.

use models::mae::Mask;

use super::{MaeLayout, MaeTape};
use crate::train::{
    block::{self, BlockTape},
    math, patches,
};

/// Runs `input` (images in CHW, normalised, one after another) through the network; the masks, one for each image, let
/// equally many patches be seen.
pub fn forward(layout: &MaeLayout, w: &[f32], input: &[f32], masks: &[Mask], tape: &mut MaeTape) {
    let c = &layout.config;
    tape.masks = masks.to_vec();
    tape.blocks.resize_with(c.encoder.depth, BlockTape::default);
    tape.decoder_blocks.resize_with(c.decoder_depth, BlockTape::default);
    see(layout, w, input, tape);
    let sizes = layout.encoder_sizes(1 + visible(masks));
    for (slots, block) in layout.blocks.iter().zip(&mut tape.blocks) {
        block::forward(sizes, slots, w, [&[], &[]], &mut tape.tokens, block, &mut tape.scratch);
    }
    block::norm(&layout.norm, w, layout.eps(), &tape.tokens, &mut tape.last);
    lay_out(layout, w, tape);
    for (slots, block) in layout.decoder_blocks.iter().zip(&mut tape.decoder_blocks) {
        block::forward(layout.decoder_sizes(), slots, w, [&[], &[]], &mut tape.decoder, block, &mut tape.scratch);
    }
    let mut rows = Vec::new();
    each_masked(c.decoder_dim, c.encoder.tokens(), masks, |place| rows.extend_from_slice(&tape.decoder[place]));
    block::norm(&layout.decoder_norm, w, layout.eps(), &rows, &mut tape.decoder_last);
    block::keep_size(&mut tape.predictions, rows.len() / c.decoder_dim * c.encoder.patch_len());
    block::linear(&layout.predict, w, &tape.decoder_last.output, &mut tape.predictions);
}

/// Patches that the encoder sees of each image.
pub(super) fn visible(masks: &[Mask]) -> usize {
    masks.first().map_or(0, |mask| mask.visible.len())
}

/// Calls `visit` with the place of each masked token in rows of `width`, image by image.
pub(super) fn each_masked(width: usize, tokens: usize, masks: &[Mask], mut visit: impl FnMut(std::ops::Range<usize>)) {
    for (image, mask) in masks.iter().enumerate() {
        for patch in &mask.masked {
            let row = image * tokens + 1 + patch;
            visit(row * width..(row + 1) * width);
        }
    }
}

/// Calls `visit` with the place of the CLS token and of each visible one, image by image.
pub(super) fn each_seen(width: usize, tokens: usize, masks: &[Mask], mut visit: impl FnMut(std::ops::Range<usize>)) {
    for (image, mask) in masks.iter().enumerate() {
        for token in std::iter::once(0).chain(mask.visible.iter().map(|patch| patch + 1)) {
            let row = image * tokens + token;
            visit(row * width..(row + 1) * width);
        }
    }
}

/// Writes the visible patches to tape.seen and CLS + positions + embedded visible patches to tape.tokens.
fn see(layout: &MaeLayout, w: &[f32], input: &[f32], tape: &mut MaeTape) {
    let c = &layout.config.encoder;
    let (d, width, patches) = (c.dim, c.patch_len(), c.tokens() - 1);
    patches::cut(c, input, &mut tape.patches);
    tape.seen.clear();
    for (image, mask) in tape.masks.iter().enumerate() {
        for patch in &mask.visible {
            let row = image * patches + patch;
            tape.seen.extend_from_slice(&tape.patches[row * width..(row + 1) * width]);
        }
    }
    let mut embedded = vec![0.0; tape.seen.len() / width * d];
    block::linear(&layout.patch, w, &tape.seen, &mut embedded);
    let (pos, cls) = (layout.pos.of(w), layout.cls.of(w));
    tape.tokens.clear();
    let mut rows = embedded.chunks_exact(d);
    for mask in &tape.masks {
        tape.tokens.extend(cls.iter().zip(pos).map(|(a, b)| a + b));
        for (patch, row) in mask.visible.iter().zip(rows.by_ref()) {
            let pos = &pos[(1 + patch) * d..(2 + patch) * d];
            tape.tokens.extend(row.iter().zip(pos).map(|(a, b)| a + b));
        }
    }
}

/// Writes the decoder's tokens to tape.decoder: what was seen at its places, the mask token elsewhere, plus positions.
fn lay_out(layout: &MaeLayout, w: &[f32], tape: &mut MaeTape) {
    let (c, d) = (&layout.config.encoder, layout.config.decoder_dim);
    let seen = &tape.last.output;
    let mut embedded = vec![0.0; seen.len() / c.dim * d];
    block::linear(&layout.embed, w, seen, &mut embedded);
    let (pos, mask_token) = (layout.decoder_pos.of(w), layout.mask_token.of(w));
    tape.decoder.clear();
    tape.masks.iter().for_each(|_| tape.decoder.extend_from_slice(pos));
    let decoder = &mut tape.decoder;
    let mut rows = embedded.chunks_exact(d);
    each_seen(d, c.tokens(), &tape.masks, |place| {
        let row = rows.next().unwrap_or_default();
        math::add_scaled(&mut decoder[place], row, 1.0);
    });
    each_masked(d, c.tokens(), &tape.masks, |place| math::add_scaled(&mut decoder[place], mask_token, 1.0));
}
