//! Heads side by side: each site's own, FedAvg's, the one-shot head of the opened sum, and the head of the pooled images.

use anyhow::{Result, ensure};
use federation::{heads::lda, statistics::Shape};
use serde::{Deserialize, Serialize};

use super::{
    deal::{Deal, deal},
    fedavg::{FedAvg, Settings},
    tokens::{Tokens, local_lda},
};
use crate::evaluate::Figures;

/// One way of dealing the images, with its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// How images were dealt.
    pub split_by: Deal,
    /// Seed of the deal.
    pub seed: u64,
    /// Images of each class at each site.
    pub counts: Vec<Vec<usize>>,
    /// Each site's own LDA head.
    pub sites: Vec<Figures>,
    /// FedAvg after its last round.
    pub fedavg: Figures,
    /// Accuracy of FedAvg after each round.
    pub fedavg_curve: Vec<f64>,
    /// Validation accuracy of FedAvg after each round.
    pub fedavg_val_curve: Vec<f64>,
    /// LDA of the summed statistics.
    pub one_shot: Figures,
    /// Whether the one-shot head equals the pooled head, bit for bit.
    pub one_shot_is_pooled: bool,
    /// Share of test images that both heads answer alike.
    pub same_answers: f64,
}

/// What is compared.
pub struct Data {
    /// Images to learn from.
    pub train: Tokens,
    /// Images to choose with.
    pub val: Tokens,
    /// Images that decide nothing.
    pub test: Tokens,
    /// Classes, width and norm.
    pub shape: Shape,
}

/// Deals the training images and compares.
///
/// # Errors
/// Where a head cannot be fitted.
pub fn compare(data: &Data, sites: usize, split_by: Deal, seed: u64, shrinkage: f64, settings: Settings) -> Result<Comparison> {
    let (classes, dim) = (data.shape.classes(), data.shape.dim());
    let dealt = deal(&data.train.groups, &data.train.classes, sites, split_by, seed);
    let parts: Vec<Tokens> = (0..sites).map(|site| data.train.of_site(&dealt, site)).collect();
    let own = |part: &Tokens| data.test.figures(&local_lda(part, classes, data.shape.clip_norm(), shrinkage)?);
    let own = parts.iter().map(own).collect::<Result<Vec<Figures>>>()?;
    let mut sum = parts[0].statistics(data.shape)?;
    for part in &parts[1..] {
        sum.merge(&part.statistics(data.shape)?)?;
    }
    let (one_shot, pooled) = (lda(&sum, shrinkage)?, lda(&data.train.statistics(data.shape)?, shrinkage)?);
    let counts = parts.iter().map(|part| part.counts(classes)).collect();
    let answers = [data.test.probabilities(&one_shot)?, data.test.probabilities(&pooled)?];
    let same = answers[0].iter().zip(&answers[1]).filter(|(a, b)| a == b).count();
    let mut learning = FedAvg::new(parts, classes, dim, settings, seed);
    let (mut curve, mut val_curve) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        learning.round()?;
        curve.push(accuracy(&data.test, &learning)?);
        val_curve.push(accuracy(&data.val, &learning)?);
    }
    ensure!(!curve.is_empty(), "FedAvg needs at least one round");
    Ok(Comparison {
        split_by,
        seed,
        counts,
        sites: own,
        fedavg: data.test.figures(&learning.head())?,
        fedavg_curve: curve,
        fedavg_val_curve: val_curve,
        one_shot: data.test.figures(&one_shot)?,
        one_shot_is_pooled: one_shot == pooled,
        same_answers: same as f64 / data.test.rows.len() as f64,
    })
}

fn accuracy(tokens: &Tokens, learning: &FedAvg) -> Result<f64> {
    let probabilities = tokens.probabilities(&learning.head())?;
    let answers: Vec<usize> = probabilities.iter().map(|p| crate::metrics::top(p)).collect();
    Ok(crate::metrics::accuracy(&answers, &tokens.classes))
}

/// Rounds after which FedAvg's validation accuracy has first come within `slack` of `goal`; none where it never does.
pub fn rounds_to(curve: &[f64], goal: f64, slack: f64) -> Option<u32> {
    curve.iter().position(|accuracy| *accuracy >= goal - slack).map(|round| round as u32 + 1)
}
