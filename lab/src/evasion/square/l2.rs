//! Changes of the Square attack in L2: bumps with two opposite halves, paid for with the energy of another window.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Side of the tiles of the first point.
const TILES: usize = 5;

/// A window of a CHW image.
#[derive(Clone, Copy)]
struct Window {
    channel: usize,
    top: usize,
    left: usize,
    size: usize,
}

impl Window {
    fn random(channel: usize, side: usize, size: usize, rng: &mut ChaCha8Rng) -> Self {
        Self { channel, top: rng.random_range(0..=side - size), left: rng.random_range(0..=side - size), size }
    }

    /// Indices of its pixels, row by row.
    fn places(self, side: usize) -> impl Iterator<Item = usize> {
        let Self { channel, top, left, size } = self;
        (0..size * size).map(move |i| (channel * side + top + i / size) * side + left + i % size)
    }
}

/// Every tile of the image one bump, all together of length `radius`.
pub fn tiles(image: &[f32], side: usize, radius: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let size = (side / TILES).max(2);
    let mut change = vec![0.0; image.len()];
    for channel in 0..image.len() / (side * side) {
        for tile in 0..(side / size) * (side / size) {
            let window = Window { channel, top: tile / (side / size) * size, left: tile % (side / size) * size, size };
            let bump = bump(size, rng);
            window.places(side).zip(bump).for_each(|(at, value)| change[at] = value);
        }
    }
    added(image, &change, radius)
}

/// Moves the energy of one random window, and what is left of the ball, into a bump at another.
pub fn two_windows(image: &[f32], point: &[f32], side: usize, size: usize, radius: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut change: Vec<f32> = point.iter().zip(image).map(|(p, i)| p - i).collect();
    let channels = image.len() / (side * side);
    let (to, from) = (Window::random(0, side, size, rng), Window::random(0, side, size, rng));
    let unused = (radius * radius - energy(change.iter().copied())).max(0.0) / channels as f32;
    for channel in 0..channels {
        let (to, from) = (Window { channel, ..to }, Window { channel, ..from });
        let here = energy(to.places(side).map(|at| change[at])).sqrt().max(1e-12);
        // The windows may overlap: what lies in both is counted once.
        let outside = from.places(side).filter(|at| !to.places(side).any(|other| other == *at));
        let freed = energy(outside.map(|at| change[at]));
        let bump = bump(size, rng);
        let mixed: Vec<f32> = to.places(side).zip(bump).map(|(at, b)| b + change[at] / here).collect();
        let scale = ((unused + freed + here * here) / energy(mixed.iter().copied()).max(1e-12)).sqrt();
        from.places(side).for_each(|at| change[at] = 0.0);
        to.places(side).zip(mixed).for_each(|(at, value)| change[at] = scale * value);
    }
    added(image, &change, radius)
}

/// The image plus the change, cut or stretched to `radius`.
fn added(image: &[f32], change: &[f32], radius: f32) -> Vec<f32> {
    let scale = radius / energy(change.iter().copied()).sqrt().max(1e-12);
    image.iter().zip(change).map(|(i, c)| i + scale * c).collect()
}

fn energy(values: impl Iterator<Item = f32>) -> f32 {
    values.map(|v| v * v).sum()
}

/// A square of two halves, one up and one down, each falling off from its middle; of length one, of random sign and direction.
fn bump(size: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let half = size / 2;
    let mut values = vec![0.0f32; size * size];
    for row in 0..size {
        let (sign, rows, inside) = if row < half { (1.0, half, row) } else { (-1.0, size - half, row - half) };
        for column in 0..size {
            let far = inside.abs_diff(rows / 2).max(column.abs_diff(size / 2));
            let terms = (far..=rows.max(size) / 2).map(|i| 1.0 / ((i + 1) * (i + 1)) as f32);
            values[row * size + column] = sign * terms.sum::<f32>();
        }
    }
    let (across, sign) = (rng.random::<bool>(), if rng.random::<bool>() { 1.0 } else { -1.0 });
    let scale = sign / energy(values.iter().copied()).sqrt();
    (0..size * size).map(|i| scale * values[if across { i % size * size + i / size } else { i }]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evasion::ball::rng;

    #[test]
    fn a_move_keeps_the_whole_length() {
        let mut rng = rng(1, 0);
        let image = vec![0.5f32; 2 * 24 * 24];
        let mut point = tiles(&image, 24, 0.3, &mut rng);
        for _ in 0..5 {
            point = two_windows(&image, &point, 24, 7, 0.3, &mut rng);
            let length = energy(point.iter().zip(&image).map(|(p, i)| p - i)).sqrt();
            assert!((length - 0.3).abs() < 1e-4, "{length}");
        }
    }

    #[test]
    fn a_bump_has_length_one_and_opposite_halves() {
        let bump = bump(8, &mut rng(2, 0));
        assert!((energy(bump.iter().copied()) - 1.0).abs() < 1e-5);
        assert!(bump.iter().sum::<f32>().abs() < 1e-4);
    }
}
