//! What is measured on an image. A new feature is a variant of [`Feature`] and an arm of [`Feature::measure`].

use serde::{Deserialize, Serialize};

/// Added to an error before its logarithm is taken, so that a patch drawn perfectly (plain black) gives a number.
pub const ERROR_FLOOR: f32 = 1e-6;

/// A number measured on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Mean over the patches of the standardised error.
    Reconstruction,
    /// Distance between the CLS tokens of the image and of its copy, in units of the image's token's length.
    Token,
}

/// What features are measured on.
pub struct Evidence<'a> {
    /// Standardised error of each patch `[patches]`: log of the error, minus the clean mean at this place, over the clean deviation.
    pub map: &'a [f32],
    /// The CLS token of the image `[dim]`, before quantisation.
    pub cls: &'a [f32],
    /// The CLS token of the copy `[dim]`.
    pub cls_of_copy: &'a [f32],
}

impl Feature {
    /// The feature's value, as it is before it is standardised. Sums are in f64, in the order of the values, so that every platform computes the same bits.
    pub fn measure(self, evidence: &Evidence) -> f32 {
        match self {
            Self::Reconstruction => mean(evidence.map),
            Self::Token => distance(evidence.cls, evidence.cls_of_copy),
        }
    }
}

/// The logarithm of a patch's error (mean over its pixels and over the masks that hid it).
pub(super) fn log_error(error: f64) -> f32 {
    libm::log(error + f64::from(ERROR_FLOOR)) as f32
}

fn mean(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
    (sum / values.len() as f64) as f32
}

/// |a - b| / |a|; 0 where both are zero.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let square = |value: f64| value * value;
    let apart: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let length: f64 = a.iter().map(|a| square(f64::from(*a))).sum();
    (apart / length.max(f64::MIN_POSITIVE)).sqrt() as f32
}
