//! Primitives that hurt when used wrongly. Tests and measurements need them; a relay or client never does.
//!
//! - [`RawLogits`] before [`RawLogits::rerandomise`] give the head away to the client after one query.
//! - [`RawLogits::derive_phases`] shows the noise under a logit, which tells about the secret key (IND-CPA^D).

use zeroize::Zeroizing;

use crate::packing::round;
use crate::parameters::Parameters;
use crate::randomness::{Noise, make_bits};
use crate::ring::{derive_row, dot_bits};
use crate::{EncryptedHead, EncryptedLogits, HeError, PreparedPublicKey, SealedToken, SecretKey};

/// Encrypted logits in the making: full-precision mask polynomial and body of each class.
pub struct RawLogits {
    parameters: &'static Parameters,
    /// Which coefficient of (body − mask·s) is the logit.
    coefficient: usize,
    /// N words a class.
    masks: Vec<Zeroizing<Vec<u64>>>,
    bodies: Vec<u64>,
}

impl RawLogits {
    pub(crate) fn new(
        parameters: &'static Parameters,
        coefficient: usize,
        masks: Vec<Zeroizing<Vec<u64>>>,
        bodies: Vec<u64>,
    ) -> Self {
        Self { parameters, coefficient, masks, bodies }
    }

    /// The head's bare product with a token: what must never be sent.
    ///
    /// # Errors
    /// As [`EncryptedHead::make_logits`].
    pub fn derive_unprotected(head: &EncryptedHead, token: &SealedToken) -> Result<Self, HeError> {
        head.derive_unprotected(token)
    }

    /// Adds a fresh encryption of zero under the client's key to each class: mask += a'·u + e1, body += (b'·u)_n + e2, with a
    /// fresh binary u for each class (a shared one would cancel in differences of masks).
    ///
    /// # Errors
    /// [`HeError::OtherParameters`] or [`HeError::NoRandomness`].
    pub fn rerandomise(&mut self, key: &PreparedPublicKey) -> Result<(), HeError> {
        self.parameters.check_same(key.parameters)?;
        let ring = self.parameters.ring();
        let row = derive_row(&key.bodies, self.coefficient);
        let mut noise = Noise::make(self.parameters)?;
        for (mask, body) in self.masks.iter_mut().zip(&mut self.bodies) {
            let u = make_bits(self.parameters.polynomial_size)?;
            let shift = ring.multiply(&key.mask, &ring.transform_bits(&u));
            for (word, add) in mask.iter_mut().zip(shift.iter()) {
                *word = word.wrapping_add(*add);
            }
            noise.add_to(mask);
            *body = body.wrapping_add(dot_bits(&row, &u));
        }
        noise.add_to(&mut self.bodies);
        Ok(())
    }

    /// Adds uniform noise over ±2^flood_log2 to each body.
    ///
    /// # Errors
    /// [`HeError::NoRandomness`].
    pub fn flood(&mut self) -> Result<(), HeError> {
        let mut noise = Noise::make(self.parameters)?;
        for body in &mut self.bodies {
            *body = body.wrapping_add(noise.draw_flood(self.parameters.flood_log2));
        }
        Ok(())
    }

    /// Extracts the logits' rows and rounds everything to the set's answer_bits.
    pub fn switch(&self) -> EncryptedLogits {
        let bits = self.parameters.answer_bits;
        let size = self.parameters.polynomial_size;
        let mut values = Vec::with_capacity(self.bodies.len() * (size + 1));
        for (mask, &body) in self.masks.iter().zip(&self.bodies) {
            values.extend(derive_row(mask, self.coefficient).into_iter().map(|x| round(x, bits)));
            values.push(round(body, bits));
        }
        EncryptedLogits::from_values(self.parameters, values)
    }

    /// Mask polynomial of each class, N words.
    pub fn masks(&self) -> impl Iterator<Item = &[u64]> {
        self.masks.iter().map(|mask| mask.as_slice())
    }

    /// Δ·logit plus noise of each class.
    pub fn derive_phases(&self, key: &SecretKey) -> Vec<u64> {
        let rows = self.masks.iter().map(|mask| derive_row(mask, self.coefficient));
        rows.zip(&self.bodies).map(|(row, &body)| key.derive_phase(&row, body)).collect()
    }
}

/// Δ·logit plus noise of each class of a finished answer.
pub fn derive_phases(key: &SecretKey, logits: &EncryptedLogits) -> Vec<u64> {
    let widen = |x| crate::packing::widen(x, logits.parameters().answer_bits);
    let phase = |(row, body): (&[u64], u64)| {
        let row: Vec<u64> = row.iter().copied().map(widen).collect();
        key.derive_phase(&row, widen(body))
    };
    logits.rows().map(phase).collect()
}

/// The mask polynomials that a finished answer shows, N words a class, for a token of `dim` values.
pub fn derive_answer_masks(logits: &EncryptedLogits, dim: usize) -> Vec<Vec<u64>> {
    let widen = |&x: &u64| crate::packing::widen(x, logits.parameters().answer_bits);
    let undo = |row: &[u64]| {
        let mut mask = vec![0u64; row.len()];
        for (j, word) in row.iter().map(widen).enumerate() {
            if j < dim {
                mask[dim - 1 - j] = word;
            } else {
                mask[row.len() + dim - 1 - j] = word.wrapping_neg();
            }
        }
        mask
    };
    logits.rows().map(|(row, _)| undo(row)).collect()
}

/// The mask a token's seed stands for: N words. Not secret; the client and the relay both know it.
pub fn derive_token_mask(token: &SealedToken) -> Vec<u64> {
    token.derive_mask()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::GLWE_2048_TU17;
    use crate::randomness::derive_mask;

    /// Under a public key without noise or rounding, what is left is −e1·s + e2: the part that hides u in the mask.
    #[test]
    fn re_randomisation_adds_fresh_noise_to_mask_and_body() {
        let parameters = &GLWE_2048_TU17;
        let key = SecretKey::make(parameters).unwrap();
        let size = parameters.polynomial_size;
        let ring = parameters.ring();
        let bits = (0..size).map(|i| key.derive_phase(&unit_row(size, i), 0).wrapping_neg());
        let secret: Vec<u64> = bits.collect();
        let mask = derive_mask(&[1; 16], size);
        let bodies = ring.multiply(&ring.transform(&mask), &ring.transform_bits(&secret)).to_vec();
        let exact = PreparedPublicKey { parameters, mask: ring.transform(&mask), bodies };

        let mut squares = 0.0;
        for _ in 0..50 {
            let masks = vec![Zeroizing::new(vec![0; size]); 64];
            let mut raw = RawLogits::new(parameters, 767, masks, vec![0; 64]);
            raw.rerandomise(&exact).unwrap();
            let phases = raw.derive_phases(&key);
            squares += phases.iter().map(|&x| (x as i64 as f64).powi(2)).sum::<f64>();
        }
        let ones = secret.iter().sum::<u64>() as f64;
        let theory = (ones + 1.0) * (2f64.powi(35) + 1.0) / 6.0;
        // 3,200 samples: 2.5 % standard error.
        let ratio = squares / 3200.0 / theory;
        assert!((ratio - 1.0).abs() < 0.13, "measured/theory = {ratio}");
    }

    fn unit_row(size: usize, at: usize) -> Vec<u64> {
        let mut row = vec![0; size];
        row[at] = 1;
        row
    }
}
