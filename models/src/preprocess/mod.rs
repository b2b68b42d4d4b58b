//! From an image file to the encoder's input, the same bits natively and in WebAssembly.

mod decode;
mod letterbox;

use serde::{Deserialize, Serialize};

pub use decode::{MAX_FILE_BYTES, MAX_PIXELS, MAX_SIDE, Picture, decode};

use crate::ModelError;

/// Colours that an encoder sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// One channel: ITU-R 601 luma.
    Grey,
    /// Red, green, blue.
    Rgb,
}

impl Channels {
    /// Values of a pixel: 1 or 3.
    pub const fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// How a picture becomes the encoder's input; part of the model card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Side of the square input, in pixels.
    pub size: usize,
    /// Colours of the input.
    pub channels: Channels,
    /// Mean of each channel, in units of 0..=1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, in units of 0..=1.
    pub std: Vec<f32>,
}

impl Preprocess {
    /// Checks the size and that there is one finite mean and one positive deviation a channel.
    ///
    /// # Errors
    /// [`ModelError::BadPreprocess`] says which setting is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        let bad = |reason: String| Err(ModelError::BadPreprocess { reason });
        if !(1..=1024).contains(&self.size) {
            return bad(format!("a size of {} is outside 1..=1024", self.size));
        }
        let count = self.channels.count();
        if self.mean.len() != count || self.std.len() != count {
            return bad(format!("mean and std need {count} numbers each"));
        }
        let usable = |std: &f32| std.is_normal() && *std > 0.0;
        if self.mean.iter().any(|mean| !mean.is_finite()) || !self.std.iter().all(usable) {
            return bad("a mean is not finite or a std is not above zero".into());
        }
        Ok(())
    }

    /// The pixels of an encoder's input `[channels, size, size]`: `value · std + mean`, held within 0..=1.
    pub fn pixels_of(&self, input: &[f32]) -> Vec<f32> {
        let pixel = |(value, mean, std): (&f32, f32, f32)| (value * std + mean).clamp(0.0, 1.0);
        self.with_statistics(input).map(pixel).collect()
    }

    /// The encoder's input of pixels `[channels, size, size]` of 0..=1: `(value - mean) / std`.
    pub fn input_of(&self, pixels: &[f32]) -> Vec<f32> {
        self.with_statistics(pixels).map(|(pixel, mean, std)| (pixel - mean) / std).collect()
    }

    /// The 8-bit image of pixels `[channels, size, size]` of 0..=1.
    pub fn image_of(&self, pixels: &[f32]) -> InputImage {
        let plane = self.size * self.size;
        let eight_bit = |at: usize| (pixels[at] * 255.0 + 0.5) as u8;
        let colours = |place| (0..self.channels.count()).map(move |channel| eight_bit(channel * plane + place));
        InputImage { size: self.size, channels: self.channels, pixels: (0..plane).flat_map(colours).collect() }
    }

    /// Each of the values `[channels, size, size]` with its channel's mean and deviation.
    fn with_statistics<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = (&'a f32, f32, f32)> {
        let planes = values.chunks(self.size * self.size).zip(self.mean.iter().zip(&self.std));
        planes.flat_map(|(plane, (mean, std))| plane.iter().map(move |value| (value, *mean, *std)))
    }

    /// Scales a picture so that its longer side is `size` and centres it on black; a picture of that size is unchanged.
    pub fn letterbox(&self, picture: &Picture) -> InputImage {
        letterbox::letterbox(picture, self.size, self.channels)
    }
}

/// The square 8-bit image that the encoder sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputImage {
    /// Side in pixels.
    pub size: usize,
    /// Colours.
    pub channels: Channels,
    /// Pixels `[size, size, channels]`.
    pub pixels: Vec<u8>,
}

impl InputImage {
    /// The same picture `[size, size, 4]` as a canvas shows it: red, green, blue and full opacity.
    pub fn to_rgba(&self) -> Vec<u8> {
        let pixel = |colours: &[u8]| match *colours {
            [red, green, blue] => [red, green, blue, 255],
            [grey, ..] => [grey, grey, grey, 255],
            [] => [0, 0, 0, 255],
        };
        self.pixels.chunks_exact(self.channels.count()).flat_map(pixel).collect()
    }

    /// The encoder's input `[channels, size, size]`: `(value / 255 - mean) / std`.
    ///
    /// The preprocessing must be a valid one ([`Preprocess::validate`]) with this image's channels.
    pub fn to_tensor(&self, preprocess: &Preprocess) -> Vec<f32> {
        let count = self.channels.count();
        let mut tensor = Vec::with_capacity(self.pixels.len());
        for (channel, (mean, std)) in preprocess.mean.iter().zip(&preprocess.std).enumerate().take(count) {
            let values = self.pixels.iter().skip(channel).step_by(count);
            tensor.extend(values.map(|value| (f32::from(*value) / 255.0 - mean) / std));
        }
        tensor
    }
}
