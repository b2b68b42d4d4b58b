//! The backward pass: gradients of the parameters, or of the input alone.

use super::{UnetLayout, UnetTape, conv, grid, residual::Residual, time};
use crate::train::{block, math};

/// Adds the gradient of every parameter to `grad`, from `dy`, that of the noise of the last [`super::forward`], in its shape.
pub fn backward(layout: &UnetLayout, w: &[f32], dy: &[f32], tape: &mut UnetTape, grad: &mut [f32]) {
    blocks_backward(layout, w, dy, tape, Some(grad));
    let UnetTape { grid, folded, gradient, scratch, .. } = tape;
    conv::backward_parameters(&layout.stem, *grid, folded, gradient, grad, &mut scratch.conv);
}

/// Gradient with respect to the input `x` of the last [`super::forward`], in its shape, from `dy`, that of the noise.
pub fn backward_input(layout: &UnetLayout, w: &[f32], dy: &[f32], tape: &mut UnetTape) -> Vec<f32> {
    blocks_backward(layout, w, dy, tape, None);
    let (c, mut dx) = (&layout.config, Vec::new());
    let UnetTape { grid, gradient, scratch, .. } = tape;
    conv::backward_input(&layout.stem, w, *grid, gradient, &mut scratch.rows, &mut scratch.conv);
    grid::unfold(*grid, c.fold, c.in_channels, &scratch.rows, &mut dx);
    dx
}

/// Leaves the gradient of the first block's input in `tape.gradient`.
fn blocks_backward(layout: &UnetLayout, w: &[f32], dy: &[f32], tape: &mut UnetTape, mut grad: Option<&mut [f32]>) {
    out_backward(layout, w, dy, tape, grad.as_deref_mut());
    let mut dtime = vec![0.0; tape.time.output.len()];
    for index in (0..layout.blocks.len()).rev() {
        let grid = tape.grid.level(layout.level(index));
        let UnetTape { blocks, time, scratch, gradient, .. } = tape;
        let wanted = grad.as_deref_mut().map(|grad| (grad, &mut dtime[..]));
        let block = Residual { slots: &layout.blocks[index], w, grid, time: &time.output };
        block.backward(gradient, &blocks[index], scratch, wanted);
        if index > 0 {
            feed_backward(layout, index, tape);
        }
    }
    if let Some(grad) = grad {
        time::backward(layout, w, &mut dtime, &tape.time, grad);
    }
}

/// Leaves the gradient of the last block's output in `tape.gradient`.
fn out_backward(layout: &UnetLayout, w: &[f32], dy: &[f32], tape: &mut UnetTape, mut grad: Option<&mut [f32]>) {
    let c = &layout.config;
    let UnetTape { grid, out, gradient, scratch, .. } = tape;
    let mut rows = Vec::new();
    grid::fold(*grid, c.fold, c.in_channels, dy, &mut rows);
    if let Some(grad) = grad.as_deref_mut() {
        conv::backward_parameters(&layout.out_conv, *grid, &out.output, &rows, grad, &mut scratch.conv);
    }
    conv::backward_input(&layout.out_conv, w, *grid, &rows, &mut scratch.rows, &mut scratch.conv);
    block::zeros(gradient, scratch.rows.len());
    out.backward(&layout.out_norm, w, &mut scratch.rows, gradient, grad);
}

/// The gradient of the input of block `index` ≥ 1 becomes that of the output of the block before it; what belongs to a block
/// across the U waits in `tape.across`.
fn feed_backward(layout: &UnetLayout, index: usize, tape: &mut UnetTape) {
    let (widths, middle) = (&layout.config.widths, layout.config.levels());
    let (finest, level) = (tape.grid, layout.level(index));
    let rows = &mut tape.scratch.rows;
    if index > middle {
        tape.across.resize_with(middle, Vec::new);
        let pair = layout.joined(level);
        grid::part(pair, &tape.gradient, rows, &mut tape.across[level]);
        if index == middle + 1 {
            std::mem::swap(rows, &mut tape.gradient);
        } else {
            grid::gather(finest.level(level), pair[0], 1.0, rows, &mut tape.gradient);
        }
        return;
    }
    if index < middle {
        grid::spread(finest.level(level - 1), widths[level - 1], 0.25, &tape.gradient, &mut tape.scratch.rows);
        std::mem::swap(&mut tape.scratch.rows, &mut tape.gradient);
    }
    math::add_scaled(&mut tape.gradient, &tape.across[index - 1], 1.0);
}
