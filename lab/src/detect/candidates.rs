//! Which score: every combination of features that was tried, judged on the validation split.

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

/// The lowest threshold at which at most the share `rate` of `clean` scores is flagged.
pub fn threshold(clean: &[f32], rate: f64) -> f32 {
    let mut sorted = clean.to_vec();
    sorted.sort_by(f32::total_cmp);
    let allowed = (rate * sorted.len() as f64).floor() as usize;
    let highest_clean = sorted[sorted.len() - 1 - allowed.min(sorted.len() - 1)];
    // An image is flagged from the threshold on, so it lies just above the highest score that must pass.
    highest_clean.next_up()
}

/// AUC of clean against attacked scores.
pub fn auc(clean: &[f32], attacked: &[f32]) -> f64 {
    let scores: Vec<f64> = clean.iter().chain(attacked).map(|s| f64::from(*s)).collect();
    let positive: Vec<bool> = (0..scores.len()).map(|i| i >= clean.len()).collect();
    metrics::auc(&scores, &positive).unwrap_or(0.5)
}

/// Share of `scores` at or over `threshold`.
pub fn share_over(scores: &[f32], threshold: f32) -> f64 {
    scores.iter().filter(|s| **s >= threshold).count() as f64 / scores.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_flags_no_more_than_its_share() {
        let clean: Vec<f32> = (0..100).map(|i| i as f32).collect();
        assert_eq!(share_over(&clean, threshold(&clean, 0.05)), 0.05);
        assert_eq!(share_over(&clean, threshold(&clean, 0.0)), 0.0);
        assert_eq!(share_over(&clean, threshold(&[1.0; 40], 0.05)), 0.98);
        assert_eq!(share_over(&[1.0; 40], threshold(&[1.0; 40], 0.05)), 0.0);
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
