//! What an attacker makes larger, as a function of the logits, and its slope.
//!
//! All sums are f64 and the slope of the cross-entropy is written without `p − 1`: a confident network would round it to zero,
//! and an attack that follows a zero slope only seems to fail.

use serde::{Deserialize, Serialize};

/// A loss of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Cross-entropy of the true class.
    CrossEntropy,
    /// Best other logit minus the true one: above 0 the answer is wrong.
    Margin,
    /// Difference of logits ratio (Croce and Hein 2020): the margin in units of the logits' spread. Needs three classes; of two it is
    /// the margin.
    Ratio,
}

impl Loss {
    /// Value and slope with respect to `logits` [classes].
    pub fn slope(self, logits: &[f32], class: usize) -> (f64, Vec<f32>) {
        match self {
            Self::CrossEntropy => cross_entropy(logits, class),
            Self::Ratio if logits.len() > 2 => ratio(logits, class),
            Self::Margin | Self::Ratio => margin_slope(logits, class),
        }
    }
}

/// Index of the largest logit other than that of `class`.
fn rival(logits: &[f32], class: usize) -> usize {
    let others = (0..logits.len()).filter(|i| *i != class);
    others.max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(class)
}

/// Best other logit minus that of `class`.
pub fn margin(logits: &[f32], class: usize) -> f64 {
    f64::from(logits[rival(logits, class)]) - f64::from(logits[class])
}

fn margin_slope(logits: &[f32], class: usize) -> (f64, Vec<f32>) {
    let mut slope = vec![0.0; logits.len()];
    slope[rival(logits, class)] = 1.0;
    slope[class] = -1.0;
    (margin(logits, class), slope)
}

fn cross_entropy(logits: &[f32], class: usize) -> (f64, Vec<f32>) {
    // Relative to the true class: loss = ln(1 + Σ exp(z_j − z_y)).
    let top = logits.iter().fold(f32::MIN, |a, b| a.max(*b));
    let powers: Vec<f64> = logits.iter().map(|z| f64::from(z - top).exp()).collect();
    let all: f64 = powers.iter().sum();
    let others: f64 = powers.iter().enumerate().filter(|(i, _)| *i != class).map(|(_, p)| p).sum();
    let slope = powers.iter().enumerate().map(|(i, p)| if i == class { -others / all } else { p / all } as f32).collect();
    let value = if powers[class] > 0.0 { (others / powers[class]).ln_1p() } else { f64::from(top - logits[class]) };
    (value, slope)
}

fn ratio(logits: &[f32], class: usize) -> (f64, Vec<f32>) {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let other = rival(logits, class);
    let spread = f64::from(logits[order[0]] - logits[order[2]]) + 1e-12;
    let value = margin(logits, class) / spread;
    let mut slope = vec![0.0f64; logits.len()];
    slope[other] += 1.0 / spread;
    slope[class] -= 1.0 / spread;
    slope[order[0]] -= value / spread;
    slope[order[2]] += value / spread;
    (value, slope.into_iter().map(|s| s as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slopes_are_those_of_the_losses() {
        let logits = [0.4f32, -1.1, 2.3, 0.1];
        for loss in [Loss::CrossEntropy, Loss::Margin, Loss::Ratio] {
            for class in 0..4 {
                let (_, slope) = loss.slope(&logits, class);
                for i in 0..4 {
                    let at = |delta: f32| {
                        let mut moved = logits;
                        moved[i] += delta;
                        loss.slope(&moved, class).0
                    };
                    let measured = (at(1e-3) - at(-1e-3)) / 2e-3;
                    assert!((measured - f64::from(slope[i])).abs() < 1e-3, "{loss:?} {class} {i}: {measured} {}", slope[i]);
                }
            }
        }
    }

    #[test]
    fn a_confident_answer_still_has_a_slope() {
        let (value, slope) = Loss::CrossEntropy.slope(&[40.0, 0.0], 0);
        assert!(value > 0.0 && slope[0] < 0.0 && slope[1] > 0.0, "{value} {slope:?}");
        let (value, _) = Loss::CrossEntropy.slope(&[-400.0, 400.0], 0);
        assert!((value - 800.0).abs() < 1e-9);
    }

    #[test]
    fn two_classes_have_no_ratio() {
        assert_eq!(Loss::Ratio.slope(&[1.0, 3.0], 0), Loss::Margin.slope(&[1.0, 3.0], 0));
    }
}
