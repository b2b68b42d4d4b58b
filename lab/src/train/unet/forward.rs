//! The forward pass.

use super::{
    UnetLayout, UnetTape, conv,
    grid::{self, Grid},
    residual::{Residual, ResidualTape},
    time,
};

/// Tells the noise in `x`: CHW images of `side` [height, width] in diffusion units, one after another, each at its level of
/// `t`. Leaves it in [`UnetTape::noise`].
///
/// # Panics
/// Where a side is no multiple of [`models::unet::UnetConfig::multiple`].
pub fn forward(layout: &UnetLayout, w: &[f32], x: &[f32], side: [usize; 2], t: &[u16], tape: &mut UnetTape) {
    let c = &layout.config;
    assert!(side.iter().all(|side| side.is_multiple_of(c.multiple())), "{side:?} pixels do not halve evenly");
    tape.grid = Grid { images: t.len(), height: side[0] / c.fold, width: side[1] / c.fold };
    tape.blocks.resize_with(layout.blocks.len(), ResidualTape::default);
    time::forward(layout, w, t, &mut tape.time);
    grid::fold(tape.grid, c.fold, c.in_channels, x, &mut tape.folded);
    let first = &mut tape.blocks[0].input;
    conv::forward(&layout.stem, w, tape.grid, &tape.folded, first, &mut tape.scratch.conv);
    for index in 0..layout.blocks.len() {
        if index > 0 {
            feed(layout, index, tape);
        }
        let (slots, grid) = (&layout.blocks[index], tape.grid.level(layout.level(index)));
        let block = Residual { slots, w, grid, time: &tape.time.output };
        block.forward(&mut tape.blocks[index], &mut tape.scratch);
    }
    let last = tape.blocks.last().map_or(&[][..], |block| &block.output);
    tape.out.forward(&layout.out_norm, w, tape.grid, last);
    let rows = &mut tape.scratch.rows;
    conv::forward(&layout.out_conv, w, tape.grid, &tape.out.output, rows, &mut tape.scratch.conv);
    grid::unfold(tape.grid, c.fold, c.in_channels, rows, &mut tape.noise);
}

/// Writes the input of block `index` ≥ 1 from the outputs of those before it.
fn feed(layout: &UnetLayout, index: usize, tape: &mut UnetTape) {
    let (widths, middle) = (&layout.config.widths, layout.config.levels());
    let (finest, level) = (tape.grid, layout.level(index));
    let (before, rest) = tape.blocks.split_at_mut(index);
    let (h, input) = (&before[index - 1].output, &mut rest[0].input);
    if index < middle {
        grid::gather(finest.level(level - 1), widths[level - 1], 0.25, h, input);
    } else if index == middle {
        input.clone_from(h);
    } else {
        let (beside, spread) = (&before[level].output, &mut tape.scratch.rows);
        let pair = layout.joined(level);
        if index == middle + 1 {
            grid::join(pair, h, beside, input);
        } else {
            grid::spread(finest.level(level), pair[0], 1.0, h, spread);
            grid::join(pair, spread, beside, input);
        }
    }
}
