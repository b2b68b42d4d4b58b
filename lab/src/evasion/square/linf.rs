//! Changes of the Square attack in L∞: every changed pixel lies on the border of the ball.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

fn sign(rng: &mut ChaCha8Rng) -> f32 {
    if rng.random::<bool>() { 1.0 } else { -1.0 }
}

/// Vertical stripes of one pixel, each channel up or down by `radius`.
pub fn stripes(image: &[f32], side: usize, radius: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let channels = image.len() / (side * side);
    let signs: Vec<f32> = (0..channels * side).map(|_| sign(rng)).collect();
    let change = |i: usize| radius * signs[i / (side * side) * side + i % side];
    image.iter().enumerate().map(|(i, value)| value + change(i)).collect()
}

/// `point` with a square of side `window` at a random place, each channel of it up or down by `radius` from the image.
pub fn square(image: &[f32], point: &[f32], side: usize, window: usize, radius: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (top, left) = (rng.random_range(0..=side - window), rng.random_range(0..=side - window));
    let mut next = point.to_vec();
    for channel in 0..image.len() / (side * side) {
        let change = radius * sign(rng);
        for row in top..top + window {
            let line = (channel * side + row) * side;
            for at in line + left..line + left + window {
                next[at] = image[at] + change;
            }
        }
    }
    next
}
