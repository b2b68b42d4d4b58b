//! Convolutions with 3×3 or 1×1 kernels over a padded grid, forward and backward.

use super::{
    grid::Grid,
    product::{Left, Panels, add_product},
};
use crate::train::{math, params::Slot};

/// Places that the gradient of a kernel sums up at once: they and their rows stay in the second-level cache.
const STRETCH: usize = 1024;

/// Memory that the convolutions of a network share.
#[derive(Default)]
pub struct ConvScratch {
    panels: Panels,
    kernel: Vec<f32>,
}

/// A convolution's sizes: weight [outputs, inputs, side, side].
#[derive(Clone, Copy)]
struct Shape {
    outputs: usize,
    inputs: usize,
    side: usize,
}

impl Shape {
    fn of(slots: &[Slot; 2]) -> Self {
        let shape = &slots[0].shape;
        Self { outputs: shape[0], inputs: shape[1], side: shape[2] }
    }

    /// Where the window of the pixel at `place` begins in the line `dy` of its kernel.
    fn window(self, grid: Grid, place: usize, dy: usize) -> usize {
        let reach = self.side / 2;
        place + dy * grid.pitch() - reach * (grid.pitch() + 1)
    }
}

/// `y` [places, outputs] from `x` [places, inputs], whose empty places are zero; those of `y` are too.
pub fn forward(slots: &[Slot; 2], w: &[f32], grid: Grid, x: &[f32], y: &mut Vec<f32>, scratch: &mut ConvScratch) {
    let shape @ Shape { outputs, inputs, side } = Shape::of(slots);
    y.resize(grid.places() * outputs, 0.0);
    y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(slots[1].of(w)));
    let span = grid.span();
    for dy in 0..side {
        let start = |k: usize| (k % inputs * side + dy) * side + k / inputs;
        scratch.panels.pack(slots[0].of(w), [side * inputs, outputs], inputs * side * side, start);
        let left = Left { data: x, start: shape.window(grid, span.start, dy) * inputs, step: inputs, upright: true };
        add_product(left, &scratch.panels, &mut y[span.start * outputs..span.end * outputs]);
    }
    grid.clear(y, outputs);
}

/// `dx` becomes the gradient of the input, from `dy`, that of the output, whose empty places are zero.
pub fn backward_input(slots: &[Slot; 2], w: &[f32], grid: Grid, dy: &[f32], dx: &mut Vec<f32>, scratch: &mut ConvScratch) {
    let shape @ Shape { outputs, inputs, side } = Shape::of(slots);
    dx.clear();
    dx.resize(grid.places() * inputs, 0.0);
    let span = grid.span();
    for line in 0..side {
        // The kernel turned by half a turn, outputs and inputs exchanged.
        let start = |k: usize| (k % outputs * inputs * side + side - 1 - line) * side + side - 1 - k / outputs;
        scratch.panels.pack(slots[0].of(w), [side * outputs, inputs], side * side, start);
        let left = Left { data: dy, start: shape.window(grid, span.start, line) * outputs, step: outputs, upright: true };
        add_product(left, &scratch.panels, &mut dx[span.start * inputs..span.end * inputs]);
    }
    grid.clear(dx, inputs);
}

/// Adds the gradients of kernel and bias to `grad`.
pub fn backward_parameters(slots: &[Slot; 2], grid: Grid, x: &[f32], dy: &[f32], grad: &mut [f32], scratch: &mut ConvScratch) {
    let shape @ Shape { outputs, inputs, side } = Shape::of(slots);
    math::add_column_sums(dy, slots[1].of_mut(grad));
    let line = side * inputs * outputs;
    scratch.kernel.clear();
    scratch.kernel.resize(side * line, 0.0);
    for first in grid.span().step_by(STRETCH) {
        let depth = STRETCH.min(grid.span().end - first);
        scratch.panels.pack(dy, [depth, outputs], 1, |k| (first + k) * outputs);
        for (dy, kernel) in scratch.kernel.chunks_exact_mut(line).enumerate() {
            let left = Left { data: x, start: shape.window(grid, first, dy) * inputs, step: inputs, upright: false };
            add_product(left, &scratch.panels, kernel);
        }
    }
    let weight = slots[0].of_mut(grad);
    for (k, row) in scratch.kernel.chunks_exact(outputs).enumerate() {
        let (tap, input) = (k / inputs, k % inputs);
        let cells = weight[input * side * side + tap..].iter_mut().step_by(inputs * side * side);
        cells.zip(row).for_each(|(cell, sum)| *cell += sum);
    }
}
