//! Model updates for FedAvg, in integers that the aggregation sums exactly.
//!
//! A site sends `w · clip(update)` in fixed point and its weight `w` as one more value; the mean of all images' updates is the opened
//! sum of the first over that of the last. `w` is the number of images over a public maximum, at most 1, so that the values stay in
//! range whatever a site's size. Range, step, norm and maximum belong to named parameters: nobody chooses them in a round.

use crate::FederationError;

/// Named parameters of an update's fixed point.
#[derive(Debug, PartialEq)]
pub struct UpdateParameters {
    /// Name, for cards and consortia.
    pub name: &'static str,
    /// Largest Euclidean norm of an update; longer ones are scaled down.
    pub clip_norm: f64,
    /// Value of one step. `clip_norm / step` is at most 2^15, the range of `SUM_2048_Q32`.
    pub step: f64,
    /// Images that make a weight of 1; a site with more counts as this many.
    pub max_images: u32,
}

/// Updates of a linear head on standardised tokens: norm 8, step 2^-12.
pub static HEAD_UPDATE: UpdateParameters =
    UpdateParameters { name: "HEAD_UPDATE", clip_norm: 8.0, step: 1.0 / 4096.0, max_images: 4096 };

/// Updates of an expert or adapter, whose steps are smaller: norm 1, step 2^-15.
pub static EXPERT_UPDATE: UpdateParameters =
    UpdateParameters { name: "EXPERT_UPDATE", clip_norm: 1.0, step: 1.0 / 32768.0, max_images: 16384 };

impl UpdateParameters {
    /// The parameters of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        [&HEAD_UPDATE, &EXPERT_UPDATE].into_iter().find(|set| set.name == name)
    }

    /// Values of a contribution for an update of `parameters` numbers: one more, the weight.
    pub const fn length(parameters: usize) -> usize {
        parameters + 1
    }

    /// The values that a site of `images` images contributes for its `update`.
    ///
    /// Each value is off by at most half a step, so the mean over `k` sites is off by at most `k · step / (2 Σ w)`.
    ///
    /// # Errors
    /// [`FederationError::OutOfRange`] for an update that is not finite, or a site without images.
    pub fn to_values(&self, update: &[f64], images: u32) -> Result<Vec<i64>, FederationError> {
        if images == 0 {
            return Err(FederationError::OutOfRange { what: "the number of images", value: 0.0, range: "1 and above" });
        }
        let norm = libm::sqrt(update.iter().map(|x| x * x).sum());
        if !norm.is_finite() {
            return Err(FederationError::OutOfRange { what: "the update's norm", value: norm, range: "finite" });
        }
        let images = images.min(self.max_images);
        let weight = f64::from(images) / f64::from(self.max_images);
        let scale = weight * (self.clip_norm / norm.max(self.clip_norm)) / self.step;
        let limit = self.value_limit();
        let value = |x: &f64| (libm::round(x * scale) as i64).clamp(-limit, limit);
        Ok(update.iter().map(value).chain([i64::from(images)]).collect())
    }

    /// The mean update of an opened sum, weighted by images.
    ///
    /// # Errors
    /// [`FederationError::WrongLength`] for an empty sum; [`FederationError::OutOfRange`] where its weight is not above zero.
    pub fn mean(&self, sum: &[i64]) -> Result<Vec<f64>, FederationError> {
        let Some((images, values)) = sum.split_last() else {
            return Err(FederationError::WrongLength { found: 0, expected: 1 });
        };
        if *images <= 0 {
            return Err(FederationError::OutOfRange {
                what: "the sum's number of images",
                value: *images as f64,
                range: "1 and above",
            });
        }
        let scale = self.step * f64::from(self.max_images) / *images as f64;
        Ok(values.iter().map(|v| *v as f64 * scale).collect())
    }

    /// Largest absolute value of a contribution.
    pub fn value_limit(&self) -> i64 {
        (self.clip_norm / self.step) as i64
    }
}
