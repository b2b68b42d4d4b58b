//! The two-line filters that a detector must beat: an image is suspect where the answer changes under them.

use anyhow::Result;
use models::detector::Filter as Copy;
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
    /// 5 × 5 mean.
    Coarse,
    /// Gaussian noise, then the mean: it drowns what an attacker wrote into single pixels.
    NoiseMean,
}

impl Filter {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mean, Self::Coarse, Self::NoiseMean];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "3×3 mean",
            Self::Coarse => "5×5 mean",
            Self::NoiseMean => "noise σ=0.05, then 3×3 mean",
        }
    }

    /// The filtered image, CHW in [0, 1].
    pub fn apply(self, image: &[f32], side: usize, rng: &mut impl Rng) -> Vec<f32> {
        match self {
            Self::Mean => Copy::Mean3.apply(image, side),
            Self::Coarse => Copy::Mean5.apply(image, side),
            Self::NoiseMean => {
                let noisy: Vec<f32> = image.iter().map(|v| (v + NOISE * normal(rng)).clamp(0.0, 1.0)).collect();
                Copy::Mean3.apply(&noisy, side)
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

/// Slope with respect to an image (CHW), of the slope with respect to the copy that `filter` makes of it.
pub fn back_through(filter: Copy, slope: &[f32], side: usize) -> Vec<f32> {
    let (reach, last) = (filter.reach(), side - 1);
    let share = 1.0 / ((2 * reach + 1) * (2 * reach + 1)) as f32;
    // Along lines, then along columns: the mean over a square is one of both.
    let near = |at: usize| (0..=2 * reach).map(move |step| (at + step).saturating_sub(reach).min(last));
    let mut rows = vec![0.0; slope.len()];
    let mut back = vec![0.0; slope.len()];
    for (i, value) in slope.iter().enumerate() {
        near(i % side).for_each(|column| rows[i - i % side + column] += share * value);
    }
    for (i, value) in rows.iter().enumerate() {
        let (plane, row, column) = (i / (side * side) * side, i / side % side, i % side);
        near(row).for_each(|row| back[(plane + row) * side + column] += value);
    }
    back
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..len).map(|_| rng.random()).collect()
    }

    #[test]
    fn the_slope_runs_back_along_the_same_paths() {
        let (x, y) = (noise(1, 2 * 100), noise(2, 2 * 100));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for filter in [Copy::Mean3, Copy::Mean5, Copy::Mean7] {
            assert!((dot(&filter.apply(&x, 10), &y) - dot(&x, &back_through(filter, &y, 10))).abs() < 1e-4);
        }
    }
}
