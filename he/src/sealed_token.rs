use crate::HeError;
use crate::packing::{pack, unpack, widen};
use crate::parameters::{Parameters, SEED_BYTES};
use crate::public_key::split_seed;
use crate::randomness::derive_mask;
use crate::secret_key::round_all;

/// An encrypted CLS token: the seed of its mask, and one rounded body for each value.
///
/// The other N − d bodies would encrypt nothing that the head reads, so they are never made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedToken {
    parameters: &'static Parameters,
    seed: [u8; SEED_BYTES],
    /// Rounded to the set's token_body_bits, one for each value.
    bodies: Vec<u64>,
}

impl SealedToken {
    pub(crate) fn from_words(parameters: &'static Parameters, seed: [u8; SEED_BYTES], words: &[u64]) -> Self {
        Self { parameters, seed, bodies: round_all(words, parameters.token_body_bits) }
    }

    /// The parameter set of the token.
    pub fn parameters(&self) -> &'static Parameters {
        self.parameters
    }

    /// Values in the token.
    pub fn dim(&self) -> usize {
        self.bodies.len()
    }

    /// Seed (16 bytes), then the packed bodies: [`Parameters::token_bytes`] in all.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.parameters.token_bytes(self.dim()));
        bytes.extend_from_slice(&self.seed);
        pack(self.bodies.iter().copied(), self.parameters.token_body_bits, &mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote for a token of `dim` values.
    ///
    /// # Errors
    /// A dim out of range, another length than it implies, or set padding bits.
    pub fn from_bytes(parameters: &'static Parameters, dim: usize, bytes: &[u8]) -> Result<Self, HeError> {
        parameters.check_dim(dim)?;
        let (seed, packed) = split_seed("a sealed token", bytes, parameters.token_bytes(dim))?;
        let bodies = unpack("a sealed token", packed, dim, parameters.token_body_bits)?;
        Ok(Self { parameters, seed, bodies })
    }

    /// The mask, N words.
    pub(crate) fn derive_mask(&self) -> Vec<u64> {
        derive_mask(&self.seed, self.parameters.polynomial_size)
    }

    /// The bodies as words modulo 2^64.
    pub(crate) fn derive_bodies(&self) -> impl Iterator<Item = u64> {
        self.bodies.iter().map(|&x| widen(x, self.parameters.token_body_bits))
    }
}
