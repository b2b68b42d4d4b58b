//! Crops of clean images.

use rand::Rng;

/// A square of `side` pixels from a random place of `pixels` (8-bit HWC, `size` × `size`), in one of the eight flips and
/// rotations, a little lighter or darker: CHW in diffusion units, −1..1. Black stays black, as air does in a scan.
pub fn draw(pixels: &[u8], size: usize, side: usize, light: f32, rng: &mut impl Rng) -> Vec<f32> {
    let corner = [rng.random_range(0..=size - side), rng.random_range(0..=size - side)];
    let turn = Turn { swap: rng.random(), flip: [rng.random(), rng.random()] };
    let mut change = || (2.0 * rng.random::<f32>() - 1.0) * light;
    let (contrast, brightness) = (1.0 + change(), 0.5 * change());
    let mut out = cut(pixels, size, corner, side, turn);
    for value in out.iter_mut().filter(|value| **value > 0.0) {
        *value = (*value * contrast + brightness).clamp(0.0, 1.0);
    }
    to_diffusion(&mut out);
    out
}

/// The square of `side` pixels at `corner` [y, x] as it is, CHW in diffusion units.
pub fn plain(pixels: &[u8], size: usize, corner: [usize; 2], side: usize) -> Vec<f32> {
    let mut out = cut(pixels, size, corner, side, Turn { swap: false, flip: [false; 2] });
    to_diffusion(&mut out);
    out
}

/// One of the eight flips and rotations of a square.
#[derive(Clone, Copy)]
struct Turn {
    swap: bool,
    flip: [bool; 2],
}

fn cut(pixels: &[u8], size: usize, corner: [usize; 2], side: usize, turn: Turn) -> Vec<f32> {
    let channels = pixels.len() / (size * size);
    let flipped = |at: usize, axis: usize| if turn.flip[axis] { side - 1 - at } else { at };
    let mut out = Vec::with_capacity(channels * side * side);
    for channel in 0..channels {
        for y in 0..side {
            for x in 0..side {
                let (y, x) = if turn.swap { (x, y) } else { (y, x) };
                let (y, x) = (corner[0] + flipped(y, 0), corner[1] + flipped(x, 1));
                out.push(f32::from(pixels[(y * size + x) * channels + channel]) / 255.0);
            }
        }
    }
    out
}

fn to_diffusion(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_crop_is_a_turned_square_of_the_image() {
        let pixels: Vec<u8> = (1..=64).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..50 {
            let crop = draw(&pixels, 8, 4, 0.0, &mut rng);
            let at = |y: usize, x: usize| ((crop[y * 4 + x] + 1.0) * 127.5).round() as i32;
            let steps = [at(0, 1) - at(0, 0), at(1, 0) - at(0, 0)];
            let mut sizes = steps.map(i32::abs);
            sizes.sort_unstable();
            assert_eq!((sizes, at(3, 3) - at(0, 0)), ([1, 8], 3 * (steps[0] + steps[1])));
        }
        assert_eq!(plain(&[0, 255, 0, 0], 2, [0, 1], 1), [1.0]);
    }

    #[test]
    fn light_changes_everything_but_black() {
        let mut pixels = vec![100; 64];
        pixels[0] = 0;
        let crop = draw(&pixels, 8, 8, 0.2, &mut ChaCha8Rng::seed_from_u64(2));
        let black = crop.iter().filter(|value| **value == -1.0).count();
        assert!(black == 1 && crop.iter().all(|value| (*value - (2.0 * 100.0 / 255.0 - 1.0)).abs() > 1e-4));
    }
}
