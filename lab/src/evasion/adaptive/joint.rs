//! One objective of both: the classifier's margin, as far as it is of use, minus the weighted excess of the detector's score.

use super::DetectorSlope;
use crate::evasion::objective::{Objective, Slope};

/// Margin, in logits, beyond which an answer is wrong enough: rounding to integers does not turn it back.
pub(super) const ENOUGH: f64 = 0.5;
/// How far below the threshold the score is wanted.
pub(super) const BELOW: f64 = 0.05;

/// `min(margin, enough) − λ · max(0, score − threshold + below)`.
pub(super) struct Joint<'a> {
    /// Climbed by its margin.
    pub classifier: &'a dyn Objective,
    /// Kept below its threshold.
    pub detector: &'a dyn DetectorSlope,
    /// λ.
    pub weight: f64,
}

impl Objective for Joint<'_> {
    fn slopes(&self, images: &[&[f32]], classes: &[usize]) -> Vec<Slope> {
        let margins = self.classifier.slopes(images, classes);
        let scores = self.detector.slopes(images);
        let join = |(margin, score): (Slope, super::ScoreSlope)| {
            let excess = score.score - self.detector.threshold() + BELOW;
            let up = if margin.value < ENOUGH { 1.0 } else { 0.0 };
            let down = if excess > 0.0 { self.weight as f32 } else { 0.0 };
            let both = margin.gradient.iter().zip(&score.gradient);
            Slope {
                value: margin.value.min(ENOUGH) - self.weight * excess.max(0.0),
                gradient: both.map(|(m, s)| up * m - down * s).collect(),
                slack: margin.slack.min(BELOW - excess),
            }
        };
        margins.into_iter().zip(scores).map(join).collect()
    }
}
