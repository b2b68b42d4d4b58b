//! Random changes of a training image: flips, rotation, scale, shift, contrast, brightness, blur, noise.

use rand::Rng;

use super::params::normal;

/// How far the changes go.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Augment {
    /// Probability of a flip, for each axis.
    pub flip: f32,
    /// Largest rotation in degrees, either way.
    pub rotation: f32,
    /// Largest relative change of size.
    pub scale: f32,
    /// Largest shift as a part of the side.
    pub shift: f32,
    /// Largest relative change of contrast and absolute change of brightness (of 1).
    pub light: f32,
    /// Probability of a 3×3 blur.
    pub blur: f32,
    /// Largest σ of added noise (of 1).
    pub noise: f32,
    /// The picture is a texture, with no up and no outline: quarter turns, and a mirrored border in place of a black one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub texture: bool,
}

impl Default for Augment {
    fn default() -> Self {
        Self { flip: 0.5, rotation: 20.0, scale: 0.15, shift: 0.06, light: 0.2, blur: 0.15, noise: 0.03, texture: false }
    }
}

impl Augment {
    /// A changed copy of `pixels` (HWC, `side` × `side`), as CHW values in [0, 1].
    pub fn apply(&self, pixels: &[u8], side: usize, rng: &mut impl Rng) -> Vec<f32> {
        let channels = pixels.len() / (side * side);
        let mut out = vec![0.0; pixels.len()];
        self.warp(pixels, side, channels, rng, &mut out);
        if rng.random::<f32>() < self.blur {
            for plane in out.chunks_exact_mut(side * side) {
                blur(plane, side);
            }
        }
        let contrast = 1.0 + symmetric(rng, self.light);
        let brightness = symmetric(rng, self.light) * 0.5;
        let noisy = if rng.random::<f32>() < 0.3 { self.noise * rng.random::<f32>() } else { 0.0 };
        for value in &mut out {
            let lit = *value * contrast + brightness * f32::from(*value > 0.0);
            let noise = if noisy > 0.0 { noisy * normal(rng) } else { 0.0 };
            *value = (lit + noise).clamp(0.0, 1.0);
        }
        out
    }

    /// Bilinear sampling along a random rotation, scale, shift and flip; black or mirrored outside.
    fn warp(&self, pixels: &[u8], side: usize, channels: usize, rng: &mut impl Rng, out: &mut [f32]) {
        let quarter = if self.texture && rng.random::<bool>() { 90.0 } else { 0.0 };
        let (sin, cos) = (symmetric(rng, self.rotation) + quarter).to_radians().sin_cos();
        let zoom = 1.0 + symmetric(rng, self.scale);
        let mut flip = || if rng.random::<f32>() < self.flip { -1.0 } else { 1.0 };
        let (flip_x, flip_y) = (flip(), flip());
        let (shift_x, shift_y) = (symmetric(rng, self.shift), symmetric(rng, self.shift));
        let half = (side as f32 - 1.0) / 2.0;
        for y in 0..side {
            for x in 0..side {
                let (u, v) = (x as f32 - half, y as f32 - half);
                let from_x = (u * cos + v * sin) / zoom * flip_x + half + shift_x * side as f32;
                let from_y = (v * cos - u * sin) / zoom * flip_y + half + shift_y * side as f32;
                let (from_x, from_y) = if self.texture { (mirror(from_x, side), mirror(from_y, side)) } else { (from_x, from_y) };
                for channel in 0..channels {
                    out[channel * side * side + y * side + x] = sample(pixels, side, channels, channel, from_x, from_y);
                }
            }
        }
    }
}

/// `pixels` (HWC) unchanged, as CHW values in [0, 1].
pub fn plain(pixels: &[u8], side: usize) -> Vec<f32> {
    let (area, channels) = (side * side, pixels.len() / (side * side));
    (0..pixels.len()).map(|i| f32::from(pixels[(i % area) * channels + i / area]) / 255.0).collect()
}

fn symmetric(rng: &mut impl Rng, limit: f32) -> f32 {
    (2.0 * rng.random::<f32>() - 1.0) * limit
}

/// The place in the picture that a place outside shows in a mirror at the border.
fn mirror(at: f32, side: usize) -> f32 {
    let last = side as f32 - 1.0;
    let inside = at.abs().min(2.0 * last);
    if inside > last { 2.0 * last - inside } else { inside }
}

fn sample(pixels: &[u8], side: usize, channels: usize, channel: usize, x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    let at = |dx: i32, dy: i32| {
        let (x, y) = (x0 as i32 + dx, y0 as i32 + dy);
        let inside = 0..side as i32;
        if inside.contains(&x) && inside.contains(&y) {
            f32::from(pixels[(y as usize * side + x as usize) * channels + channel])
        } else {
            0.0
        }
    };
    let top = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
    let bottom = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
    (top * (1.0 - fy) + bottom * fy) / 255.0
}

/// 3×3 mean; the border keeps its values.
fn blur(plane: &mut [f32], side: usize) {
    let source = plane.to_vec();
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            let rows = [y - 1, y, y + 1].map(|r| &source[r * side + x - 1..r * side + x + 2]);
            plane[y * side + x] = rows.iter().flat_map(|r| r.iter()).sum::<f32>() / 9.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn without_any_change_the_image_passes_through() {
        let still =
            Augment { flip: 0.0, rotation: 0.0, scale: 0.0, shift: 0.0, light: 0.0, blur: 0.0, noise: 0.0, texture: false };
        let pixels: Vec<u8> = (0..64u8).map(|i| i * 3).collect();
        let out = still.apply(&pixels, 8, &mut ChaCha8Rng::seed_from_u64(1));
        for (a, b) in out.iter().zip(plain(&pixels, 8)) {
            assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn a_texture_has_no_black_border() {
        let texture = Augment { texture: true, light: 0.0, noise: 0.0, scale: 0.3, shift: 0.3, ..Augment::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..20 {
            assert!(texture.apply(&[200; 256], 16, &mut rng).iter().all(|v| (v - 200.0 / 255.0).abs() < 1e-5));
        }
        assert_eq!([-2.0, 3.0, 17.0].map(|at| mirror(at, 16)), [2.0, 3.0, 13.0]);
    }

    #[test]
    fn the_same_seed_gives_the_same_image_and_another_seed_another() {
        let pixels: Vec<u8> = (0..=255u8).collect();
        let run = |seed| Augment::default().apply(&pixels, 16, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
        assert!(run(3).iter().all(|v| (0.0..=1.0).contains(v)));
    }
}
