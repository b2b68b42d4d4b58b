//! Crops of clean images.

use rand::Rng;

/// A square of `side` pixels from a random place of `pixels` (8-bit HWC, `size` × `size`), in one of the eight flips and
/// rotations, a little lighter or darker: CHW in diffusion units, −1..1. Black stays black, as air does in a scan.
pub fn draw(pixels: &[u8], size: usize, side: usize, light: f32, rng: &mut impl Rng) -> Vec<f32> {
    let corner = [rng.random_range(0..=size - side), rng.random_range(0..=size - side)];
    let turn = Turn::draw(rng);
    let mut out = cut(pixels, size, corner, side, turn);
    relight(&mut out, light, rng);
    to_diffusion(&mut out);
    out
}

/// The whole image, upright or mirrored, as an encoder knows it, a little lighter or darker: CHW in diffusion units.
pub fn whole(pixels: &[u8], size: usize, light: f32, rng: &mut impl Rng) -> Vec<f32> {
    let mut out = cut(pixels, size, [0; 2], size, Turn { flip: [false, rng.random()], ..Turn::NONE });
    relight(&mut out, light, rng);
    to_diffusion(&mut out);
    out
}

/// The square of `side` pixels at `corner` [y, x] as it is, CHW in diffusion units.
pub fn plain(pixels: &[u8], size: usize, corner: [usize; 2], side: usize) -> Vec<f32> {
    let mut out = cut(pixels, size, corner, side, Turn::NONE);
    to_diffusion(&mut out);
    out
}

/// How an image is cut into the tiles of a grid without overlap, each of them turned at random, as relays get them.
pub struct Tiling {
    size: usize,
    side: usize,
    turns: Vec<Turn>,
}

impl Tiling {
    /// Tiles of `side` pixels of an image of `size`, which is a multiple of it.
    pub fn draw(size: usize, side: usize, rng: &mut impl Rng) -> Self {
        Self { size, side, turns: (0..(size / side).pow(2)).map(|_| Turn::draw(rng)).collect() }
    }

    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.turns.len()
    }

    /// The tiles of `image`, one after another, all CHW.
    pub fn split(&self, image: &[f32]) -> Vec<f32> {
        let mut tiles = vec![0.0; image.len()];
        self.each(image.len(), |in_tiles, in_image| tiles[in_tiles] = image[in_image]);
        tiles
    }

    /// The image of these tiles: the inverse of [`Self::split`].
    pub fn join(&self, tiles: &[f32]) -> Vec<f32> {
        let mut image = vec![0.0; tiles.len()];
        self.each(tiles.len(), |in_tiles, in_image| image[in_image] = tiles[in_tiles]);
        image
    }

    fn each(&self, values: usize, mut visit: impl FnMut(usize, usize)) {
        let Self { size, side, turns } = self;
        let (channels, across) = (values / (size * size), size / side);
        let mut at = 0;
        for (tile, turn) in turns.iter().enumerate() {
            let corner = [tile / across * side, tile % across * side];
            for channel in 0..channels {
                turn.each(*side, |y, x| {
                    visit(at, (channel * size + corner[0] + y) * size + corner[1] + x);
                    at += 1;
                });
            }
        }
    }
}

/// One of the eight flips and rotations of a square.
#[derive(Clone, Copy)]
struct Turn {
    swap: bool,
    flip: [bool; 2],
}

impl Turn {
    const NONE: Self = Self { swap: false, flip: [false; 2] };

    fn draw(rng: &mut impl Rng) -> Self {
        Self { swap: rng.random(), flip: [rng.random(), rng.random()] }
    }

    /// Calls `visit` with the line and column in a square of `side` pixels of each pixel of the turned square, line by line.
    fn each(self, side: usize, mut visit: impl FnMut(usize, usize)) {
        let flipped = |at: usize, axis: usize| if self.flip[axis] { side - 1 - at } else { at };
        for y in 0..side {
            for x in 0..side {
                let (y, x) = if self.swap { (x, y) } else { (y, x) };
                visit(flipped(y, 0), flipped(x, 1));
            }
        }
    }
}

fn cut(pixels: &[u8], size: usize, corner: [usize; 2], side: usize, turn: Turn) -> Vec<f32> {
    let channels = pixels.len() / (size * size);
    let mut out = Vec::with_capacity(channels * side * side);
    for channel in 0..channels {
        turn.each(side, |y, x| {
            let place = (corner[0] + y) * size + corner[1] + x;
            out.push(f32::from(pixels[place * channels + channel]) / 255.0);
        });
    }
    out
}

/// Changes contrast by at most `light`, relative, and brightness by at most half of it. Black stays black.
fn relight(values: &mut [f32], light: f32, rng: &mut impl Rng) {
    let mut change = || (2.0 * rng.random::<f32>() - 1.0) * light;
    let (contrast, brightness) = (1.0 + change(), 0.5 * change());
    for value in values.iter_mut().filter(|value| **value > 0.0) {
        *value = (*value * contrast + brightness).clamp(0.0, 1.0);
    }
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

    #[test]
    fn tiles_are_turned_squares_and_make_up_the_image() {
        let image: Vec<f32> = (0..3 * 64).map(|i| i as f32).collect();
        let tiling = Tiling::draw(8, 4, &mut ChaCha8Rng::seed_from_u64(3));
        let tiles = tiling.split(&image);
        assert_eq!((tiling.count(), tiling.join(&tiles)), (4, image));
        // The second tile is the right upper one: columns 4 to 7 of lines 0 to 3 of each channel.
        for (channel, plane) in tiles[3 * 16..6 * 16].chunks_exact(16).enumerate() {
            let mut found: Vec<usize> = plane.iter().map(|value| *value as usize - channel * 64).collect();
            assert!(found[0] != 0, "the corner of the image is in the first tile");
            found.sort_unstable();
            assert_eq!(found, (0..4).flat_map(|y| (4..8).map(move |x| y * 8 + x)).collect::<Vec<_>>());
        }
        assert!(tiling.turns.iter().any(|turn| turn.swap || turn.flip.contains(&true)));
    }
}
