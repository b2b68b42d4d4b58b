//! The part of a model card that describes its detector.

use serde::{Deserialize, Serialize};

use super::{Feature, Filter};
use crate::{
    MaeConfig, ModelError,
    card::{Storage, Training},
    mae::MAX_MASKS,
};

/// Largest detector file that is read.
pub const MAX_DETECTOR_BYTES: u64 = 512 * 1024 * 1024;
/// Quantiles of the clean scores: 0 %, 1 %, …, 100 %.
pub const QUANTILES: usize = 101;
/// Most features of a score.
const MAX_FEATURES: usize = 16;
/// Most points of a curve.
const MAX_POINTS: usize = 1001;

/// A pack's detector: its network, how the score is made, and what its score means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectorCard {
    /// Sizes of the network; its input is the encoder's.
    pub architecture: MaeConfig,
    /// Name of the file in the pack's folder.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// How its numbers are stored.
    pub storage: Storage,
    /// Which patches are hidden.
    pub masks: Masks,
    /// How the copy is made whose token is compared.
    #[serde(default)]
    pub filter: Filter,
    /// The errors of clean images.
    pub patch_error: PatchError,
    /// What the score is made of.
    pub features: Vec<FeatureCard>,
    /// Share of clean images that the threshold was chosen to flag.
    pub false_positive_rate: f64,
    /// An image is flagged from this score on.
    pub threshold: f32,
    /// Scores of clean validation images at 0 %, 1 %, …, 100 %, ascending.
    pub clean_quantiles: Vec<f32>,
    /// What other thresholds would flag, by ascending threshold.
    pub roc: Vec<RocPoint>,
    /// The attack whose images the curve's true positives are.
    pub attack: String,
    /// How the network was trained.
    pub training: Training,
}

/// The masks of an examination: [`crate::Mask::complementary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masks {
    /// Seed of their draw.
    pub seed: u64,
    /// How many there are, a divisor of the number of patches; each hides all but one `count`-th of them.
    pub count: usize,
}

/// Statistics of the log of each patch's error over clean images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatchError {
    /// Mean `[patches]`.
    pub mean: Vec<f32>,
    /// Standard deviation `[patches]`.
    pub std: Vec<f32>,
}

impl PatchError {
    /// `(x - mean) / std` of each patch's log error `[patches]`.
    pub fn standardise(&self, log_errors: &[f32]) -> Vec<f32> {
        let statistics = self.mean.iter().zip(&self.std);
        log_errors.iter().zip(statistics).map(|(error, (mean, std))| (error - mean) / std).collect()
    }
}

/// A feature's part in the score: `weight · (x - mean) / std`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureCard {
    /// Which feature.
    pub name: Feature,
    /// Its mean over clean images.
    pub mean: f32,
    /// Its standard deviation over clean images.
    pub std: f32,
    /// Its weight.
    pub weight: f32,
}

/// What a threshold would flag.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// The threshold.
    pub threshold: f32,
    /// Share of clean images that it flags.
    pub false_positive_rate: f64,
    /// Share of attacked images that it flags.
    pub true_positive_rate: f64,
}

impl DetectorCard {
    /// The score of the features' values, in the card's order: the weighted sum of the standardised values.
    pub fn score(&self, features: &[f32]) -> f32 {
        let part = |(card, value): (&FeatureCard, &f32)| card.weight * (value - card.mean) / card.std;
        self.features.iter().zip(features).map(part).sum()
    }

    /// Checks every number that something is allocated from or computed with.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] or [`ModelError::BadCard`] says which cannot be used.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.architecture.validate()?;
        let patches = self.architecture.patches();
        check(self.bytes > 0 && self.bytes <= MAX_DETECTOR_BYTES, || format!("bytes: a file of {} is not read", self.bytes))?;
        check((2..=MAX_MASKS.min(patches)).contains(&self.masks.count), || {
            format!("masks: {} are outside 2..={}", self.masks.count, MAX_MASKS.min(patches))
        })?;
        check(patches.is_multiple_of(self.masks.count), || {
            format!("masks: {patches} patches cannot be parted evenly by {} masks", self.masks.count)
        })?;
        let errors = &self.patch_error;
        check(errors.mean.len() == patches && errors.std.len() == patches, || {
            format!("patch_error: mean and std need {patches} numbers each")
        })?;
        check(errors.mean.iter().all(|mean| mean.is_finite()) && errors.std.iter().all(is_deviation), || {
            "patch_error: a mean is not finite or a std is not above zero".into()
        })?;
        self.check_features()?;
        self.check_scores()
    }

    fn check_features(&self) -> Result<(), ModelError> {
        check((1..=MAX_FEATURES).contains(&self.features.len()), || {
            format!("features: {} are outside 1..={MAX_FEATURES}", self.features.len())
        })?;
        for (index, feature) in self.features.iter().enumerate() {
            let FeatureCard { name, mean, std, weight } = feature;
            check(self.features[..index].iter().all(|other| other.name != *name), || {
                format!("features: {name:?} is there twice")
            })?;
            check(mean.is_finite() && weight.is_finite() && is_deviation(std), || {
                format!("features: mean or weight of {name:?} is not finite or its std is not above zero")
            })?;
        }
        Ok(())
    }

    fn check_scores(&self) -> Result<(), ModelError> {
        check(self.threshold.is_finite(), || "threshold is not finite".into())?;
        check(is_share(self.false_positive_rate), || "false_positive_rate is not within 0..=1".into())?;
        let quantiles = &self.clean_quantiles;
        check(quantiles.len() == QUANTILES, || format!("clean_quantiles: {} are there, not {QUANTILES}", quantiles.len()))?;
        check(quantiles.iter().all(|quantile| quantile.is_finite()) && quantiles.is_sorted(), || {
            "clean_quantiles are not finite and ascending".into()
        })?;
        check((2..=MAX_POINTS).contains(&self.roc.len()), || {
            format!("roc: {} points are outside 2..={MAX_POINTS}", self.roc.len())
        })?;
        check(self.roc.iter().all(RocPoint::is_sound), || "roc: a threshold is not finite or a rate not within 0..=1".into())?;
        check(self.roc.is_sorted_by(|low, high| low.precedes(high)), || {
            "roc: with a higher threshold no rate may rise, and thresholds must ascend".into()
        })
    }
}

impl RocPoint {
    fn is_sound(&self) -> bool {
        self.threshold.is_finite() && is_share(self.false_positive_rate) && is_share(self.true_positive_rate)
    }

    fn precedes(&self, next: &Self) -> bool {
        self.threshold <= next.threshold
            && self.false_positive_rate >= next.false_positive_rate
            && self.true_positive_rate >= next.true_positive_rate
    }
}

fn is_deviation(std: &f32) -> bool {
    std.is_normal() && *std > 0.0
}

fn is_share(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::BadCard { reason: format!("detector.{}", reason()) }) }
}
