//! Luma, antialiased Lanczos scaling in fixed point, and centring on a black square.
//!
//! Weights come from additions, products and quotients of f64 only and are rounded to integers, so every platform
//! computes the same pixels. They are also those of Pillow's `Image.resize(…, LANCZOS)`, by which the training images were made.

use std::f64::consts::PI;

use super::{Channels, InputImage, Picture};

/// Bits behind the point of a weight: 8-bit pixels times 22-bit weights, with room for overshoot, fit an i32.
const PRECISION: u32 = 22;
/// The kernel reaches three source pixels to each side.
const SUPPORT: f64 = 3.0;

pub(super) fn letterbox(picture: &Picture, size: usize, channels: Channels) -> InputImage {
    let converted = convert(picture, channels);
    let source = converted.as_deref().unwrap_or(&picture.pixels);
    let count = channels.count();
    let (width, height) = fit(picture.width, picture.height, size);
    let narrow = resize_rows(source, picture.width, width, count);
    let scaled = resize_columns(narrow.as_deref().unwrap_or(source), picture.height, height, width * count);
    let scaled = scaled.as_deref().or(narrow.as_deref()).unwrap_or(source);
    let mut pixels = vec![0; size * size * count];
    let (left, top) = ((size - width) / 2, (size - height) / 2);
    let rows = pixels.chunks_exact_mut(size * count).skip(top);
    for (row, line) in rows.zip(scaled.chunks_exact(width * count)) {
        row[left * count..(left + width) * count].copy_from_slice(line);
    }
    InputImage { size, channels, pixels }
}

/// Pixels in the wanted colours, or `None` where the picture has them already.
fn convert(picture: &Picture, channels: Channels) -> Option<Vec<u8>> {
    match (picture.channels, channels) {
        (Channels::Rgb, Channels::Grey) => Some(picture.pixels.as_chunks::<3>().0.iter().map(luma).collect()),
        (Channels::Grey, Channels::Rgb) => Some(picture.pixels.iter().flat_map(|grey| [*grey; 3]).collect()),
        _ => None,
    }
}

/// ITU-R 601 luma in 16-bit fixed point, as Pillow computes it.
fn luma(&[red, green, blue]: &[u8; 3]) -> u8 {
    ((u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000) >> 16) as u8
}

/// Width and height with the longer side `size` and the other in proportion, rounded, at least 1.
fn fit(width: usize, height: usize, size: usize) -> (usize, usize) {
    let longer = width.max(height);
    let scale = |side: usize| ((2 * side * size + longer) / (2 * longer)).max(1);
    (scale(width), scale(height))
}

/// The source pixels that an output pixel is made of, and their weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let reach = SUPPORT * stretch;
    let window = |index: usize| {
        let centre = (index as f64 + 0.5) * scale;
        let first = ((centre - reach + 0.5).max(0.0)) as usize;
        let last = ((centre + reach + 0.5) as usize).min(from);
        let weight = |pixel: usize| lanczos((pixel as f64 - centre + 0.5) * (1.0 / stretch));
        let mut weights: Vec<f64> = (first..last).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Window { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(window).collect()
}

/// Rounds half away from zero.
fn fixed(weight: f64) -> i32 {
    let half = if weight < 0.0 { -0.5 } else { 0.5 };
    (half + weight * f64::from(1 << PRECISION)) as i32
}

/// sinc(x) · sinc(x / 3) within ±3.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { sine_of_pi_times(x) / (PI * x) };
    if x.abs() < SUPPORT { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

/// sin(π · x) by its series, within 1e-15: the platform's `sin` may differ in the last bit from one to another.
fn sine_of_pi_times(x: f64) -> f64 {
    let whole = (x.abs() + 0.5).floor().copysign(x);
    let angle = (x - whole) * PI;
    let mut sum = 1.0;
    for n in (1..=11).rev() {
        sum = 1.0 - sum * angle * angle / f64::from(2 * n * (2 * n + 1));
    }
    if whole as i64 % 2 == 0 { sum * angle } else { -sum * angle }
}

fn round(sum: i32) -> u8 {
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

/// Scales every row from `from` to `to` pixels of `count` values; `None` where nothing changes.
fn resize_rows(source: &[u8], from: usize, to: usize, count: usize) -> Option<Vec<u8>> {
    if from == to {
        return None;
    }
    let windows = windows(from, to);
    let mut scaled = Vec::with_capacity(source.len() / from * to);
    for row in source.chunks_exact(from * count) {
        for Window { first, weights } in &windows {
            let pixels = &row[first * count..(first + weights.len()) * count];
            for channel in 0..count {
                let values = pixels.iter().skip(channel).step_by(count);
                scaled.push(round(values.zip(weights).map(|(value, weight)| i32::from(*value) * weight).sum()));
            }
        }
    }
    Some(scaled)
}

/// Scales every column from `from` to `to` rows of `stride` values; `None` where nothing changes.
fn resize_columns(source: &[u8], from: usize, to: usize, stride: usize) -> Option<Vec<u8>> {
    if from == to {
        return None;
    }
    let mut scaled = Vec::with_capacity(to * stride);
    let mut sums = vec![0i32; stride];
    for Window { first, weights } in windows(from, to) {
        sums.fill(0);
        for (row, weight) in source[first * stride..].chunks_exact(stride).zip(weights) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += i32::from(*value) * weight);
        }
        scaled.extend(sums.iter().map(|sum| round(*sum)));
    }
    Some(scaled)
}
