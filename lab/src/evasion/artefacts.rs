//! Changes that images meet without an attacker: movement, noise, compression, scaling, another brightness. Flagging them is a false alarm.

use std::{fmt, io::Cursor, str::FromStr};

use anyhow::{Context, Result, bail};
use image::{DynamicImage, GrayImage, RgbImage, codecs::jpeg::JpegEncoder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::judge::eight_bits;
use crate::train::params::normal;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artefact {
    /// As the image is.
    None,
    /// Mean along a line of so many pixels, in a random direction: the patient moved.
    MotionBlur,
    /// Gaussian noise of this standard deviation, in the pixels' scale [0, 1].
    Noise,
    /// JPEG of this quality.
    Jpeg,
    /// Scaled to this part of the side and back.
    Resize,
    /// Brightness to this power.
    Gamma,
}

/// Kind, name and strengths that are measured.
const ARTEFACTS: [(Artefact, &str, &[f64]); 6] = [
    (Artefact::None, "none", &[0.0]),
    (Artefact::MotionBlur, "motion-blur", &[3.0, 5.0, 7.0]),
    (Artefact::Noise, "noise", &[0.01, 0.02, 0.05]),
    (Artefact::Jpeg, "jpeg", &[90.0, 70.0, 50.0, 30.0]),
    (Artefact::Resize, "resize", &[0.75, 0.5]),
    (Artefact::Gamma, "gamma", &[0.7, 0.85, 1.2, 1.5]),
];

impl Artefact {
    /// All of them.
    pub fn all() -> Vec<Self> {
        ARTEFACTS.iter().map(|a| a.0).collect()
    }

    fn entry(self) -> &'static (Self, &'static str, &'static [f64]) {
        ARTEFACTS.iter().find(|a| a.0 == self).unwrap_or(&ARTEFACTS[0])
    }

    /// Strengths that are measured.
    pub fn strengths(self) -> &'static [f64] {
        self.entry().2
    }

    /// The changed image, CHW in [0, 1], rounded to 8 bits as a file would be.
    ///
    /// # Errors
    /// Where the image cannot be written as JPEG.
    pub fn apply(self, image: &[f32], side: usize, strength: f64, seed: u64) -> Result<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let changed = match self {
            Self::None => image.to_vec(),
            Self::MotionBlur => motion_blur(image, side, strength as usize, rng.random_range(0.0..std::f32::consts::PI)),
            Self::Noise => image.iter().map(|v| v + strength as f32 * normal(&mut rng)).collect(),
            Self::Jpeg => jpeg(image, side, strength as u8)?,
            Self::Resize => resize(image, side, strength),
            Self::Gamma => image.iter().map(|v| v.powf(strength as f32)).collect(),
        };
        Ok(eight_bits(&changed))
    }
}

impl fmt::Display for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.entry().1)
    }
}

impl FromStr for Artefact {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let Some(found) = ARTEFACTS.iter().find(|a| a.1 == name) else {
            let known: Vec<&str> = ARTEFACTS.iter().map(|a| a.1).collect();
            bail!("`{name}` is no artefact known here; known are {}", known.join(", "));
        };
        Ok(found.0)
    }
}

/// Value at a real place of one channel, between its four neighbours; beyond the border the nearest stands.
fn sample(plane: &[f32], side: usize, x: f32, y: f32) -> f32 {
    let last = (side - 1) as f32;
    let (x, y) = (x.clamp(0.0, last), y.clamp(0.0, last));
    let (left, top) = (x.floor() as usize, y.floor() as usize);
    let (right, bottom) = ((left + 1).min(side - 1), (top + 1).min(side - 1));
    let (u, v) = (x - left as f32, y - top as f32);
    let row = |y: usize| plane[y * side + left] * (1.0 - u) + plane[y * side + right] * u;
    row(top) * (1.0 - v) + row(bottom) * v
}

fn motion_blur(image: &[f32], side: usize, length: usize, angle: f32) -> Vec<f32> {
    let (dy, dx) = angle.sin_cos();
    let places: Vec<f32> = (0..length).map(|i| i as f32 - (length as f32 - 1.0) / 2.0).collect();
    let blurred = |plane: &[f32], i: usize| {
        let (x, y) = ((i % side) as f32, (i / side) as f32);
        places.iter().map(|t| sample(plane, side, x + t * dx, y + t * dy)).sum::<f32>() / length as f32
    };
    image
        .chunks_exact(side * side)
        .flat_map(|plane| (0..plane.len()).map(move |i| (plane, i)))
        .map(|(p, i)| blurred(p, i))
        .collect()
}

/// Area mean to the smaller side, so that nothing aliases, then bilinear back.
fn resize(image: &[f32], side: usize, part: f64) -> Vec<f32> {
    let small = ((side as f64 * part).round() as usize).clamp(1, side);
    let step = side as f32 / small as f32;
    let fine = 4;
    image
        .chunks_exact(side * side)
        .flat_map(|plane| {
            let at = |i: usize| (i as f32 + 0.5) / fine as f32 * step - 0.5;
            let cell = |i: usize| {
                let (row, column) = (i / small * fine, i % small * fine);
                let points = (0..fine * fine).map(|k| sample(plane, side, at(column + k % fine), at(row + k / fine)));
                points.sum::<f32>() / (fine * fine) as f32
            };
            let less: Vec<f32> = (0..small * small).map(cell).collect();
            let back = |i: usize| (i as f32 + 0.5) / step - 0.5;
            (0..side * side).map(move |i| sample(&less, small, back(i % side), back(i / side))).collect::<Vec<f32>>()
        })
        .collect()
}

fn jpeg(image: &[f32], side: usize, quality: u8) -> Result<Vec<f32>> {
    let picture = picture(image, side)?;
    let mut file = Cursor::new(Vec::new());
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))?;
    let back = image::load_from_memory(file.get_ref())?;
    let pixels = if image.len() == side * side { back.into_luma8().into_raw() } else { back.into_rgb8().into_raw() };
    Ok(crate::train::augment::plain(&pixels, side))
}

/// An image, CHW in [0, 1], as 8-bit pixels that can be written to a file.
///
/// # Errors
/// Where it has neither one nor three channels of `side` × `side`.
pub fn picture(image: &[f32], side: usize) -> Result<DynamicImage> {
    let (area, channels) = (side * side, image.len() / (side * side));
    let value = |i: usize| (image[i % channels * area + i / channels].clamp(0.0, 1.0) * 255.0).round() as u8;
    let pixels: Vec<u8> = (0..image.len()).map(value).collect();
    let (width, height) = (side as u32, side as u32);
    let made = match channels {
        1 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
    };
    made.context("the image has neither one nor three channels")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phantom() -> Vec<f32> {
        let pixels = models::phantom::brain_phantom(3, true, 64).pixels;
        crate::train::augment::plain(&pixels, 64)
    }

    fn far(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn artefacts_change_the_image_a_little_and_more_with_their_strength() {
        let image = phantom();
        assert_eq!(Artefact::None.apply(&image, 64, 0.0, 1).unwrap(), image);
        for (artefact, _, strengths) in &ARTEFACTS[1..] {
            let change = |strength: f64| far(&artefact.apply(&image, 64, strength, 1).unwrap(), &image);
            let changes: Vec<f32> = strengths.iter().map(|s| change(*s)).collect();
            assert!(changes.iter().all(|c| *c > 1e-4 && *c < 0.12), "{artefact}: {changes:?}");
            if *artefact != Artefact::Gamma {
                assert!(changes.windows(2).all(|pair| pair[0] < pair[1]), "{artefact}: {changes:?}");
            }
        }
    }

    #[test]
    fn names_are_read_back_and_unknown_ones_answered() {
        for artefact in Artefact::all() {
            assert_eq!(artefact.to_string().parse::<Artefact>().unwrap(), artefact);
        }
        assert!("fog".parse::<Artefact>().unwrap_err().to_string().contains("motion-blur"));
    }

    #[test]
    fn a_colour_image_keeps_its_channels_through_jpeg() {
        let image: Vec<f32> = [0.2f32, 0.5, 0.8].iter().flat_map(|v| vec![*v; 256]).collect();
        assert!(far(&Artefact::Jpeg.apply(&image, 16, 95.0, 1).unwrap(), &image) < 0.02);
    }
}
