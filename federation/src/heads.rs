//! Linear heads in closed form from statistics, and nothing but the statistics.
//!
//! The arithmetic is IEEE basic operations, square roots and [`libm::log`] in a fixed order: the same integers give the same head on
//! every machine, bit for bit. A head acts on *quantised* tokens: `logit[c] = Σ weights[c, i] · x[i] + bias[c]` with integers `x`.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use crate::{FederationError, statistics::Statistics};

/// Largest absolute integer weight, as encrypted inference takes it.
pub const WEIGHT_LIMIT: i16 = 255;

/// Shrinkage that published heads use. Chosen once on validation images; a round has none to choose with.
pub const SHRINKAGE: f64 = 0.01;

/// A linear head on quantised tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Number of classes.
    pub classes: usize,
    /// Width of a token.
    pub dim: usize,
    /// Weights for one quantised step, row-major `[classes, dim]`; each column sums to zero over the classes.
    pub weights: Vec<f64>,
    /// Bias `[classes]`; sums to zero.
    pub bias: Vec<f64>,
}

/// A head in integers, as it runs on ciphertexts. A logit in the head's own scale is the integer times `step`.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerHead {
    /// Weights within ±255, row-major `[classes, dim]`.
    pub weights: Vec<i16>,
    /// Bias `[classes]`.
    pub bias: Vec<i64>,
    /// Value of one step of an integer logit.
    pub step: f64,
}

impl Head {
    /// Logits `[classes]` of a quantised token `[dim]`.
    pub fn logits(&self, token: &[i16]) -> Vec<f64> {
        let product = |row: &[f64]| row.iter().zip(token).map(|(w, x)| w * f64::from(*x)).sum::<f64>();
        self.weights.chunks_exact(self.dim).zip(&self.bias).map(|(row, bias)| product(row) + bias).collect()
    }

    /// The head rounded to integers, the largest weight to ±255. For LDA, `step` is the calibrated logit of one step: what a model
    /// card calls `logit_scale`. The weight scale of the pack's head is `step` over the token quantiser's scale.
    ///
    /// # Errors
    /// [`FederationError::Singular`] where all weights are zero.
    pub fn to_integers(&self) -> Result<IntegerHead, FederationError> {
        let largest = self.weights.iter().fold(0.0f64, |most, w| most.max(w.abs()));
        let step = largest / f64::from(WEIGHT_LIMIT);
        if !step.is_normal() {
            return Err(FederationError::Singular);
        }
        let weights = self.weights.iter().map(|w| libm::round(w / step) as i16).collect();
        let bias = self.bias.iter().map(|b| libm::round(b / step) as i64).collect();
        Ok(IntegerHead { weights, bias, step })
    }

    /// A head whose classes' weights and biases sum to zero: the softmax is the same, and no integer carries a common part.
    fn centred(dim: usize, rows: &[DVector<f64>], bias: &[f64]) -> Self {
        let classes = rows.len() as f64;
        let mean: DVector<f64> = rows.iter().fold(DVector::zeros(dim), |sum, row| sum + row) / classes;
        let mean_bias = bias.iter().sum::<f64>() / classes;
        let weights = rows.iter().flat_map(|row| (row - &mean).data.as_vec().clone()).collect();
        Self { classes: rows.len(), dim, weights, bias: bias.iter().map(|b| b - mean_bias).collect() }
    }
}

/// Linear discriminant analysis: classes are Gaussians of one covariance `S`, the within-class covariance shrunk towards its mean
/// variance, `(1 − s) W/n + s tr(W)/(n d) I`. Then `w[c] = S⁻¹ μ[c]` and `b[c] = ln(n[c]/n) − μ[c]·w[c]/2`.
///
/// Scale of the logits: natural logarithms. Up to a common constant they are the log-posteriors of the model, whose prior are the class
/// frequencies of the sum. Their softmax is calibrated as far as the summed tokens are like new ones; they are not where the encoder
/// itself was trained on the same images (it separates those better), and then a temperature has to be fitted on held-out images.
///
/// # Errors
/// [`FederationError::OutOfRange`] for a shrinkage outside 0..=1, [`FederationError::EmptyClass`] for a class without images (with
/// noise: without a positive count), [`FederationError::Singular`] where `S` cannot be inverted.
pub fn lda(statistics: &Statistics, shrinkage: f64) -> Result<Head, FederationError> {
    if !(0.0..=1.0).contains(&shrinkage) {
        return Err(FederationError::OutOfRange { what: "the shrinkage", value: shrinkage, range: "0..=1" });
    }
    let (counts, n) = counts(statistics)?;
    let dim = statistics.shape().dim();
    let means: Vec<DVector<f64>> = counts.iter().enumerate().map(|(c, count)| sums(statistics, c) / *count).collect();
    let mut scatter = moments(statistics);
    for (mean, count) in means.iter().zip(&counts) {
        scatter.ger(-count, mean, mean, 1.0);
    }
    let variance = scatter.trace() / (n * dim as f64);
    scatter *= (1.0 - shrinkage) / n;
    let factor = factor(scatter, shrinkage * variance)?;
    let rows: Vec<DVector<f64>> = means.iter().map(|mean| factor.solve(mean)).collect();
    let bias = |c: usize| libm::log(counts[c] / n) - rows[c].dot(&means[c]) / 2.0;
    let bias: Vec<f64> = (0..counts.len()).map(bias).collect();
    Ok(Head::centred(dim, &rows, &bias))
}

/// Ridge regression on one-hot classes with a free intercept: minimises `Σ ‖W x + b − y‖² + λ n τ ‖W‖²`, where `τ` is the tokens' mean
/// variance, so that `λ` has no unit.
///
/// Scale of the logits: estimates of the one-hot targets, about 0 to 1 before centring. They rank classes; for probabilities a
/// temperature has to be fitted on held-out images.
///
/// # Errors
/// [`FederationError::OutOfRange`] for a negative or non-finite `lambda`; else as [`lda`].
pub fn ridge(statistics: &Statistics, lambda: f64) -> Result<Head, FederationError> {
    if !(lambda.is_finite() && lambda >= 0.0) {
        return Err(FederationError::OutOfRange { what: "lambda", value: lambda, range: "0 and above" });
    }
    let (counts, n) = counts(statistics)?;
    let dim = statistics.shape().dim();
    let sums: Vec<DVector<f64>> = (0..counts.len()).map(|c| sums(statistics, c)).collect();
    let total: DVector<f64> = sums.iter().fold(DVector::zeros(dim), |all, sum| all + sum);
    let mut scatter = moments(statistics);
    scatter.ger(-1.0 / n, &total, &total, 1.0);
    let variance = scatter.trace() / (n * dim as f64);
    let factor = factor(scatter, lambda * n * variance)?;
    let rows: Vec<DVector<f64>> =
        sums.iter().zip(&counts).map(|(sum, count)| factor.solve(&(sum - &total * (count / n)))).collect();
    let bias: Vec<f64> = rows.iter().zip(&counts).map(|(row, count)| (count - row.dot(&total)) / n).collect();
    Ok(Head::centred(dim, &rows, &bias))
}

/// Counts as floats, and their sum.
fn counts(statistics: &Statistics) -> Result<(Vec<f64>, f64), FederationError> {
    if let Some(class) = statistics.counts().iter().position(|count| *count <= 0) {
        return Err(FederationError::EmptyClass { class });
    }
    let counts: Vec<f64> = statistics.counts().iter().map(|count| *count as f64).collect();
    let n = counts.iter().sum();
    Ok((counts, n))
}

fn sums(statistics: &Statistics, class: usize) -> DVector<f64> {
    DVector::from_iterator(statistics.shape().dim(), statistics.sums(class).iter().map(|sum| *sum as f64))
}

fn moments(statistics: &Statistics) -> DMatrix<f64> {
    let dim = statistics.shape().dim();
    DMatrix::from_fn(dim, dim, |i, j| statistics.moment(i, j) as f64)
}

/// Least pivot, in parts of the largest diagonal value: what is below it is rounding, not variance.
const LEAST_PIVOT: f64 = 1e-12;

/// Factor of `matrix + ridge · I`.
fn factor(mut matrix: DMatrix<f64>, ridge: f64) -> Result<Cholesky<f64, Dyn>, FederationError> {
    for i in 0..matrix.nrows() {
        matrix[(i, i)] += ridge;
    }
    let least = LEAST_PIVOT * matrix.diagonal().max();
    let factor = Cholesky::new(matrix).ok_or(FederationError::Singular)?;
    let sound = factor.l_dirty().diagonal().iter().all(|pivot| pivot * pivot > least);
    if sound { Ok(factor) } else { Err(FederationError::Singular) }
}
