//! Accuracy of the one-shot head under differential privacy.

use anyhow::Result;
use federation::{
    heads::lda,
    privacy::{Noise, Shares, mu},
    statistics::{Shape, Statistics},
};
use serde::{Deserialize, Serialize};

use super::compare::Data;
use crate::metrics;

/// By how many spectral norms of the noise LDA raises the diagonal: with three, the noise changes no direction's variance by more than
/// a third.
const RAISE: i64 = 3;

/// Shares for the nearest-mean head, which reads of the second moments only the trace.
const FOR_MEANS: Shares = Shares { counts: 0.1, sums: 0.85, moments: 0.05 };

/// Accuracies at one ε, over draws of the noise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoisyPoint {
    /// ε for one image.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
    /// μ of the round.
    pub mu: f64,
    /// Test accuracies of LDA, its diagonal raised well above the noise, one a draw.
    pub lda: Vec<f64>,
    /// Test accuracies of the nearest mean (LDA of full shrinkage), its noise mostly spent on the means.
    pub means: Vec<f64>,
}

/// What the noise is made for.
#[derive(Clone, Copy)]
pub struct Setting {
    /// Sites that contribute.
    pub sites: u16,
    /// Honest sites that are certain to be among them.
    pub honest: u16,
    /// δ.
    pub delta: f64,
    /// Shrinkage of LDA.
    pub shrinkage: f64,
    /// Draws of the noise.
    pub draws: usize,
}

/// Accuracies at `epsilon`. The statistics are pooled before the sites' noise is added: the same sum.
///
/// # Errors
/// Where ε or δ is out of range or the system gives no randomness.
pub fn noisy_point(data: &Data, setting: Setting, epsilon: f64) -> Result<NoisyPoint> {
    let cost = mu(epsilon, setting.delta)?;
    let pooled = data.train.statistics(data.shape)?;
    let mut point = NoisyPoint { epsilon, delta: setting.delta, mu: cost, lda: Vec::new(), means: Vec::new() };
    for _ in 0..setting.draws {
        let noise = Noise::derive(data.shape, cost, Shares::EVEN, setting.honest)?;
        let mut sum = noisy(&pooled, data.shape, &noise, setting.sites)?;
        sum.raise_diagonal(RAISE * noise.spectral_norm(data.shape, setting.sites));
        point.lda.push(accuracy(data, &sum, setting.shrinkage)?);
        let noise = Noise::derive(data.shape, cost, FOR_MEANS, setting.honest)?;
        let mut sum = noisy(&pooled, data.shape, &noise, setting.sites)?;
        // The trace may have become negative; full shrinkage needs a positive one.
        sum.raise_diagonal(noise.spectral_norm(data.shape, setting.sites));
        point.means.push(accuracy(data, &sum, 1.0)?);
    }
    Ok(point)
}

fn noisy(pooled: &Statistics, shape: Shape, noise: &Noise, sites: u16) -> Result<Statistics> {
    let mut values = pooled.to_values();
    for _ in 0..sites {
        noise.add_part(shape, &mut values)?;
    }
    Ok(Statistics::from_values(shape, values)?)
}

/// Test accuracy of LDA; where the noise left no usable statistics, that of always answering the commonest training class.
fn accuracy(data: &Data, sum: &Statistics, shrinkage: f64) -> Result<f64> {
    let Ok(head) = lda(sum, shrinkage) else {
        let counts = data.train.counts(data.shape.classes());
        let common = metrics::top(&counts);
        return Ok(metrics::accuracy(&vec![common; data.test.classes.len()], &data.test.classes));
    };
    let probabilities = data.test.probabilities(&head)?;
    let answers: Vec<usize> = probabilities.iter().map(|p| metrics::top(p)).collect();
    Ok(metrics::accuracy(&answers, &data.test.classes))
}
