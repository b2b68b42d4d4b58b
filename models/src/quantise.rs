//! CLS tokens as small integers, so that encrypted arithmetic on them is exact.

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Maps a CLS token to integers: `round(x / scale)`, clamped to ±(2^(bits-1) - 1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClsQuantiser {
    /// Bits of an integer, sign included; 9 gives ±255.
    pub bits: u32,
    /// Real value of one step.
    pub scale: f32,
}

impl ClsQuantiser {
    /// Chooses the scale at which the share `keep` of the absolute `values` is not clamped.
    ///
    /// # Errors
    /// [`ModelError::BadQuantiser`] where there are no values, not all are finite, `keep` is outside 0..=1, or all are zero.
    pub fn fit(bits: u32, values: &[f32], keep: f64) -> Result<Self, ModelError> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return Err(bad("it needs finite values to be fitted to".into()));
        }
        if !(0.0..=1.0).contains(&keep) {
            return Err(bad(format!("the share kept is {keep} and must lie in 0..=1")));
        }
        let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
        sizes.sort_by(f32::total_cmp);
        let last = sizes.len() - 1;
        let index = ((last as f64 * keep).ceil() as usize).min(last);
        let quantiser = Self { bits, scale: 1.0 };
        quantiser.validate()?;
        let fitted = Self { bits, scale: sizes[index] / f32::from(quantiser.limit()) };
        fitted.validate()?;
        Ok(fitted)
    }

    /// Checks the number of bits (2..=15) and the scale (finite, above zero).
    ///
    /// # Errors
    /// [`ModelError::BadQuantiser`] says which is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        if !(2..=15).contains(&self.bits) {
            return Err(bad(format!("{} bits are outside 2..=15", self.bits)));
        }
        if !(self.scale.is_normal() && self.scale > 0.0) {
            return Err(bad(format!("the scale {} is not a number above zero", self.scale)));
        }
        Ok(())
    }

    /// Largest integer: 255 at 9 bits.
    pub const fn limit(&self) -> i16 {
        ((1i32 << (self.bits - 1)) - 1) as i16
    }

    /// Integers of a CLS token; halves are rounded away from zero, a NaN gives 0.
    pub fn quantise(&self, cls: &[f32]) -> Vec<i16> {
        let limit = f32::from(self.limit());
        cls.iter().map(|value| (value / self.scale).round().clamp(-limit, limit) as i16).collect()
    }
}

fn bad(reason: String) -> ModelError {
    ModelError::BadQuantiser { reason }
}
