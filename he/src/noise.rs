use crate::parameters::Parameters;

/// The noise under a logit, by its sources: variances in units of the word (phase modulo 2^64).
///
/// Every source is a sum of independent fair ±-bits with fixed weights (TUniform, rounding errors and products with them
/// are), hence sub-Gaussian with its own variance: P(|noise| > t) ≤ 2·exp(−t²/2V) holds exactly, no Gaussian is assumed.
/// `docs/CRYPTOGRAPHY.md` derives each line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseBudget {
    /// Encryption noise of the token, times the weights: |w|²·σ².
    pub token_noise: f64,
    /// Rounding of the token's bodies, times the weights.
    pub token_rounding: f64,
    /// Encryption of zero: e_key·u − e1·s + e2.
    pub rerandomisation: f64,
    /// Rounding of the public key's bodies, times u.
    pub key_rounding: f64,
    /// Modulus switch of mask and body.
    pub answer_rounding: f64,
    /// Bound of the uniform flood.
    pub flood_bound: f64,
    /// Bound of the mean of all rounding errors (half a unit each).
    pub bias_bound: f64,
    /// Largest noise that still rounds to the right integer: Δ/2.
    pub margin: f64,
}

impl NoiseBudget {
    /// The budget of one class, for the worst key and the worst randomness u (all N bits set).
    pub fn of_class(parameters: &Parameters, weights: &[i16]) -> Self {
        Self::with_ones(parameters, weights, parameters.polynomial_size)
    }

    /// The same where key and u have `ones` bits set; N/2 is their mean.
    pub fn with_ones(parameters: &Parameters, weights: &[i16], ones: usize) -> Self {
        let squares: f64 = weights.iter().map(|&w| f64::from(w).powi(2)).sum();
        let norm: f64 = weights.iter().map(|&w| f64::from(w).abs()).sum();
        let ones = ones as f64;
        let noise = tuniform_variance(parameters.noise_log2);
        let answer = rounding_variance(parameters.answer_bits);
        Self {
            token_noise: squares * noise,
            token_rounding: squares * rounding_variance(parameters.token_body_bits),
            rerandomisation: (2.0 * ones + 1.0) * noise,
            key_rounding: ones * rounding_variance(parameters.key_body_bits),
            answer_rounding: (ones + 1.0) * answer,
            flood_bound: exp2(parameters.flood_log2),
            bias_bound: (norm + 2.0 * ones + 1.0) / 2.0,
            margin: exp2(parameters.delta_log2 - 1),
        }
    }

    /// Variance of everything but the flood.
    pub fn variance(&self) -> f64 {
        self.token_noise + self.token_rounding + self.rerandomisation + self.key_rounding + self.answer_rounding
    }

    /// Binary logarithm of a bound on the probability that a logit decrypts to another integer.
    pub fn failure_log2(&self) -> f64 {
        let room = self.margin - self.flood_bound - self.bias_bound;
        1.0 - room.powi(2) / (2.0 * self.variance()) / std::f64::consts::LN_2
    }
}

/// Variance of TUniform(b): (2^(2b+1) + 1)/6.
fn tuniform_variance(b: u32) -> f64 {
    (exp2(2 * b + 1) + 1.0) / 6.0
}

/// Variance of rounding a uniform word to `bits` bits: (2^(2·dropped) − 1)/12.
fn rounding_variance(bits: u32) -> f64 {
    (exp2(2 * (64 - bits)) - 1.0) / 12.0
}

fn exp2(exponent: u32) -> f64 {
    f64::from(exponent).exp2()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::GLWE_2048_TU17;

    #[test]
    fn the_worst_head_that_fits_any_dimension_fails_less_than_once_in_2_to_the_64() {
        let worst = NoiseBudget::of_class(&GLWE_2048_TU17, &[255; 2048]);
        assert!(worst.failure_log2() < -64.0, "2^{}", worst.failure_log2());
    }

    #[test]
    fn the_documented_failure_probabilities_are_the_computed_ones() {
        let log2 = |dim: usize, weight: i16| NoiseBudget::of_class(&GLWE_2048_TU17, &vec![weight; dim]).failure_log2().round();
        assert_eq!((log2(2048, 255), log2(768, 255), log2(192, 255)), (-134.0, -197.0, -251.0));
    }
}
