//! The residual blocks of the network.

use super::planes::{Conv, Planes};
use crate::vit::cpu::{Linear, Norm, Output, Rows};

/// A residual block that knows the noise level: `conv2(gelu(norm2(conv1(gelu(norm1(x))) + time))) + skip(x)`.
pub(super) struct Block {
    pub(super) norm1: Norm,
    pub(super) conv1: Conv,
    pub(super) time: Linear,
    pub(super) norm2: Norm,
    pub(super) conv2: Conv,
    /// Where the number of channels changes.
    pub(super) skip: Option<Linear>,
}

impl Block {
    /// `time` `[images, time_dim]` is the embedding of each image's noise level.
    pub(super) fn run(&self, x: &Planes, time: &[f32]) -> Planes {
        let mut inner = self.conv1.apply(&x.activated(&self.norm1));
        self.add_time(&mut inner, time);
        let mut out = self.conv2.apply(&inner.activated(&self.norm2));
        match &self.skip {
            Some(skip) => skip.add(x.rows(), Output { data: &mut out.data, stride: out.channels }),
            None => out.data.iter_mut().zip(&x.data).for_each(|(value, x)| *value += x),
        }
        out
    }

    fn add_time(&self, values: &mut Planes, time: &[f32]) {
        let (images, channels, image_len) = (values.images, values.channels, values.image_len());
        let mut shifts = vec![0.0; images * channels];
        let rows = Rows { data: time, stride: time.len() / images, count: images };
        self.time.apply(rows, Output { data: &mut shifts, stride: channels });
        for (image, shift) in values.data.chunks_exact_mut(image_len).zip(shifts.chunks_exact(channels)) {
            for pixel in image.chunks_exact_mut(channels) {
                pixel.iter_mut().zip(shift).for_each(|(value, shift)| *value += shift);
            }
        }
    }
}
