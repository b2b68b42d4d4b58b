use std::fmt;
use std::sync::OnceLock;

use crate::HeError;
use crate::ring::Ring;

/// A named, immutable set of parameters. Security and failure probability are derived in `docs/CRYPTOGRAPHY.md`.
pub struct Parameters {
    pub(crate) id: u16,
    pub(crate) name: &'static str,
    pub(crate) polynomial_size: usize,
    pub(crate) noise_log2: u32,
    pub(crate) delta_log2: u32,
    pub(crate) token_body_bits: u32,
    pub(crate) key_body_bits: u32,
    pub(crate) answer_bits: u32,
    pub(crate) flood_log2: u32,
    pub(crate) token_limit: i16,
    pub(crate) weight_limit: i16,
    pub(crate) max_classes: usize,
    ring: OnceLock<Ring>,
}

/// GLWE with N = 2048, k = 1, q = 2^64, binary secret, TUniform(17) noise: 132-bit by the formula of `tfhe`'s authors.
///
/// Integers are scaled by Δ = 2^38; tokens and weights have 9 bits; bodies of tokens and public keys travel at 44 bits,
/// answers at 36; the relay floods each logit uniformly over ±2^36.
pub static GLWE_2048_TU17: Parameters = Parameters {
    id: 1,
    name: "GLWE_2048_TU17",
    polynomial_size: 2048,
    noise_log2: 17,
    delta_log2: 38,
    token_body_bits: 44,
    key_body_bits: 44,
    answer_bits: 36,
    flood_log2: 36,
    token_limit: 255,
    weight_limit: 255,
    max_classes: 64,
    ring: OnceLock::new(),
};

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Sets are statics, one of each: equal numbers mean the same set.
impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Parameters {}

impl Parameters {
    /// The set a wire message names by number.
    pub fn by_id(id: u16) -> Option<&'static Self> {
        (id == GLWE_2048_TU17.id).then_some(&GLWE_2048_TU17)
    }

    /// The set a model card names.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        (name == GLWE_2048_TU17.name).then_some(&GLWE_2048_TU17)
    }

    /// Number of this set in wire messages.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Name of this set in model cards.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Most values a token can hold: the polynomial size N.
    pub fn max_dim(&self) -> usize {
        self.polynomial_size
    }

    /// Most classes a head can have.
    pub fn max_classes(&self) -> usize {
        self.max_classes
    }

    /// Largest magnitude of a token's values.
    pub fn token_limit(&self) -> i16 {
        self.token_limit
    }

    /// Largest magnitude of a head's weights.
    pub fn weight_limit(&self) -> i16 {
        self.weight_limit
    }

    /// Largest magnitude of a logit: 2^(63 - log2 Δ) - 1.
    pub fn logit_limit(&self) -> u64 {
        (1 << (63 - self.delta_log2)) - 1
    }

    /// Bytes of a sealed token of `dim` values.
    pub fn token_bytes(&self, dim: usize) -> usize {
        SEED_BYTES + packed_bytes(dim, self.token_body_bits)
    }

    /// Bytes of a public key.
    pub fn public_key_bytes(&self) -> usize {
        SEED_BYTES + packed_bytes(self.polynomial_size, self.key_body_bits)
    }

    /// Bytes of encrypted logits of `classes` classes.
    pub fn answer_bytes(&self, classes: usize) -> usize {
        packed_bytes(classes * (self.polynomial_size + 1), self.answer_bits)
    }

    pub(crate) fn check_dim(&self, dim: usize) -> Result<(), HeError> {
        check_count("the token's dimension", dim, self.polynomial_size)
    }

    pub(crate) fn check_classes(&self, classes: usize) -> Result<(), HeError> {
        check_count("the number of classes", classes, self.max_classes)
    }

    /// Z[X]/(X^N + 1), with its transforms prepared once.
    pub(crate) fn ring(&self) -> &Ring {
        self.ring.get_or_init(|| Ring::new(self.polynomial_size))
    }

    pub(crate) fn check_same(&self, other: &Self) -> Result<(), HeError> {
        if self == other { Ok(()) } else { Err(HeError::OtherParameters) }
    }
}

/// Bytes of the seed that stands for a mask.
pub(crate) const SEED_BYTES: usize = 16;

fn packed_bytes(values: usize, bits: u32) -> usize {
    (values * bits as usize).div_ceil(8)
}

fn check_count(what: &'static str, found: usize, most: usize) -> Result<(), HeError> {
    if (1..=most).contains(&found) { Ok(()) } else { Err(HeError::Count { what, found, most }) }
}
