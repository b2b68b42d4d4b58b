//! Which score: every combination of features that was tried, judged on the validation split.

use std::collections::BTreeMap;

use models::detector::{DetectorCard, Feature, FeatureCard};
use serde::{Deserialize, Serialize};

use super::look::{Look, mean_and_std};
use crate::metrics;

/// Weights of the reconstruction beside a feature of the tokens.
const BESIDE: [f32; 4] = [0.0, 0.1, 0.25, 0.5];
/// Numbers of directions that are tried.
pub const DIRECTIONS: [usize; 4] = [1, 2, 4, 8];

/// A score that was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Features and weights.
    pub features: Vec<(Feature, f32)>,
    /// Directions that a drift is measured along.
    pub directions: usize,
    /// AUC, clean against attacked validation images.
    pub val_auc: f64,
    /// Share of the attacked validation images over the threshold.
    pub val_tpr: f64,
    /// Share of attacked images over the threshold among those that are answered wrongly.
    pub val_tpr_fooled: Option<f64>,
}

/// The scores to try: each feature alone, and each feature of the tokens beside the reconstruction.
pub fn scores() -> Vec<(Vec<(Feature, f32)>, usize)> {
    let mut all = vec![(vec![(Feature::Reconstruction, 1.0)], 0)];
    let tokens = std::iter::once((Feature::Token, 0)).chain(DIRECTIONS.map(|count| (Feature::Drift, count)));
    for (feature, count) in tokens {
        for weight in BESIDE {
            let mut features = vec![(feature, 1.0)];
            if weight > 0.0 {
                features.push((Feature::Reconstruction, weight));
            }
            all.push((features, count));
        }
    }
    all
}

/// Puts features into `card`, standardised over clean validation images.
pub fn standardise(card: &mut DetectorCard, features: &[(Feature, f32)], directions: &[f32], clean: &[Look]) {
    let unit = |(name, weight): &(Feature, f32)| FeatureCard { name: *name, mean: 0.0, std: 1.0, weight: *weight };
    card.features = features.iter().map(unit).collect();
    let values: Vec<Vec<f32>> = clean.iter().map(|look| look.measure(card, directions)).collect();
    for (i, feature) in card.features.iter_mut().enumerate() {
        (feature.mean, feature.std) = mean_and_std(values.iter().map(|row| row[i]));
    }
}

/// Scores of looks by `card`.
pub fn scores_of(card: &DetectorCard, directions: &[f32], looks: &[Look]) -> Vec<f32> {
    looks.iter().map(|look| card.score(&look.measure(card, directions))).collect()
}

/// Scores of images, each weighed so that every group counts the same: near-copies of one picture are no independent evidence.
pub struct Scores(Vec<(f32, f64)>);

impl Scores {
    /// Scores with the group of each.
    pub fn new(scores: &[f32], groups: &[String]) -> Self {
        let mut sizes: BTreeMap<&str, f64> = BTreeMap::new();
        groups.iter().for_each(|group| *sizes.entry(group).or_default() += 1.0);
        let count = sizes.len() as f64;
        let weigh = |(score, group): (&f32, &String)| (*score, 1.0 / (sizes[group.as_str()] * count));
        let mut all: Vec<(f32, f64)> = scores.iter().zip(groups).map(weigh).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self(all)
    }

    /// Share at or over `threshold`.
    pub fn share_over(&self, threshold: f32) -> f64 {
        let over = self.0.iter().filter(|(score, _)| *score >= threshold).fold(0.0, |sum, (_, weight)| sum + weight);
        over.clamp(0.0, 1.0)
    }

    /// The lowest threshold that flags at most the share `rate`.
    pub fn threshold(&self, rate: f64) -> f32 {
        let mut flagged = 0.0;
        for (score, weight) in self.0.iter().rev() {
            flagged += weight;
            // An image is flagged from the threshold on, so it lies just above the first score that must pass.
            if flagged > rate + 1e-9 {
                return score.next_up();
            }
        }
        self.0.first().map_or(0.0, |(score, _)| *score)
    }

    /// The lowest score that at least the share `part` of all lies at or below.
    pub fn quantile(&self, part: f64) -> f32 {
        let mut below = 0.0;
        let found = self.0.iter().find(|(_, weight)| {
            below += weight;
            below >= part - 1e-9
        });
        found.or(self.0.last()).map_or(0.0, |(score, _)| *score)
    }

    /// Every score, ascending.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.0.iter().map(|(score, _)| *score)
    }
}

/// AUC of clean against attacked scores.
pub fn auc(clean: &[f32], attacked: &[f32]) -> f64 {
    let scores: Vec<f64> = clean.iter().chain(attacked).map(|s| f64::from(*s)).collect();
    let positive: Vec<bool> = (0..scores.len()).map(|i| i >= clean.len()).collect();
    metrics::auc(&scores, &positive).unwrap_or(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(count: usize) -> Vec<String> {
        (0..count).map(|i| i.to_string()).collect()
    }

    #[test]
    fn a_threshold_flags_no_more_than_its_share() {
        let clean = Scores::new(&(0..100).map(|i| i as f32).collect::<Vec<_>>(), &alone(100));
        assert!((clean.share_over(clean.threshold(0.05)) - 0.05).abs() < 1e-9);
        assert_eq!(clean.share_over(clean.threshold(0.0)), 0.0);
        let same = Scores::new(&[1.0; 40], &alone(40));
        assert_eq!(same.share_over(same.threshold(0.05)), 0.0);
    }

    #[test]
    fn a_group_counts_once_however_many_images_it_has() {
        let groups = ["a", "a", "a", "b"].map(String::from);
        let scores = Scores::new(&[5.0, 6.0, 7.0, 1.0], &groups);
        assert!((scores.share_over(5.0) - 0.5).abs() < 1e-9);
        assert_eq!(scores.quantile(0.5), 1.0);
        assert_eq!(scores.quantile(1.0), 7.0);
    }

    #[test]
    fn every_score_holds_the_reconstruction_once_at_most_and_one_feature_of_the_tokens() {
        for (features, directions) in scores() {
            let drifts = features.iter().any(|(f, _)| *f == Feature::Drift);
            assert_eq!(drifts, directions > 0);
            assert!(features.iter().filter(|(f, _)| *f == Feature::Reconstruction).count() <= 1);
        }
    }
}
