use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::packing::{round, widen};
use crate::parameters::Parameters;
use crate::randomness::{Noise, derive_mask, make_bits, make_seed};
use crate::ring::dot_bits;
use crate::{EncryptedLogits, HeError, PublicKey, SealedToken};

/// The client's secret: N bits. It is never serialised, printed or copied, and is wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct SecretKey {
    #[zeroize(skip)]
    parameters: &'static Parameters,
    bits: Zeroizing<Vec<u64>>,
}

impl Zeroize for SecretKey {
    fn zeroize(&mut self) {
        self.bits.zeroize();
    }
}

impl SecretKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`HeError::NoRandomness`].
    pub fn make(parameters: &'static Parameters) -> Result<Self, HeError> {
        Ok(Self { parameters, bits: make_bits(parameters.polynomial_size)? })
    }

    /// The parameter set of the key.
    pub fn parameters(&self) -> &'static Parameters {
        self.parameters
    }

    /// The public key under which a relay re-randomises answers for this key: one encryption of zero. Make one a session.
    ///
    /// # Errors
    /// [`HeError::NoRandomness`].
    pub fn make_public_key(&self) -> Result<PublicKey, HeError> {
        let seed = make_seed()?;
        let bodies = self.make_bodies(&derive_mask(&seed, self.bits.len()), &[], self.bits.len())?;
        Ok(PublicKey::from_words(self.parameters, seed, &bodies))
    }

    /// Encrypts integers, each within [`Parameters::token_limit`], under a fresh mask.
    ///
    /// # Errors
    /// No value, more than [`Parameters::max_dim`], a value beyond the limit, or [`HeError::NoRandomness`].
    pub fn make_sealed_token(&self, values: &[i16]) -> Result<SealedToken, HeError> {
        self.parameters.check_dim(values.len())?;
        let limit = self.parameters.token_limit;
        if let Some(index) = values.iter().position(|x| x.unsigned_abs() > limit.unsigned_abs()) {
            return Err(HeError::TokenValue { index, limit });
        }
        let seed = make_seed()?;
        let bodies = self.make_bodies(&derive_mask(&seed, self.bits.len()), values, values.len())?;
        Ok(SealedToken::from_words(self.parameters, seed, &bodies))
    }

    /// Decrypts logits to exact integers. Under another key than the token's the integers mean nothing.
    ///
    /// Only the rounded integers leave this function: the noise beneath them would tell about the key.
    ///
    /// # Errors
    /// [`HeError::OtherParameters`].
    pub fn open(&self, logits: &EncryptedLogits) -> Result<Vec<i64>, HeError> {
        self.parameters.check_same(logits.parameters())?;
        let bits = self.parameters.answer_bits;
        let half = 1 << (self.parameters.delta_log2 - 1);
        let open_one = |(row, body): (&[u64], u64)| {
            let row = Zeroizing::new(row.iter().map(|&x| widen(x, bits)).collect::<Vec<_>>());
            let phase = Zeroizing::new(self.derive_phase(&row, widen(body, bits)));
            phase.wrapping_add(half) as i64 >> self.parameters.delta_log2
        };
        Ok(logits.rows().map(open_one).collect())
    }

    /// body − row·s: message plus noise. Never to leave the crate but through [`crate::hazmat`].
    pub(crate) fn derive_phase(&self, row: &[u64], body: u64) -> u64 {
        body.wrapping_sub(dot_bits(row, &self.bits))
    }

    /// The first `count` coefficients of mask·s + noise + Δ·values, at full precision.
    fn make_bodies(&self, mask: &[u64], values: &[i16], count: usize) -> Result<Zeroizing<Vec<u64>>, HeError> {
        let ring = self.parameters.ring();
        let mut bodies = ring.multiply(&ring.transform(mask), &ring.transform_bits(&self.bits));
        bodies.truncate(count);
        for (body, &value) in bodies.iter_mut().zip(values) {
            *body = body.wrapping_add((i64::from(value) << self.parameters.delta_log2) as u64);
        }
        Noise::make(self.parameters)?.add_to(&mut bodies);
        Ok(bodies)
    }
}

/// Rounds full-precision bodies to what travels.
pub(crate) fn round_all(words: &[u64], bits: u32) -> Vec<u64> {
    words.iter().map(|&word| round(word, bits)).collect()
}

#[cfg(test)]
mod tests {
    use tfhe::core_crypto::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::GLWE_2048_TU17;

    const N: usize = 2048;

    #[test]
    fn wiping_a_key_leaves_none_of_its_bits() {
        fn wiped_on_drop<T: ZeroizeOnDrop>(_: &T) {}
        let mut key = SecretKey::make(&GLWE_2048_TU17).unwrap();
        wiped_on_drop(&key);
        assert!(key.bits.contains(&1));
        key.zeroize();
        assert!(key.bits.iter().all(|&bit| bit == 0));
    }

    /// An independent implementation of the same scheme: tfhe's own decryption, with its own polynomial product.
    #[test]
    fn tfhe_itself_decrypts_what_was_encrypted_here() {
        let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
        let mask = derive_mask(&make_seed().unwrap(), N);
        let values: Vec<i16> = mask.iter().map(|x| (x % 511) as i16 - 255).collect();
        let bodies = key.make_bodies(&mask, &values, N).unwrap();

        let size = PolynomialSize(N);
        let modulus = CiphertextModulus::new_native();
        let tfhe_key = GlweSecretKey::from_container(&key.bits[..], size);
        let words = [&mask[..], &bodies[..]].concat();
        let ciphertext = GlweCiphertext::from_container(words, size, modulus);
        let mut phases = PlaintextList::new(0u64, PlaintextCount(N));
        decrypt_glwe_ciphertext(&tfhe_key, &ciphertext, &mut phases);

        let opened: Vec<i16> = phases.iter().map(|x| (x.0.wrapping_add(1 << 37) as i64 >> 38) as i16).collect();
        assert!(opened == values);
    }

    /// The noise a fresh encryption carries, coefficient by coefficient.
    fn fresh_noise(key: &SecretKey) -> Vec<f64> {
        let mask = derive_mask(&make_seed().unwrap(), N);
        let product = key
            .parameters
            .ring()
            .multiply(&key.parameters.ring().transform(&mask), &key.parameters.ring().transform_bits(&key.bits));
        let bodies = key.make_bodies(&mask, &[], N).unwrap();
        bodies.iter().zip(product.iter()).map(|(b, p)| b.wrapping_sub(*p) as i64 as f64).collect()
    }

    #[test]
    fn encryption_noise_is_tuniform_17() {
        let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
        let noise: Vec<f64> = (0..20).flat_map(|_| fresh_noise(&key)).collect();
        let count = noise.len() as f64;
        let mean = noise.iter().sum::<f64>() / count;
        let variance = noise.iter().map(|e| e * e).sum::<f64>() / count;
        let theory = (2f64.powi(35) + 1.0) / 6.0;
        // 40,960 draws of a nearly uniform value: the variance's standard error is 0.45 %, the mean's 2^-7.7 deviations.
        assert!((variance / theory - 1.0).abs() < 0.03, "{variance} against {theory}");
        assert!(mean.abs() < 0.03 * theory.sqrt(), "mean {mean}");
        let bound = 2f64.powi(17);
        assert!(noise.iter().all(|e| e.abs() <= bound));
        assert!(noise.iter().any(|e| *e > 0.99 * bound) && noise.iter().any(|e| *e < -0.99 * bound));
    }
}
