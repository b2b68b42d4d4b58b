//! Principal components of many rows, by subspace iteration (Halko, Martinsson and Tropp 2011): only the leading ones are needed.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::train::params::normal;

/// Passes over the rows; variances fall quickly in images.
const PASSES: usize = 6;
/// One row in so many is kept to measure variances by: on the rows that gave the axes, what is left outside them looks too small.
const HELD_OUT: usize = 4;
/// No direction is given a smaller variance: images have flat places, and a Gaussian without width fits nothing.
const FLOOR: f32 = 1e-5;

/// A Gaussian of low rank: `mean + Σ z_i axis_i + rest`, with z_i of variance `variances[i]`.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Mean row, [d].
    pub mean: Array1<f32>,
    /// Orthonormal axes, [rank, d].
    pub axes: Array2<f32>,
    /// Variance along each axis.
    pub variances: Vec<f32>,
    /// Variance of each value outside the axes.
    pub rest: f32,
}

impl Principal {
    /// Fits the rows [n, d] with at most `rank` axes.
    pub fn fit(rows: &Array2<f32>, rank: usize) -> Self {
        let (count, dim) = rows.dim();
        let rank = rank.min((count - count / HELD_OUT).saturating_sub(1)).min(dim);
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(dim));
        let (held, learnt): (Vec<usize>, Vec<usize>) = (0..count).partition(|row| row % HELD_OUT == 0);
        let part = |indices: &[usize]| rows.select(Axis(0), indices) - &mean;
        let (held, learnt) = (part(&held), part(&learnt));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut axes = Array2::from_shape_fn((rank, dim), |_| normal(&mut rng));
        for _ in 0..PASSES {
            orthonormalise(&mut axes);
            axes = axes.dot(&learnt.t()).dot(&learnt);
        }
        orthonormalise(&mut axes);
        let axes = along_variance(&axes, &learnt);
        let scores = held.dot(&axes.t());
        let variances = scores.mapv(|z| z * z).mean_axis(Axis(0)).map_or_else(Vec::new, |squares| squares.to_vec());
        let total = held.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() as f32 / held.nrows() as f32;
        let rest = (total - variances.iter().sum::<f32>()) / (dim - rank).max(1) as f32;
        let floor = |variance: f32| variance.max(FLOOR);
        Self { mean, axes, variances: variances.into_iter().map(floor).collect(), rest: floor(rest) }
    }

    /// Log-likelihood of each of the `rows` [n, d] with white noise of this variance added, but for a constant that is the same for
    /// all Gaussians of this dimension.
    pub fn log_likelihood(&self, rows: &Array2<f32>, noise: f32) -> Vec<f64> {
        let centred = rows - &self.mean;
        let scores = centred.dot(&self.axes.t());
        let rest = f64::from(self.rest + noise);
        let widths: Vec<f64> = self.variances.iter().map(|v| f64::from(v + noise)).collect();
        let free = (self.mean.len() - widths.len()) as f64;
        let volume = widths.iter().map(|w| w.ln()).sum::<f64>() + free * rest.ln();
        let one = |(row, scores): (ArrayView1<f32>, ArrayView1<f32>)| {
            let inside: f64 = scores.iter().map(|z| f64::from(*z).powi(2)).sum();
            let along: f64 = scores.iter().zip(&widths).map(|(z, w)| f64::from(*z).powi(2) / w).sum();
            let outside = (f64::from(row.dot(&row)) - inside).max(0.0);
            -0.5 * (along + outside / rest + volume)
        };
        centred.outer_iter().zip(scores.outer_iter()).map(one).collect()
    }

    /// The expected row behind a noised one, [d] (the Wiener filter of this Gaussian).
    pub fn denoise(&self, row: &[f32], noise: f32) -> Vec<f32> {
        let centred = ArrayView1::from(row).to_owned() - &self.mean;
        let rest = self.rest / (self.rest + noise);
        let mut scores = self.axes.dot(&centred);
        scores.iter_mut().zip(&self.variances).for_each(|(z, v)| *z *= v / (v + noise) - rest);
        (&self.mean + &(centred * rest) + self.axes.t().dot(&scores)).to_vec()
    }
}

/// The same space with axes along which the rows vary independently, by falling variance.
fn along_variance(axes: &Array2<f32>, rows: &Array2<f32>) -> Array2<f32> {
    let (rank, scores) = (axes.nrows(), axes.dot(&rows.t()));
    let covariance = scores.dot(&scores.t());
    let eigen = SymmetricEigen::new(DMatrix::from_fn(rank, rank, |i, j| f64::from(covariance[[i, j]])));
    let mut order: Vec<usize> = (0..rank).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    Array2::from_shape_fn((rank, rank), |(i, j)| eigen.eigenvectors[(j, order[i])] as f32).dot(axes)
}

/// Gram and Schmidt, twice: once is not enough in single precision.
fn orthonormalise(axes: &mut Array2<f32>) {
    for _ in 0..2 {
        for index in 0..axes.nrows() {
            let (before, mut rest) = axes.view_mut().split_at(Axis(0), index);
            let mut axis = rest.row_mut(0);
            let shares = before.dot(&axis);
            axis -= &before.t().dot(&shares);
            let length = axis.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            axis /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows along two known directions with deviations 3 and 1, and 0.1 everywhere.
    fn rows() -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut rows = Array2::from_shape_fn((4000, 12), |_| 0.1 * normal(&mut rng));
        for mut row in rows.outer_iter_mut() {
            row[3] += 5.0 + 3.0 * normal(&mut rng);
            row[7] += normal(&mut rng);
        }
        rows
    }

    #[test]
    fn known_axes_and_variances_are_found() {
        let found = Principal::fit(&rows(), 2);
        assert!(found.axes[[0, 3]].abs() > 0.999 && found.axes[[1, 7]].abs() > 0.999);
        assert!((found.variances[0] - 9.01).abs() < 0.5 && (found.variances[1] - 1.01).abs() < 0.1, "{:?}", found.variances);
        assert!((found.rest - 0.01).abs() < 0.001 && (found.mean[3] - 5.0).abs() < 0.2);
    }

    #[test]
    fn the_likelihood_is_that_of_the_full_covariance() {
        let model = Principal::fit(&rows(), 2);
        let noise = 0.3;
        let covariance = DMatrix::from_fn(12, 12, |i, j| {
            let along = |k: usize| f64::from((model.variances[k] - model.rest) * model.axes[[k, i]] * model.axes[[k, j]]);
            along(0) + along(1) + if i == j { f64::from(model.rest + noise) } else { 0.0 }
        });
        let row = rows().select(ndarray::Axis(0), &[0]);
        let centred = nalgebra::DVector::from_iterator(12, (&row.row(0) - &model.mean).iter().map(|v| f64::from(*v)));
        let square = centred.dot(&(covariance.clone().try_inverse().unwrap() * &centred));
        let wanted = -0.5 * (square + covariance.determinant().ln());
        assert!((model.log_likelihood(&row, noise)[0] - wanted).abs() < 1e-3);
    }

    #[test]
    fn denoising_brings_rows_nearer() {
        let (clean, mut rng) = (rows(), ChaCha8Rng::seed_from_u64(3));
        let model = Principal::fit(&clean, 2);
        let distance = |a: &[f32], b: ArrayView1<f32>| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let (mut before, mut after) = (0.0, 0.0);
        for row in clean.outer_iter().take(100) {
            let noised: Vec<f32> = row.iter().map(|v| v + 0.5 * normal(&mut rng)).collect();
            before += distance(&noised, row);
            after += distance(&model.denoise(&noised, 0.25), row);
        }
        assert!(after < 0.25 * before, "{before} {after}");
    }
}
