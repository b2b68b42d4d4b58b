//! Heads fitted on CLS tokens in closed form or by convex optimisation, and the temperature of their logits.

use anyhow::{Context, Result, ensure};
use models::LinearHead;

use crate::metrics;

/// CLS tokens [n, d], one row an image, with their classes.
pub struct Tokens {
    /// Rows.
    pub rows: Vec<Vec<f32>>,
    /// Class of each row.
    pub classes: Vec<usize>,
    /// Number of classes.
    pub count: usize,
}

impl Tokens {
    fn dim(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    fn means(&self) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
        let mut means = vec![vec![0.0; self.dim()]; self.count];
        let mut counts = vec![0.0; self.count];
        for (row, class) in self.rows.iter().zip(&self.classes) {
            counts[*class] += 1.0;
            means[*class].iter_mut().zip(row).for_each(|(m, v)| *m += f64::from(*v));
        }
        ensure!(counts.iter().all(|c| *c > 0.0), "every class needs at least one image");
        for (mean, count) in means.iter_mut().zip(&counts) {
            mean.iter_mut().for_each(|m| *m /= count);
        }
        Ok((means, counts))
    }
}

/// Linear discriminant analysis with the pooled covariance shrunk towards its mean variance by `shrink` (0..=1).
///
/// # Errors
/// Where a class is empty or the covariance cannot be inverted.
pub fn lda(tokens: &Tokens, shrink: f64) -> Result<LinearHead> {
    let d = tokens.dim();
    let (means, counts) = tokens.means()?;
    let mut covariance = vec![0.0; d * d];
    for (row, class) in tokens.rows.iter().zip(&tokens.classes) {
        let centred: Vec<f64> = row.iter().zip(&means[*class]).map(|(v, m)| f64::from(*v) - m).collect();
        for (i, a) in centred.iter().enumerate() {
            covariance[i * d..i * d + i + 1].iter_mut().zip(&centred).for_each(|(c, b)| *c += a * b);
        }
    }
    let n = tokens.rows.len() as f64;
    let mean_variance = (0..d).map(|i| covariance[i * d + i]).sum::<f64>() / d as f64 / n;
    for i in 0..d {
        for j in 0..=i {
            let target = if i == j { mean_variance } else { 0.0 };
            let value = (1.0 - shrink) * covariance[i * d + j] / n + shrink * target;
            covariance[i * d + j] = value;
            covariance[j * d + i] = value;
        }
    }
    let factor = cholesky(&covariance, d).context("the covariance of the CLS tokens is singular; shrink it more")?;
    let (mut weights, mut bias) = (Vec::with_capacity(tokens.count * d), Vec::with_capacity(tokens.count));
    for (mean, count) in means.iter().zip(&counts) {
        let direction = solve(&factor, d, mean);
        let half: f64 = direction.iter().zip(mean).map(|(w, m)| w * m).sum::<f64>() / 2.0;
        bias.push((count / n).ln() - half);
        weights.extend(direction);
    }
    centred_head(d, &weights, &bias)
}

/// Multinomial logistic regression with an L2 penalty `l2` on standardised tokens, by gradient descent with momentum.
///
/// # Errors
/// Where a class is empty.
pub fn logistic(tokens: &Tokens, l2: f64) -> Result<LinearHead> {
    let (d, classes) = (tokens.dim(), tokens.count);
    tokens.means()?;
    let (mean, scale) = standardise(tokens);
    let rows: Vec<Vec<f64>> = tokens
        .rows
        .iter()
        .map(|row| row.iter().zip(mean.iter().zip(&scale)).map(|(v, (m, s))| (f64::from(*v) - m) * s).collect())
        .collect();
    let n = rows.len() as f64;
    let (mut weights, mut bias) = (vec![0.0; classes * d], vec![0.0; classes]);
    let (mut speed, mut bias_speed) = (weights.clone(), bias.clone());
    // The Hessian of the mean loss is at most trace(cov)/2 = d/2, so this step never overshoots.
    let step = 1.0 / (d as f64 / 2.0 + l2);
    for _ in 0..600 {
        let (mut slope, mut bias_slope) = (weights.iter().map(|w| l2 * w).collect::<Vec<f64>>(), vec![0.0; classes]);
        for (row, class) in rows.iter().zip(&tokens.classes) {
            let logits: Vec<f64> = (0..classes).map(|c| dot(&weights[c * d..(c + 1) * d], row) + bias[c]).collect();
            for (c, p) in softmax(&logits).into_iter().enumerate() {
                let error = (p - f64::from(u8::from(c == *class))) / n;
                bias_slope[c] += error;
                slope[c * d..(c + 1) * d].iter_mut().zip(row).for_each(|(s, v)| *s += error * v);
            }
        }
        descend(&mut weights, &mut speed, &slope, step);
        descend(&mut bias, &mut bias_speed, &bias_slope, step);
    }
    for (class, weights) in weights.chunks_exact_mut(d).enumerate() {
        weights.iter_mut().zip(&scale).for_each(|(w, s)| *w *= s);
        bias[class] -= dot(weights, &mean);
    }
    centred_head(d, &weights, &bias)
}

fn descend(x: &mut [f64], speed: &mut [f64], slope: &[f64], step: f64) {
    for ((x, v), s) in x.iter_mut().zip(speed).zip(slope) {
        *v = 0.95 * *v - step * s;
        *x += *v;
    }
}

/// Mean and inverse deviation of each dimension.
fn standardise(tokens: &Tokens) -> (Vec<f64>, Vec<f64>) {
    let n = tokens.rows.len() as f64;
    let sum = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        let mut sums = vec![0.0; tokens.dim()];
        for row in &tokens.rows {
            sums.iter_mut().zip(row).enumerate().for_each(|(i, (s, v))| *s += f(i, f64::from(*v)));
        }
        sums
    };
    let mean: Vec<f64> = sum(&|_, v| v).into_iter().map(|s| s / n).collect();
    let squares = sum(&|i, v| (v - mean[i]).powi(2));
    let scale = squares.into_iter().map(|s| 1.0 / (s / n).sqrt().max(1e-6)).collect();
    (mean, scale)
}

/// A head whose classes' weights sum to zero: the softmax is the same, and the integers have no common part to carry.
fn centred_head(d: usize, weights: &[f64], bias: &[f64]) -> Result<LinearHead> {
    let classes = bias.len();
    let mean = |i: usize| (0..classes).map(|c| weights[c * d + i]).sum::<f64>() / classes as f64;
    let means: Vec<f64> = (0..d).map(mean).collect();
    let mean_bias = bias.iter().sum::<f64>() / classes as f64;
    let weights = weights.iter().enumerate().map(|(i, w)| (w - means[i % d]) as f32).collect();
    let bias = bias.iter().map(|b| (b - mean_bias) as f32).collect();
    Ok(LinearHead::new(d, weights, bias)?)
}

/// A head from given weights [classes, d] and bias, centred as the fitted ones are.
///
/// # Errors
/// Where the sizes do not fit.
pub fn given(weights: &[f32], bias: &[f32]) -> Result<LinearHead> {
    let wide = |x: &[f32]| x.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    centred_head(weights.len() / bias.len(), &wide(weights), &wide(bias))
}

/// Softmax of `logits`.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = logits.iter().map(|l| (l - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// The factor of the logits that makes the true classes likeliest, between 1e-3 and 1e3 times `around`; golden-section search.
pub fn best_scale(logits: &[Vec<f64>], truth: &[usize], around: f64) -> f64 {
    let loss = |log: f64| {
        let scale = around * log.exp();
        let scaled = |row: &Vec<f64>| softmax(&row.iter().map(|l| l * scale).collect::<Vec<f64>>());
        metrics::nll(&logits.iter().map(scaled).collect::<Vec<_>>(), truth)
    };
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-(1e3f64.ln()), 1e3f64.ln());
    for _ in 0..60 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(a) < loss(b) { high = b } else { low = a }
    }
    around * ((low + high) / 2.0).exp()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Lower factor of a symmetric positive matrix [d, d].
fn cholesky(matrix: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let rest = matrix[i * d + j] - dot(&l[i * d..i * d + j], &l[j * d..j * d + j]);
            if i == j {
                if rest <= 0.0 {
                    return None;
                }
                l[i * d + i] = rest.sqrt();
            } else {
                l[i * d + j] = rest / l[j * d + j];
            }
        }
    }
    Some(l)
}

/// Solves `L Lᵀ x = b`.
fn solve(l: &[f64], d: usize, b: &[f64]) -> Vec<f64> {
    let mut x = b.to_vec();
    for i in 0..d {
        x[i] = (x[i] - dot(&l[i * d..i * d + i], &x[..i])) / l[i * d + i];
    }
    for i in (0..d).rev() {
        let rest: f64 = (i + 1..d).map(|j| l[j * d + i] * x[j]).sum();
        x[i] = (x[i] - rest) / l[i * d + i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::params::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Two Gaussian clouds of variances 1 and 4, apart along the first axis.
    fn clouds() -> Tokens {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut row = |i: usize| vec![normal(&mut rng) + if i % 2 == 1 { 3.0 } else { 0.0 }, 2.0 * normal(&mut rng)];
        let rows = (0..4000).map(&mut row).collect();
        Tokens { rows, classes: (0..4000).map(|i| i % 2).collect(), count: 2 }
    }

    /// For equal covariances Σ the Bayes rule is w = Σ⁻¹(μ₁ − μ₀) = (3, 0), bias −4.5.
    fn is_bayes(head: &LinearHead, tolerance: f32) {
        let w = head.weights();
        let (x, y, b) = (w[2] - w[0], w[3] - w[1], head.bias()[1] - head.bias()[0]);
        assert!((x - 3.0).abs() < tolerance && y.abs() < tolerance && (b + 4.5).abs() < 2.0 * tolerance, "{x} {y} {b}");
    }

    #[test]
    fn both_fits_find_the_bayes_rule_of_two_gaussians() {
        is_bayes(&lda(&clouds(), 0.0).unwrap(), 0.2);
        is_bayes(&logistic(&clouds(), 1e-5).unwrap(), 0.4);
    }

    #[test]
    fn an_empty_class_is_refused() {
        let tokens = Tokens { count: 3, ..clouds() };
        assert!(lda(&tokens, 0.1).is_err() && logistic(&tokens, 0.1).is_err());
    }

    #[test]
    fn the_temperature_undoes_a_wrong_scale() {
        // Three of four are right at a margin of one: the best margin is ln 3.
        let logits = vec![vec![0.0, 1.0]; 4];
        let scale = best_scale(&logits, &[1, 1, 1, 0], 10.0);
        assert!((scale - 3f64.ln()).abs() < 1e-3, "{scale}");
    }
}
