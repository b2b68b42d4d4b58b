//! Key-additive encryption: bodies = a·s + e + Δ·values in Z[X]/(X^2048 + 1) modulo a power of two, with a mask `a` that all sites of a round share.
//!
//! Sums of bodies are encryptions under sums of keys. A key lives for one round, and one key serves all chunks of a long vector.

use std::sync::OnceLock;

use zeroize::Zeroizing;

use super::codec::{derive_hash, derive_public_seed};
use super::consortium::Round;
use super::parameters::{DIMENSION, KEY_BITS, NOISE_BITS, SumParameters, ZEROS};
use crate::HeError;
use crate::randomness::{derive_mask, fill};
use crate::ring::{Ring, Spectrum};

fn ring() -> &'static Ring {
    static RING: OnceLock<Ring> = OnceLock::new();
    RING.get_or_init(|| Ring::new(DIMENSION))
}

/// A fresh key: 2,048 coefficients within ±4.
pub(crate) fn make_key() -> Result<Zeroizing<Vec<i16>>, HeError> {
    make_binomial(DIMENSION, KEY_BITS)
}

/// Encrypts a vector and the zeros behind it.
pub(crate) fn make_bodies(round: &Round, key: &[i16], values: &[i64]) -> Result<Vec<u64>, HeError> {
    let parameters = round.parameters();
    let mut bodies = derive_key_stream(round, key);
    let noise = make_binomial(bodies.len(), NOISE_BITS)?;
    let plain = values.iter().copied().chain([0; ZEROS]);
    for ((body, value), &e) in bodies.iter_mut().zip(plain).zip(noise.iter()) {
        let message = (value << parameters.delta_log2) as u64;
        *body = modulo(parameters, body.wrapping_add(message).wrapping_add(i64::from(e) as u64));
    }
    Ok(bodies)
}

/// Decrypts a sum of bodies of at most `contributions` contributions.
///
/// # Errors
/// [`HeError::Unopenable`] where the zeros are not zero or a value is larger than the contributions could make it.
pub(crate) fn open(round: &Round, key: &[i16], bodies: &[u64], contributions: usize) -> Result<Vec<i64>, HeError> {
    let parameters = round.parameters();
    let stream = Zeroizing::new(derive_key_stream(round, key));
    let half = 1u64 << (parameters.delta_log2 - 1);
    // Rounding to a multiple of Δ, with the sign of a residue modulo 2^modulus_log2.
    let spare = 64 - parameters.modulus_log2;
    let value = |(body, mask): (&u64, &u64)| {
        let phase = body.wrapping_sub(*mask).wrapping_add(half) << spare;
        phase as i64 >> (spare + parameters.delta_log2)
    };
    let mut values: Vec<i64> = bodies.iter().zip(stream.iter()).map(value).collect();
    let zeros = values.split_off(round.length());
    let limit = parameters.value_limit() * contributions as i64;
    if zeros.iter().any(|&x| x != 0) || values.iter().any(|x| x.abs() > limit) {
        return Err(HeError::Unopenable);
    }
    Ok(values)
}

/// Adds a contribution's bodies to a sum.
pub(crate) fn add_to(parameters: &SumParameters, sum: &mut [u64], bodies: &[u64]) {
    for (sum, body) in sum.iter_mut().zip(bodies) {
        *sum = modulo(parameters, sum.wrapping_add(*body));
    }
}

fn modulo(parameters: &SumParameters, word: u64) -> u64 {
    word & ((1 << parameters.modulus_log2) - 1)
}

/// a·s, chunk by chunk. Keys and sums of 63 keys stay within ±252, as [`Ring`] demands.
pub(crate) fn derive_key_stream(round: &Round, key: &[i16]) -> Vec<u64> {
    let count = round.length() + ZEROS;
    let key: Spectrum = ring().transform_small(key);
    let mut stream = Vec::with_capacity(count.next_multiple_of(DIMENSION));
    for chunk in 0..count.div_ceil(DIMENSION) as u32 {
        let mask = ring().transform(&derive_chunk_mask(round, chunk));
        stream.extend_from_slice(&ring().multiply(&mask, &key));
    }
    stream.truncate(count);
    stream
}

/// The mask of one chunk: the same for all sites of the round, and never of another round.
fn derive_chunk_mask(round: &Round, chunk: u32) -> Vec<u64> {
    let hash = derive_hash("veilsight mask v1", &[round.digest(), &chunk.to_le_bytes()]);
    derive_mask(&derive_public_seed(&hash), DIMENSION)
}

/// Centred binomial draws: the difference of two sums of `bits` fair bits, `bits` at most 64.
fn make_binomial(count: usize, bits: u32) -> Result<Zeroizing<Vec<i16>>, HeError> {
    let mut random = Zeroizing::new(vec![0u8; count * 16]);
    fill(&mut random)?;
    let kept = u64::MAX >> (64 - bits);
    let (words, _) = random.as_chunks::<8>();
    let ones = |word: &[u8; 8]| (u64::from_le_bytes(*word) & kept).count_ones() as i16;
    Ok(Zeroizing::new(words.chunks(2).map(|pair| ones(&pair[0]) - ones(&pair[1])).collect()))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn draws_have_the_stated_bounds_and_variance() {
        for bits in [KEY_BITS, NOISE_BITS] {
            let draws = make_binomial(100_000, bits).unwrap();
            assert!(draws.iter().all(|x| x.unsigned_abs() <= bits as u16));
            let mean = draws.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
            let variance = draws.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e5;
            let theory = f64::from(bits) / 2.0;
            // The standard errors are below 0.5 % of the variance and 1/316 of the deviation.
            assert!((variance / theory - 1.0).abs() < 0.03 && mean.abs() < 0.02 * theory.sqrt(), "{mean} {variance}");
        }
    }
}
