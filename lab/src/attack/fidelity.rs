//! How much of an image a rebuilt one shows: PSNR, SSIM and NMI.
//!
//! Images are CHW values in 0..=1, square; whatever lies outside is clamped first. All three are means over the channels.
//! - PSNR: `10 log10(1 / mean squared error)` in dB, 100 at most.
//! - SSIM: Wang, Bovik, Sheikh and Simoncelli 2004: Gaussian window of 11 × 11 pixels and σ 1.5, K1 0.01, K2 0.03, mean over all
//!   windows that lie inside the image.
//! - NMI: `2 I(A; B) / (H(A) + H(B))` of the pixels' joint histogram, 64 equal bins a side; 0 where one of the images is flat.

use serde::{Deserialize, Serialize};

/// Side of the window of SSIM, in pixels.
pub const WINDOW: usize = 11;
/// Bins of a histogram of NMI.
const BINS: usize = 64;
/// Largest PSNR that is reported: images that are equal have no finite one.
const MAX_PSNR: f64 = 100.0;

/// How alike two images are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Peak signal-to-noise ratio in dB; larger is more alike.
    pub psnr: f64,
    /// Structural similarity, 1 for equal images.
    pub ssim: f64,
    /// Normalised mutual information, 0 for independent and 1 for equal images.
    pub nmi: f64,
}

/// Compares `guess` with `truth`, both CHW with `side` × `side` pixels a channel.
///
/// # Panics
/// Where the lengths differ or `side` is below [`WINDOW`]: a mistake in this program, not in its input.
pub fn compare(truth: &[f32], guess: &[f32], side: usize) -> Fidelity {
    Fidelity { psnr: psnr(truth, guess), ssim: ssim(truth, guess, side), nmi: nmi(truth, guess, side) }
}

/// PSNR in dB.
///
/// # Panics
/// Where the lengths differ.
pub fn psnr(truth: &[f32], guess: &[f32]) -> f64 {
    assert_eq!(truth.len(), guess.len(), "images of one size are compared");
    let squares = truth.iter().zip(guess).map(|(a, b)| (unit(*a) - unit(*b)).powi(2));
    let error = squares.sum::<f64>() / truth.len() as f64;
    if error > 0.0 { (-10.0 * error.log10()).min(MAX_PSNR) } else { MAX_PSNR }
}

/// Mean SSIM.
///
/// # Panics
/// Where the lengths differ or `side` is below [`WINDOW`].
pub fn ssim(truth: &[f32], guess: &[f32], side: usize) -> f64 {
    assert!(side >= WINDOW, "SSIM needs images of {WINDOW} pixels a side or more");
    mean_over_channels(truth, guess, side, |a, b| ssim_of_plane(a, b, side))
}

/// Normalised mutual information.
///
/// # Panics
/// Where the lengths differ.
pub fn nmi(truth: &[f32], guess: &[f32], side: usize) -> f64 {
    mean_over_channels(truth, guess, side, nmi_of_plane)
}

/// SSIM of every window that lies inside the image, by its centre: [side − 10, side − 10], mean over the channels.
///
/// # Panics
/// As [`ssim`].
pub fn ssim_map(truth: &[f32], guess: &[f32], side: usize) -> Vec<f64> {
    assert!(side >= WINDOW, "SSIM needs images of {WINDOW} pixels a side or more");
    assert_eq!(truth.len(), guess.len(), "images of one size are compared");
    let planes: Vec<_> = truth.chunks_exact(side * side).zip(guess.chunks_exact(side * side)).collect();
    let inner = side - WINDOW + 1;
    let mut sum = vec![0.0; inner * inner];
    for (a, b) in &planes {
        let of_plane = ssim_windows(&wide(a), &wide(b), side);
        sum.iter_mut().zip(of_plane).for_each(|(s, v)| *s += v / planes.len() as f64);
    }
    sum
}

fn mean_over_channels(a: &[f32], b: &[f32], side: usize, of_plane: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    assert_eq!(a.len(), b.len(), "images of one size are compared");
    let planes = a.chunks_exact(side * side).zip(b.chunks_exact(side * side));
    let values: Vec<f64> = planes.map(|(a, b)| of_plane(&wide(a), &wide(b))).collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn wide(plane: &[f32]) -> Vec<f64> {
    plane.iter().map(|v| unit(*v)).collect()
}

fn unit(value: f32) -> f64 {
    f64::from(value).clamp(0.0, 1.0)
}

fn ssim_of_plane(a: &[f64], b: &[f64], side: usize) -> f64 {
    let windows = ssim_windows(a, b, side);
    windows.iter().sum::<f64>() / windows.len() as f64
}

fn ssim_windows(a: &[f64], b: &[f64], side: usize) -> Vec<f64> {
    const C1: f64 = 0.01 * 0.01;
    const C2: f64 = 0.03 * 0.03;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<f64>>();
    let [mean_a, mean_b] = [a, b].map(|plane| blur(plane, side));
    let [square_a, square_b, cross] = [product(a, a), product(b, b), product(a, b)].map(|plane| blur(&plane, side));
    let one = |i: usize| {
        let (ma, mb) = (mean_a[i], mean_b[i]);
        let (va, vb, c) = (square_a[i] - ma * ma, square_b[i] - mb * mb, cross[i] - ma * mb);
        (2.0 * ma * mb + C1) * (2.0 * c + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2))
    };
    (0..mean_a.len()).map(one).collect()
}

/// Weighted means of all windows inside the plane, [side − 10, side − 10].
fn blur(plane: &[f64], side: usize) -> Vec<f64> {
    let half = (WINDOW / 2) as f64;
    let raw: [f64; WINDOW] = std::array::from_fn(|i| (-(i as f64 - half).powi(2) / (2.0 * 1.5 * 1.5)).exp());
    let sum: f64 = raw.iter().sum();
    let weights = raw.map(|w| w / sum);
    let inner = side - WINDOW + 1;
    let along = |row: &[f64]| row.windows(WINDOW).map(|w| w.iter().zip(&weights).map(|(v, w)| v * w).sum()).collect::<Vec<f64>>();
    let rows: Vec<f64> = plane.chunks_exact(side).flat_map(along).collect();
    let mut out = vec![0.0; inner * inner];
    for (y, line) in out.chunks_exact_mut(inner).enumerate() {
        for (k, weight) in weights.iter().enumerate() {
            let source = &rows[(y + k) * inner..][..inner];
            line.iter_mut().zip(source).for_each(|(o, v)| *o += weight * v);
        }
    }
    out
}

fn nmi_of_plane(a: &[f64], b: &[f64]) -> f64 {
    let bin = |v: f64| ((v * BINS as f64) as usize).min(BINS - 1);
    let (mut of_a, mut of_b, mut joint) = (vec![0u32; BINS], vec![0u32; BINS], vec![0u32; BINS * BINS]);
    for (x, y) in a.iter().zip(b) {
        let (i, j) = (bin(*x), bin(*y));
        of_a[i] += 1;
        of_b[j] += 1;
        joint[i * BINS + j] += 1;
    }
    let [of_a, of_b, joint] = [of_a, of_b, joint].map(|counts| entropy(&counts, a.len()));
    if of_a > 0.0 && of_b > 0.0 { 2.0 * (of_a + of_b - joint) / (of_a + of_b) } else { 0.0 }
}

fn entropy(counts: &[u32], total: usize) -> f64 {
    let parts = counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / total as f64);
    -parts.map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::params::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const SIDE: usize = 16;

    fn noise(seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..SIDE * SIDE).map(|_| (0.5 + 0.2 * normal(&mut rng)).clamp(0.0, 1.0)).collect()
    }

    #[test]
    fn the_three_figures_are_those_of_an_independent_program() {
        // Computed in Python from the definitions, window by window with two-dimensional weights.
        let at = |f: &dyn Fn(usize, usize) -> f32| (0..SIDE * SIDE).map(|i| f(i / SIDE, i % SIDE)).collect::<Vec<f32>>();
        let a = at(&|y, x| ((7 * x + 13 * y) % 32) as f32 / 31.0);
        let b = at(&|y, x| 0.7 * (((7 * x + 13 * y) % 32) as f32 / 31.0) + 0.3 * ((5 * x * y + 3) % 29) as f32 / 28.0);
        let found = compare(&a, &b, SIDE);
        assert!((found.psnr - 18.083_538_5).abs() < 1e-4, "{found:?}");
        assert!((found.ssim - 0.890_961_18).abs() < 1e-5, "{found:?}");
        assert!((found.nmi - 0.575_738_45).abs() < 1e-2, "{found:?}");
    }

    #[test]
    fn flat_images_have_the_closed_form() {
        let (a, b) = (vec![0.25; 256], vec![0.75; 256]);
        assert!((psnr(&a, &b) - 6.020_6).abs() < 1e-4);
        // Without variance the structure is equal, and the luminance term remains.
        let luminance = (2.0 * 0.25 * 0.75 + 1e-4) / (0.25 * 0.25 + 0.75 * 0.75 + 1e-4);
        assert!((ssim(&a, &b, SIDE) - luminance).abs() < 1e-9);
        assert_eq!(nmi(&a, &b, SIDE), 0.0);
    }

    #[test]
    fn the_map_tells_where_images_differ_and_its_mean_is_the_ssim() {
        let side = 2 * SIDE;
        let a: Vec<f32> = (0..side * side).map(|i| 0.3 + ((7 * i) % 11) as f32 / 40.0).collect();
        let mut b = a.clone();
        b[side + 1] = 1.0;
        let map = ssim_map(&a, &b, side);
        assert!((map.iter().sum::<f64>() / map.len() as f64 - ssim(&a, &b, side)).abs() < 1e-12);
        assert!(map[0] < 0.999 && (map[map.len() - 1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_inverted_image_shares_all_information_and_none_of_the_structure() {
        let a = noise(1);
        let inverted: Vec<f32> = a.iter().map(|v| 1.0 - v).collect();
        assert!(nmi(&a, &inverted, SIDE) > 0.95 && ssim(&a, &inverted, SIDE) < -0.5);
    }

    #[test]
    fn they_are_symmetric_and_best_for_equal_images() {
        for seed in 0..20 {
            let (a, b) = (noise(seed), noise(seed + 100));
            let (same, ab, ba) = (compare(&a, &a, SIDE), compare(&a, &b, SIDE), compare(&b, &a, SIDE));
            assert!(same.psnr == 100.0 && (same.ssim - 1.0).abs() < 1e-9 && (same.nmi - 1.0).abs() < 1e-9);
            assert!((ab.psnr - ba.psnr).abs() < 1e-9 && (ab.ssim - ba.ssim).abs() < 1e-9 && (ab.nmi - ba.nmi).abs() < 1e-9);
            assert!(ab.psnr < 20.0 && ab.ssim < 0.5 && ab.nmi < 0.9, "{ab:?}");
        }
    }

    #[test]
    fn more_noise_is_a_lower_psnr_and_ssim() {
        for seed in 0..20 {
            let (a, n) = (noise(seed), noise(seed + 100));
            let with = |size: f32| a.iter().zip(&n).map(|(a, n)| a + size * (n - 0.5)).collect::<Vec<f32>>();
            let (little, much) = (compare(&a, &with(0.1), SIDE), compare(&a, &with(0.5), SIDE));
            assert!(little.psnr > much.psnr && little.ssim > much.ssim);
        }
    }
}
