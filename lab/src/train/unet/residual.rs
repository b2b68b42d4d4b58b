//! One residual block, forward and backward.

use std::ops::Range;

use super::{
    conv::{self, ConvScratch},
    grid::Grid,
    layout::ResidualSlots,
};
use crate::train::{
    block::{self, NormTape},
    math,
    params::Slot,
};

/// Epsilon of every norm.
const EPS: f32 = 1e-6;

/// A norm, the GELU after it, and what they keep.
#[derive(Default)]
pub struct Activation {
    /// Its `output` holds the slope of the GELU.
    norm: NormTape,
    /// Rows after both; empty places are zero.
    pub output: Vec<f32>,
}

impl Activation {
    /// Runs rows through norm and GELU.
    pub fn forward(&mut self, slots: &[Slot; 2], w: &[f32], grid: Grid, x: &[f32]) {
        block::norm(slots, w, EPS, x, &mut self.norm);
        block::keep_size(&mut self.output, x.len());
        math::gelu(&mut self.norm.output, &mut self.output);
        grid.clear(&mut self.output, slots[0].len);
    }

    /// Adds to `dx` the gradient of the rows before, from `dy`, that of the output, which is overwritten.
    pub fn backward(&self, slots: &[Slot; 2], w: &[f32], dy: &mut [f32], dx: &mut [f32], grad: Option<&mut [f32]>) {
        math::multiply(dy, &self.norm.output);
        block::norm_backward(slots, w, dy, &self.norm, dx, grad);
    }
}

/// What the forward pass of one block keeps.
#[derive(Default)]
pub struct ResidualTape {
    /// Rows before the block; the caller writes them.
    pub input: Vec<f32>,
    first: Activation,
    second: Activation,
    /// Rows after the block.
    pub output: Vec<f32>,
}

/// Memory that the blocks share.
#[derive(Default)]
pub struct Scratch {
    /// Of the convolutions.
    pub conv: ConvScratch,
    /// A gradient or a branch.
    pub rows: Vec<f32>,
    branch: Vec<f32>,
}

/// A block at work: its place among the weights, the images that it sees and their embedded levels.
#[derive(Clone, Copy)]
pub struct Residual<'a> {
    /// Place of the weights.
    pub slots: &'a ResidualSlots,
    /// All weights.
    pub w: &'a [f32],
    /// Places of the images.
    pub grid: Grid,
    /// Embedded levels [images, E].
    pub time: &'a [f32],
}

impl Residual<'_> {
    /// Runs `tape.input` through the block to `tape.output`.
    pub fn forward(&self, tape: &mut ResidualTape, scratch: &mut Scratch) {
        let Self { slots: s, w, grid, time } = *self;
        let (outputs, h) = (self.outputs(), &mut scratch.rows);
        tape.first.forward(&s.norm1, w, grid, &tape.input);
        conv::forward(&s.conv1, w, grid, &tape.first.output, h, &mut scratch.conv);
        let mut shifts = vec![0.0; grid.images * outputs];
        block::linear(&s.time, w, time, &mut shifts);
        for (image, shift) in shifts.chunks_exact(outputs).enumerate() {
            math::add_bias(&mut h[self.rows(image)], shift);
        }
        tape.second.forward(&s.norm2, w, grid, h);
        conv::forward(&s.conv2, w, grid, &tape.second.output, &mut tape.output, &mut scratch.conv);
        let kept = match &s.skip {
            Some(skip) => {
                conv::forward(skip, w, grid, &tape.input, h, &mut scratch.conv);
                h
            }
            None => &tape.input,
        };
        math::add_scaled(&mut tape.output, kept, 1.0);
    }

    /// `d`, the gradient of the block's output, becomes that of its input. Parameters' gradients are added to the first of
    /// `wanted` and the gradient of the embedded levels to the second, where they are wanted.
    pub fn backward(
        &self,
        d: &mut Vec<f32>,
        tape: &ResidualTape,
        scratch: &mut Scratch,
        mut wanted: Option<(&mut [f32], &mut [f32])>,
    ) {
        let Self { slots: s, w, grid, .. } = *self;
        let Scratch { conv, rows, branch } = scratch;
        if let Some((grad, _)) = &mut wanted {
            conv::backward_parameters(&s.conv2, grid, &tape.second.output, d, grad, conv);
        }
        conv::backward_input(&s.conv2, w, grid, d, rows, conv);
        block::zeros(branch, rows.len());
        tape.second.backward(&s.norm2, w, rows, branch, wanted.as_mut().map(|(grad, _)| &mut **grad));
        if let Some((grad, dtime)) = &mut wanted {
            self.time_backward(branch, grad, dtime);
            conv::backward_parameters(&s.conv1, grid, &tape.first.output, branch, grad, conv);
        }
        conv::backward_input(&s.conv1, w, grid, branch, rows, conv);
        if let Some(skip) = &s.skip {
            if let Some((grad, _)) = &mut wanted {
                conv::backward_parameters(skip, grid, &tape.input, d, grad, conv);
            }
            conv::backward_input(skip, w, grid, d, branch, conv);
            std::mem::swap(d, branch);
        }
        tape.first.backward(&s.norm1, w, rows, d, wanted.map(|(grad, _)| grad));
    }

    /// The part of the embedded levels; `dh` is the gradient of the rows that each image's shift is added to.
    fn time_backward(&self, dh: &[f32], grad: &mut [f32], dtime: &mut [f32]) {
        let mut shifts = vec![0.0; self.grid.images * self.outputs()];
        for (image, shift) in shifts.chunks_exact_mut(self.outputs()).enumerate() {
            math::add_column_sums(&dh[self.rows(image)], shift);
        }
        let mut own = vec![0.0; dtime.len()];
        block::linear_backward(&self.slots.time, self.w, self.time, &shifts, &mut own, Some(grad));
        math::add_scaled(dtime, &own, 1.0);
    }

    fn outputs(&self) -> usize {
        self.slots.time[0].shape[0]
    }

    /// The values of an image after the first convolution.
    fn rows(&self, image: usize) -> Range<usize> {
        let places = self.grid.image(image);
        places.start * self.outputs()..places.end * self.outputs()
    }
}
