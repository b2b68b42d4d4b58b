//! Phantoms: pictures that look roughly like an axial brain MRI, drawn from a seed, so that no patient's image is needed.
//!
//! A phantom is a head of nested ellipses with a folded cortex, ventricles and smooth noise; a lesion is a bright, uneven
//! blob in a darker halo. They show that the path works; what a model says about a drawing is no evidence of its quality.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::{ModelError, Picture, preprocess::Channels};

/// Largest side of a phantom, in pixels.
pub const MAX_SIZE: usize = 1024;

/// Draws a grey phantom of `size` x `size` pixels (1..=1024, others are clamped). The same seed gives the same pixels everywhere.
pub fn brain_phantom(seed: u64, with_lesion: bool, size: usize) -> Picture {
    let size = size.clamp(1, MAX_SIZE);
    let head = Head::new(seed, with_lesion);
    let mut pixels = Vec::with_capacity(size * size);
    for row in 0..size {
        for column in 0..size {
            let place = |index: usize| (2 * index + 1) as f32 / size as f32 - 1.0;
            pixels.push((head.brightness(place(column), place(row)) * 255.0) as u8);
        }
    }
    Picture { width: size, height: size, channels: Channels::Grey, pixels }
}

/// A phantom as the bytes of a grey PNG file.
///
/// # Errors
/// [`ModelError::DamagedImage`] where the PNG cannot be written.
pub fn brain_phantom_png(seed: u64, with_lesion: bool, size: usize) -> Result<Vec<u8>, ModelError> {
    let picture = brain_phantom(seed, with_lesion, size);
    let side = picture.width as u32;
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(&picture.pixels, side, side, ExtendedColorType::L8)
        .map_err(|error| ModelError::DamagedImage { format: "PNG", detail: error.to_string() })?;
    Ok(file)
}

/// A point's distance from the centre of an ellipse, 1 on its edge.
#[derive(Clone, Copy)]
struct Ellipse {
    x: f32,
    y: f32,
    half_width: f32,
    half_height: f32,
}

impl Ellipse {
    fn distance(&self, x: f32, y: f32) -> f32 {
        let across = (x - self.x) / self.half_width;
        let down = (y - self.y) / self.half_height;
        (across * across + down * down).sqrt()
    }

    /// 1 inside, 0 outside, smooth over `blur` around the edge.
    fn cover(&self, x: f32, y: f32, blur: f32) -> f32 {
        smooth((1.0 - self.distance(x, y)) / blur + 0.5)
    }
}

struct Head {
    seed: u64,
    skull: Ellipse,
    ventricles: [Ellipse; 2],
    lesion: Option<Ellipse>,
}

impl Head {
    fn new(seed: u64, with_lesion: bool) -> Self {
        let mut draws = 0;
        let mut draw = |low: f32, high: f32| {
            draws += 1;
            low + (high - low) * unit(seed, draws, 0)
        };
        let skull = Ellipse { x: 0.0, y: 0.0, half_width: draw(0.68, 0.76), half_height: draw(0.86, 0.93) };
        let (gap, width, height) = (draw(0.07, 0.1), draw(0.04, 0.07), draw(0.17, 0.26));
        let ventricle = |x: f32| Ellipse { x, y: -0.04, half_width: width, half_height: height };
        let side = if draw(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
        let radius = draw(0.13, 0.2);
        let (x, y) = (side * draw(0.26, 0.36), draw(-0.35, 0.35));
        let lesion = Ellipse { x, y, half_width: radius, half_height: radius * draw(0.8, 1.2) };
        Self { seed, skull, ventricles: [ventricle(-gap), ventricle(gap)], lesion: with_lesion.then_some(lesion) }
    }

    /// Brightness 0..=1 at (x, y), both in -1..=1.
    fn brightness(&self, x: f32, y: f32) -> f32 {
        let fold = self.noise(x, y, 9.0, 100) - 0.5;
        let radius = self.skull.distance(x, y);
        if radius > 1.05 {
            return 0.0;
        }
        let inside = |edge: f32, blur: f32| smooth((edge - radius) / blur + 0.5);
        let mut value = 0.62 * inside(1.0, 0.02);
        value = mix(value, 0.08, inside(0.95, 0.02));
        value = mix(value, 0.36 + 0.1 * fold, inside(0.87 + 0.03 * fold, 0.02));
        value = mix(value, 0.5, smooth((0.78 + 0.22 * fold - radius) / 0.08 + 0.5));
        let midline = smooth(1.0 - x.abs() / 0.012) * inside(0.86, 0.02) * smooth((y.abs() - 0.2) / 0.1);
        value = mix(value, 0.16, midline);
        for ventricle in &self.ventricles {
            value = mix(value, 0.12, ventricle.cover(x, y, 0.25));
        }
        if let Some(lesion) = &self.lesion {
            value = draw_lesion(lesion, value, x, y, fold);
        }
        let grain = self.noise(x, y, 70.0, 200) - 0.5;
        let shade = self.noise(x, y, 2.0, 300) - 0.5;
        (value * (1.0 + 0.16 * grain + 0.2 * shade)).clamp(0.0, 1.0)
    }

    /// Smooth noise 0..=1 of `cells` cells a unit.
    fn noise(&self, x: f32, y: f32, cells: f32, layer: u64) -> f32 {
        let (x, y) = ((x + 2.0) * cells, (y + 2.0) * cells);
        let (column, row) = (x as u64, y as u64);
        let (along, down) = (smooth(x - column as f32), smooth(y - row as f32));
        let corner = |right: u64, below: u64| unit(self.seed, layer + column + right, 1 + row + below);
        let top = mix(corner(0, 0), corner(1, 0), along);
        mix(top, mix(corner(0, 1), corner(1, 1), along), down)
    }
}

fn draw_lesion(lesion: &Ellipse, value: f32, x: f32, y: f32, fold: f32) -> f32 {
    let radius = lesion.distance(x, y) * (1.0 + 0.35 * fold);
    let halo = smooth((1.5 - radius) / 0.3);
    let body = smooth((1.0 - radius) / 0.15 + 0.5);
    let core = smooth((0.45 - radius) / 0.3 + 0.5);
    let value = mix(value, 0.27, halo);
    mix(mix(value, 0.9, body), 0.66 + 0.2 * fold, core * body)
}

fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

fn smooth(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// A number 0..1 for a cell, by SplitMix64.
fn unit(seed: u64, column: u64, row: u64) -> f32 {
    let mixed = seed ^ column.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ row.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let mut bits = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 40) as f32 / (1u64 << 24) as f32
}
