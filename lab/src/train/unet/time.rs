//! The embedding of the noise level.

use super::UnetLayout;
use crate::train::{block, math};

/// What the forward pass keeps.
#[derive(Default)]
pub struct TimeTape {
    waves: Vec<f32>,
    slopes: [Vec<f32>; 2],
    hidden: Vec<f32>,
    /// The embedding [images, E].
    pub output: Vec<f32>,
}

/// Embeds the level of each image.
pub fn forward(layout: &UnetLayout, w: &[f32], t: &[u16], tape: &mut TimeTape) {
    let half = layout.config.time_dim / 2;
    let len = t.len() * 2 * half;
    let angle = |t: u16, i: usize| f32::from(t) * 10_000f32.powf(-(i as f32) / half as f32);
    tape.waves.clear();
    for t in t {
        tape.waves.extend((0..half).map(|i| angle(*t, i).cos()));
        tape.waves.extend((0..half).map(|i| angle(*t, i).sin()));
    }
    for buffer in tape.slopes.iter_mut().chain([&mut tape.hidden, &mut tape.output]) {
        block::keep_size(buffer, len);
    }
    block::linear(&layout.time[0], w, &tape.waves, &mut tape.slopes[0]);
    math::gelu(&mut tape.slopes[0], &mut tape.hidden);
    block::linear(&layout.time[1], w, &tape.hidden, &mut tape.slopes[1]);
    math::gelu(&mut tape.slopes[1], &mut tape.output);
}

/// Adds the parameters' gradients to `grad`, from `d`, that of the embedding, which is overwritten.
pub fn backward(layout: &UnetLayout, w: &[f32], d: &mut [f32], tape: &TimeTape, grad: &mut [f32]) {
    let mut hidden = vec![0.0; d.len()];
    math::multiply(d, &tape.slopes[1]);
    block::linear_backward(&layout.time[1], w, &tape.hidden, d, &mut hidden, Some(grad));
    math::multiply(&mut hidden, &tape.slopes[0]);
    block::linear_backward(&layout.time[0], w, &tape.waves, &hidden, d, Some(grad));
}
