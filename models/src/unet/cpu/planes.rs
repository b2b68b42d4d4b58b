//! Images on their way through the network, channels innermost.

use crate::vit::cpu::{Linear, Norm, Output, Rows, math::gelu};

/// Values of a band of gathered surroundings: they stay in the second cache.
const BAND: usize = 1 << 16;
/// A band has a multiple of so many pixels, so that the product's blocks of rows come out even.
const BAND_ROWS: usize = 12;

/// Images of one size `[images, height, width, channels]`.
#[derive(Clone)]
pub(super) struct Planes {
    pub(super) images: usize,
    pub(super) side: [usize; 2],
    pub(super) channels: usize,
    pub(super) data: Vec<f32>,
}

impl Planes {
    pub(super) fn zeros(images: usize, side: [usize; 2], channels: usize) -> Self {
        Self { images, side, channels, data: vec![0.0; images * side[0] * side[1] * channels] }
    }

    /// Values of one image.
    pub(super) const fn image_len(&self) -> usize {
        self.side[0] * self.side[1] * self.channels
    }

    /// One row a pixel.
    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { data: &self.data, stride: self.channels, count: self.data.len() / self.channels }
    }

    /// `gelu(norm(x))`.
    pub(super) fn activated(&self, norm: &Norm) -> Self {
        let mut out = Self::zeros(self.images, self.side, self.channels);
        norm.apply(&self.data, &mut out.data);
        gelu(&mut out.data);
        out
    }

    /// The channels of `self`, then those of `other`.
    pub(super) fn beside(&self, other: &Self) -> Self {
        let channels = self.channels + other.channels;
        let pixels = self.data.chunks_exact(self.channels).zip(other.data.chunks_exact(other.channels));
        let mut data = Vec::with_capacity(self.data.len() + other.data.len());
        pixels.for_each(|(first, second)| {
            data.extend_from_slice(first);
            data.extend_from_slice(second);
        });
        Self { images: self.images, side: self.side, channels, data }
    }

    /// Half the side: the mean of each 2 x 2 pixels.
    pub(super) fn halved(&self) -> Self {
        let [height, width] = self.side.map(|side| side / 2);
        let line = 2 * width * self.channels;
        let mut data = Vec::with_capacity(self.data.len() / 4);
        for lines in self.data.chunks_exact(2 * line) {
            let (above, below) = lines.split_at(line);
            let pairs = above.chunks_exact(2 * self.channels).zip(below.chunks_exact(2 * self.channels));
            for (above, below) in pairs {
                let ((a, b), (c, d)) = (above.split_at(self.channels), below.split_at(self.channels));
                data.extend((0..self.channels).map(|i| ((a[i] + b[i]) + (c[i] + d[i])) * 0.25));
            }
        }
        Self { images: self.images, side: [height, width], channels: self.channels, data }
    }

    /// Twice the side: each pixel four times.
    pub(super) fn doubled(&self) -> Self {
        let mut data = Vec::with_capacity(self.data.len() * 4);
        for line in self.data.chunks_exact(self.side[1] * self.channels) {
            let start = data.len();
            line.chunks_exact(self.channels).for_each(|pixel| (0..2).for_each(|_| data.extend_from_slice(pixel)));
            data.extend_from_within(start..);
        }
        Self { images: self.images, side: self.side.map(|side| 2 * side), channels: self.channels, data }
    }
}

/// A 3 x 3 convolution, zeros around the image: a linear layer of each pixel's surroundings. To gather them takes a twentieth of the
/// product's time.
pub(super) struct Conv {
    /// Weights `[outputs, 3, 3, inputs]`.
    pub(super) linear: Linear,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Conv {
    pub(super) fn apply(&self, input: &Planes) -> Planes {
        let mut out = Planes::zeros(input.images, input.side, self.outputs);
        let (width, pixels) = (9 * self.inputs, input.rows().count);
        let band = (BAND / width / BAND_ROWS).max(1) * BAND_ROWS;
        let mut around = Vec::with_capacity(band.min(pixels) * width);
        for first in (0..pixels).step_by(band) {
            let count = band.min(pixels - first);
            around.clear();
            (first..first + count).for_each(|pixel| self.gather(input, pixel, &mut around));
            let output = Output { data: &mut out.data[first * self.outputs..], stride: self.outputs };
            self.linear.apply(Rows { data: &around, stride: width, count }, output);
        }
        out
    }

    /// Appends the 3 x 3 pixels around a pixel, row by row.
    fn gather(&self, input: &Planes, pixel: usize, around: &mut Vec<f32>) {
        let ([height, width], channels) = (input.side, self.inputs);
        let (image, y, x) = (pixel / (height * width), pixel / width % height, pixel % width);
        let (left, right) = (x.saturating_sub(1), (x + 2).min(width));
        for line in y..y + 3 {
            let end = around.len() + 3 * channels;
            // Line 0 here is the one above the image.
            if (1..=height).contains(&line) {
                if x == 0 {
                    around.resize(around.len() + channels, 0.0);
                }
                let start = (image * height + line - 1) * width;
                around.extend_from_slice(&input.data[(start + left) * channels..(start + right) * channels]);
            }
            around.resize(end, 0.0);
        }
    }
}
