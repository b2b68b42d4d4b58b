//! FedAvg of a linear head (McMahan and others 2017), through the fixed-point updates that the aggregation sums.

use anyhow::Result;
use federation::{heads::Head, update::HEAD_UPDATE};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::tokens::Tokens;
use crate::fit::softmax;

/// Real value of a quantised step, so that a token's entries are about 1: public, and the same everywhere.
const INPUT_SCALE: f64 = 1.0 / 64.0;

/// How sites learn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Rounds.
    pub rounds: u32,
    /// Passes over a site's images in a round.
    pub local_epochs: u32,
    /// Images in a step.
    pub batch: usize,
    /// Learning rate.
    pub lr: f64,
    /// Weight decay.
    pub decay: f64,
}

/// Sites' tokens, and the model they share: weights [classes][dim] for scaled tokens, then biases.
pub struct FedAvg {
    sites: Vec<Tokens>,
    settings: Settings,
    classes: usize,
    dim: usize,
    model: Vec<f64>,
    rng: ChaCha8Rng,
}

impl FedAvg {
    /// A model of zeros.
    pub fn new(sites: Vec<Tokens>, classes: usize, dim: usize, settings: Settings, seed: u64) -> Self {
        let model = vec![0.0; classes * (dim + 1)];
        Self { sites, settings, classes, dim, model, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The values that each site contributes to the next round.
    ///
    /// # Errors
    /// Where an update is not finite.
    pub fn contributions(&mut self) -> Result<Vec<Vec<i64>>> {
        let mut all = Vec::new();
        for site in 0..self.sites.len() {
            let trained = self.local(site);
            let update: Vec<f64> = trained.iter().zip(&self.model).map(|(new, old)| new - old).collect();
            all.push(HEAD_UPDATE.to_values(&update, self.sites[site].rows.len() as u32)?);
        }
        Ok(all)
    }

    /// Takes the opened sum in.
    ///
    /// # Errors
    /// Where the sum is of another length.
    pub fn apply(&mut self, sum: &[i64]) -> Result<()> {
        let mean = HEAD_UPDATE.mean(sum)?;
        anyhow::ensure!(mean.len() == self.model.len(), "the sum has another length than the model");
        self.model.iter_mut().zip(mean).for_each(|(value, step)| *value += step);
        Ok(())
    }

    /// One round, its integers added in the clear: the aggregation opens exactly this sum.
    ///
    /// # Errors
    /// As [`Self::contributions`].
    pub fn round(&mut self) -> Result<()> {
        let contributions = self.contributions()?;
        let sum: Vec<i64> = (0..contributions[0].len()).map(|i| contributions.iter().map(|c| c[i]).sum()).collect();
        self.apply(&sum)
    }

    /// The model as a head on quantised tokens.
    pub fn head(&self) -> Head {
        let (weights, bias) = self.model.split_at(self.classes * self.dim);
        let weights = weights.iter().map(|w| w * INPUT_SCALE).collect();
        Head { classes: self.classes, dim: self.dim, weights, bias: bias.to_vec() }
    }

    /// A site's model after its local passes of stochastic gradient descent on the cross-entropy.
    fn local(&mut self, site: usize) -> Vec<f64> {
        let mut model = self.model.clone();
        let tokens = &self.sites[site];
        let mut order: Vec<usize> = (0..tokens.rows.len()).collect();
        for _ in 0..self.settings.local_epochs {
            order.shuffle(&mut self.rng);
            for batch in order.chunks(self.settings.batch) {
                let slope = gradient(&model, tokens, batch, self.classes, self.dim);
                let Settings { lr, decay, .. } = self.settings;
                model.iter_mut().zip(slope).for_each(|(value, slope)| *value -= lr * (slope + decay * *value));
            }
        }
        model
    }
}

/// Mean gradient of the cross-entropy over a batch.
fn gradient(model: &[f64], tokens: &Tokens, batch: &[usize], classes: usize, dim: usize) -> Vec<f64> {
    let (weights, bias) = model.split_at(classes * dim);
    let mut slope = vec![0.0; model.len()];
    let part = 1.0 / batch.len() as f64;
    for image in batch {
        let row: Vec<f64> = tokens.rows[*image].iter().map(|x| f64::from(*x) * INPUT_SCALE).collect();
        let logit = |c: usize| weights[c * dim..][..dim].iter().zip(&row).map(|(w, x)| w * x).sum::<f64>() + bias[c];
        let probabilities = softmax(&(0..classes).map(logit).collect::<Vec<f64>>());
        for (c, p) in probabilities.into_iter().enumerate() {
            let error = (p - f64::from(u8::from(c == tokens.classes[*image]))) * part;
            slope[c * dim..][..dim].iter_mut().zip(&row).for_each(|(s, x)| *s += error * x);
            slope[classes * dim + c] += error;
        }
    }
    slope
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(class: usize, count: usize) -> Tokens {
        let row = |i: usize| vec![if class == 0 { -60 } else { 60 } + (i % 7) as i16, (i % 5) as i16];
        Tokens { rows: (0..count).map(row).collect(), classes: vec![class; count], groups: vec![String::new(); count] }
    }

    const SETTINGS: Settings = Settings { rounds: 20, local_epochs: 1, batch: 8, lr: 0.1, decay: 0.0 };

    #[test]
    fn sites_of_one_class_each_learn_to_tell_both_apart() -> Result<()> {
        let mut learning = FedAvg::new(vec![cloud(0, 40), cloud(1, 24)], 2, 2, SETTINGS, 1);
        for _ in 0..SETTINGS.rounds {
            learning.round()?;
        }
        let head = learning.head();
        for (class, x) in [(0, -57), (1, 63)] {
            let logits = head.logits(&[x, 2]);
            assert!(logits[class] > logits[1 - class]);
        }
        Ok(())
    }

    #[test]
    fn a_round_applies_the_sum_that_was_contributed() -> Result<()> {
        let start = || FedAvg::new(vec![cloud(0, 40), cloud(1, 24)], 2, 2, SETTINGS, 1);
        let (mut whole, mut steps) = (start(), start());
        whole.round()?;
        let parts = steps.contributions()?;
        let sum: Vec<i64> = parts[0].iter().zip(&parts[1]).map(|(a, b)| a + b).collect();
        steps.apply(&sum)?;
        assert_eq!(whole.head(), steps.head());
        assert!(steps.apply(&sum[1..]).is_err());
        Ok(())
    }
}
