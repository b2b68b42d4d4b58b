//! Where randomness comes from: the system's generator for keys and seeds, `tfhe`'s AES-128 counter mode to expand them.
//!
//! `tfhe`'s own `new_seeder()` panics in the browser; `getrandom` works there and natively.

use tfhe::core_crypto::commons::math::random::{DefaultRandomGenerator, RandomGenerator, Seed, TUniform};
use zeroize::Zeroizing;

use crate::HeError;
use crate::parameters::{Parameters, SEED_BYTES};

/// A stream of noise. Its state lives in `tfhe`, which does not wipe it; it is dropped after each operation.
pub(crate) struct Noise {
    stream: RandomGenerator<DefaultRandomGenerator>,
    distribution: TUniform<u64>,
}

impl Noise {
    /// A stream seeded from the system.
    pub fn make(parameters: &Parameters) -> Result<Self, HeError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        fill(seed.as_mut_slice())?;
        Ok(Self {
            stream: RandomGenerator::new(Seed(u128::from_le_bytes(*seed))),
            distribution: TUniform::new(parameters.noise_log2),
        })
    }

    /// Adds encryption noise, TUniform of the parameter set, to each value (mod 2^64).
    pub fn add_to(&mut self, values: &mut [u64]) {
        self.stream.unsigned_integer_slice_wrapping_add_random_from_distribution_assign(values, self.distribution);
    }

    /// A value drawn uniformly from [-2^bound_log2, 2^bound_log2), mod 2^64.
    pub fn draw_flood(&mut self, bound_log2: u32) -> u64 {
        (self.stream.random_uniform::<u64>() as i64 >> (63 - bound_log2)) as u64
    }
}

/// Fresh random bytes from the system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), HeError> {
    getrandom::fill(bytes).map_err(|_| HeError::NoRandomness)
}

/// A fresh public seed for a mask.
pub(crate) fn make_seed() -> Result<[u8; SEED_BYTES], HeError> {
    let mut seed = [0; SEED_BYTES];
    fill(&mut seed)?;
    Ok(seed)
}

/// `count` fresh random bits from the system, one a word.
pub(crate) fn make_bits(count: usize) -> Result<Zeroizing<Vec<u64>>, HeError> {
    let mut bytes = Zeroizing::new(vec![0u8; count.div_ceil(8)]);
    fill(&mut bytes)?;
    let mut bits = Zeroizing::new(Vec::with_capacity(count));
    bits.extend((0..count).map(|i| u64::from(bytes[i / 8] >> (i % 8) & 1)));
    Ok(bits)
}

/// The mask that a seed stands for: `count` words of AES-128 in counter mode, the same on every platform.
pub(crate) fn derive_mask(seed: &[u8; SEED_BYTES], count: usize) -> Vec<u64> {
    let mut stream = RandomGenerator::<DefaultRandomGenerator>::new(Seed(u128::from_le_bytes(*seed)));
    let mut mask = vec![0; count];
    stream.fill_slice_with_random_uniform(&mut mask);
    mask
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::GLWE_2048_TU17;

    #[test]
    fn random_bits_are_bits_and_about_half_of_them_are_set() {
        let bits = make_bits(1 << 16).unwrap();
        assert!(bits.iter().all(|&bit| bit <= 1));
        let ones = bits.iter().sum::<u64>() as f64;
        // 8 standard deviations of a fair coin.
        assert!((ones - 32_768.0).abs() < 8.0 * 128.0, "{ones} of 65536 bits are set");
    }

    #[test]
    fn flood_stays_in_its_interval_and_fills_it() {
        let mut noise = Noise::make(&GLWE_2048_TU17).unwrap();
        let draws: Vec<i64> = (0..10_000).map(|_| noise.draw_flood(36) as i64).collect();
        let bound = 1i64 << 36;
        assert!(draws.iter().all(|&x| -bound <= x && x < bound));
        assert!(draws.iter().any(|&x| x > bound / 100 * 99));
        assert!(draws.iter().any(|&x| x < -bound / 100 * 99));
    }
}
