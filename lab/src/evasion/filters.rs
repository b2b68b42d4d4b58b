//! The two-line filters that a detector must beat: an image is suspect where the answer changes under them.

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{judge::normalised, objective::BATCH};
use crate::{metrics::top, pipeline::Pipeline, train::params::normal};

/// Standard deviation of the noise, in the pixels' scale [0, 1].
const NOISE: f32 = 0.05;

/// A filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// 3 × 3 mean.
    Mean,
    /// Gaussian noise, then the mean: it drowns what an attacker wrote into single pixels.
    NoiseMean,
}

impl Filter {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Mean, Self::NoiseMean];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "3×3 mean",
            Self::NoiseMean => "noise σ=0.05, then 3×3 mean",
        }
    }

    /// The filtered image, CHW in [0, 1].
    pub fn apply(self, image: &[f32], side: usize, rng: &mut impl Rng) -> Vec<f32> {
        match self {
            Self::Mean => mean3(image, side),
            Self::NoiseMean => {
                let noisy: Vec<f32> = image.iter().map(|v| (v + NOISE * normal(rng)).clamp(0.0, 1.0)).collect();
                mean3(&noisy, side)
            }
        }
    }
}

/// Probabilities with the filter before the pipeline, and how far they lie from those without (half the sum of differences, 0 to 1).
pub struct Filtered {
    /// Answers.
    pub answers: Vec<usize>,
    /// Changes of the probabilities.
    pub changes: Vec<f64>,
}

/// Runs every image through the pipeline with and without the filter.
///
/// # Errors
/// Where the pipeline refuses an image.
pub fn filtered(pipeline: &Pipeline, filter: Filter, images: &[&[f32]]) -> Result<Filtered> {
    let preprocess = &pipeline.card.preprocess;
    let probabilities = |image: &[f32]| anyhow::Ok(pipeline.encode_tensor(&normalised(preprocess, image))?.probabilities);
    let one = |(i, image): (usize, &&[f32])| -> Result<(usize, f64)> {
        // The defender draws its noise after the attacker is done, but the same in every run.
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        let (plain, changed) = (probabilities(image)?, probabilities(&filter.apply(image, preprocess.size, &mut rng))?);
        let change = plain.iter().zip(&changed).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0;
        Ok((top(&changed), change))
    };
    let found: Vec<(usize, f64)> = images.par_iter().with_min_len(BATCH).enumerate().map(one).collect::<Result<_>>()?;
    let (answers, changes) = found.into_iter().unzip();
    Ok(Filtered { answers, changes })
}

/// The mean of each pixel and its eight neighbours, channel by channel; beyond the border stands the nearest pixel.
pub fn mean3(image: &[f32], side: usize) -> Vec<f32> {
    let mut mean = vec![0.0; image.len()];
    each_neighbour(image.len(), side, |at, neighbour| mean[at] += image[neighbour] / 9.0);
    mean
}

/// Slope with respect to the image, of the slope with respect to its [`mean3`].
pub fn mean3_back(slope: &[f32], side: usize) -> Vec<f32> {
    let mut back = vec![0.0; slope.len()];
    each_neighbour(slope.len(), side, |at, neighbour| back[neighbour] += slope[at] / 9.0);
    back
}

fn each_neighbour(len: usize, side: usize, mut visit: impl FnMut(usize, usize)) {
    for line in 0..len / side {
        let (plane, row) = (line / side * side, line % side);
        let rows = [row.saturating_sub(1), row, (row + 1).min(side - 1)];
        for column in 0..side {
            let columns = [column.saturating_sub(1), column, (column + 1).min(side - 1)];
            for near in rows {
                columns.iter().for_each(|c| visit(line * side + column, (plane + near) * side + c));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..len).map(|_| rng.random()).collect()
    }

    #[test]
    fn the_mean_is_that_of_the_copy_in_the_detector() {
        let mut plane = vec![0.0; 16];
        plane[0] = 9.0;
        let mean = mean3(&plane, 4);
        // The corner counts four times for itself, twice for its two neighbours, once for the one across.
        assert_eq!([mean[0], mean[1], mean[4], mean[5], mean[6]], [4.0, 2.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn the_slope_runs_back_along_the_same_paths() {
        let (x, y) = (noise(1, 2 * 25), noise(2, 2 * 25));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot(&mean3(&x, 5), &y) - dot(&x, &mean3_back(&y, 5))).abs() < 1e-4);
    }
}
