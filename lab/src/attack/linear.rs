//! Simple decoders from tokens to images: ridge regression to pixels, and the nearest known token's image.

use anyhow::{Context, Result};
use nalgebra::DMatrix;

use super::subjects::{Part, mean};
use crate::train::math::{View, gemm};

/// Anything that turns a token (or whatever took its place) into an image, CHW in about 0..=1.
pub trait Decoder {
    /// The images of these tokens.
    ///
    /// # Errors
    /// Where the device that computes them fails.
    fn decode(&self, tokens: &[Vec<f32>]) -> Result<Vec<Vec<f32>>>;
}

/// Linear regression from centred tokens to pixels with an L2 penalty.
#[derive(Clone)]
pub struct Ridge {
    mean_token: Vec<f32>,
    mean_image: Vec<f32>,
    /// [d, pixels].
    weights: Vec<f32>,
    /// Penalty as a share of the tokens' mean variance.
    pub penalty: f64,
}

impl Ridge {
    /// Fits every penalty on `train` and keeps the one with the least squared error on `val`.
    ///
    /// # Errors
    /// Where there are no images or the tokens are degenerate.
    pub fn fit(train: &Part, val: &Part, penalties: &[f64]) -> Result<Self> {
        let moments = Moments::of(train);
        let mut best: Option<(f64, Self)> = None;
        for penalty in penalties {
            let ridge = moments.solve(*penalty)?;
            let error = squared_error(&ridge.decode(&val.tokens)?, &val.images);
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, ridge));
            }
        }
        Ok(best.context("no penalty to choose from")?.1)
    }
}

impl Decoder for Ridge {
    fn decode(&self, tokens: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let (d, pixels) = (self.mean_token.len(), self.mean_image.len());
        let centred = centre(tokens, &self.mean_token);
        let mut images = self.mean_image.repeat(tokens.len());
        gemm(1.0, View::new(&centred, d), View::new(&self.weights, pixels), 1.0, &mut images, pixels);
        Ok(images.chunks_exact(pixels).map(<[f32]>::to_vec).collect())
    }
}

/// Mean squared difference over all pixels.
pub fn squared_error(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let pixels = a.iter().flatten().zip(b.iter().flatten());
    let sum: f64 = pixels.map(|(a, b)| f64::from(a.clamp(0.0, 1.0) - b).powi(2)).sum();
    sum / (a.len() * a.first().map_or(1, Vec::len)) as f64
}

fn centre(rows: &[Vec<f32>], mean: &[f32]) -> Vec<f32> {
    rows.iter().flat_map(|row| row.iter().zip(mean).map(|(v, m)| v - m)).collect()
}

/// TᵀT and TᵀX of centred tokens T and images X.
struct Moments {
    mean_token: Vec<f32>,
    mean_image: Vec<f32>,
    gram: Vec<f32>,
    cross: Vec<f32>,
}

impl Moments {
    fn of(part: &Part) -> Self {
        let (mean_token, mean_image) = (mean(&part.tokens), mean(&part.images));
        let (d, pixels) = (mean_token.len(), mean_image.len());
        let (mut gram, mut cross) = (vec![0.0; d * d], vec![0.0; d * pixels]);
        for (tokens, images) in part.tokens.chunks(256).zip(part.images.chunks(256)) {
            let (t, x) = (centre(tokens, &mean_token), centre(images, &mean_image));
            let (t, x) = (View::new(&t, d), View::new(&x, pixels));
            gemm(1.0, t.t(), t, 1.0, &mut gram, d);
            gemm(1.0, t.t(), x, 1.0, &mut cross, pixels);
        }
        Self { mean_token, mean_image, gram, cross }
    }

    fn solve(&self, penalty: f64) -> Result<Ridge> {
        let (d, pixels) = (self.mean_token.len(), self.mean_image.len());
        let mut gram = DMatrix::from_iterator(d, d, self.gram.iter().map(|v| f64::from(*v)));
        let level = penalty * gram.trace() / d as f64;
        (0..d).for_each(|i| gram[(i, i)] += level);
        let inverse = gram.cholesky().context("the tokens are degenerate; raise the penalty")?.inverse();
        let inverse: Vec<f32> = inverse.iter().map(|v| *v as f32).collect();
        let mut weights = vec![0.0; d * pixels];
        gemm(1.0, View::new(&inverse, d), View::new(&self.cross, pixels), 0.0, &mut weights, pixels);
        Ok(Ridge { mean_token: self.mean_token.clone(), mean_image: self.mean_image.clone(), weights, penalty })
    }
}

/// The image whose token is nearest among known ones.
pub struct Nearest<'a>(pub &'a Part);

impl Decoder for Nearest<'_> {
    fn decode(&self, tokens: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let nearest = |token: &Vec<f32>| {
            let known = (0..self.0.len()).map(|i| (distance(token, &self.0.tokens[i]), i));
            known.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, i)| i)
        };
        Ok(tokens.iter().map(|token| self.0.images[nearest(token)].clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::params::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Images that are linear in their tokens, and as many values of noise.
    fn linear(seed: u64, noise: f32) -> Part {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut part = Part::default();
        for _ in 0..200 {
            let token: Vec<f32> = (0..6).map(|_| normal(&mut rng)).collect();
            let pixel = |i: usize| 0.5 + 0.05 * (token[i % 6] - token[(i + 2) % 6]);
            part.images.push((0..16).map(|i| pixel(i) + noise * normal(&mut rng)).collect());
            part.tokens.push(token);
        }
        part
    }

    #[test]
    fn ridge_finds_a_linear_relation_and_its_penalty() {
        let (train, val) = (linear(1, 0.0), linear(2, 0.0));
        let ridge = Ridge::fit(&train, &val, &[1e-6, 1.0, 100.0]).unwrap();
        assert_eq!(ridge.penalty, 1e-6);
        assert!(squared_error(&ridge.decode(&val.tokens).unwrap(), &val.images) < 1e-6);
    }

    #[test]
    fn ridge_on_unrelated_tokens_is_the_mean_image() {
        let shuffle = |mut part: Part| {
            part.tokens.rotate_left(7);
            part
        };
        let (train, val) = (shuffle(linear(1, 0.1)), shuffle(linear(2, 0.1)));
        let ridge = Ridge::fit(&train, &val, &[1e-3, 1.0, 1e4]).unwrap();
        let flat = vec![mean(&train.images); val.images.len()];
        let (found, chance) =
            (squared_error(&ridge.decode(&val.tokens).unwrap(), &val.images), squared_error(&flat, &val.images));
        assert!(ridge.penalty == 1e4 && (found / chance - 1.0).abs() < 0.01, "{found} {chance}");
    }

    #[test]
    fn a_known_token_gives_its_own_image() {
        let part = linear(3, 0.0);
        assert_eq!(Nearest(&part).decode(&part.tokens[5..6]).unwrap()[0], part.images[5]);
    }
}
