use crate::HeError;
use crate::packing::{pack, unpack, widen};
use crate::parameters::{Parameters, SEED_BYTES};
use crate::randomness::derive_mask;
use crate::ring::Spectrum;
use crate::secret_key::round_all;

/// An encryption of zero under the client's key: seed of the mask a', and all N bodies b' = a'·s + e.
///
/// The mask is derived from the seed by whoever uses the key, so a client cannot choose a mask (such as zero) that would
/// leave the relay's weights bare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    parameters: &'static Parameters,
    seed: [u8; SEED_BYTES],
    /// Rounded to the set's key_body_bits.
    bodies: Vec<u64>,
}

impl PublicKey {
    pub(crate) fn from_words(parameters: &'static Parameters, seed: [u8; SEED_BYTES], words: &[u64]) -> Self {
        Self { parameters, seed, bodies: round_all(words, parameters.key_body_bits) }
    }

    /// Seed (16 bytes), then the packed bodies: [`Parameters::public_key_bytes`] in all.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.parameters.public_key_bytes());
        bytes.extend_from_slice(&self.seed);
        pack(self.bodies.iter().copied(), self.parameters.key_body_bits, &mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote. That the bodies encrypt zero cannot be seen; see `docs/CRYPTOGRAPHY.md` for
    /// what a client gains by lying.
    ///
    /// # Errors
    /// Another length than the parameter set's.
    pub fn from_bytes(parameters: &'static Parameters, bytes: &[u8]) -> Result<Self, HeError> {
        let (seed, packed) = split_seed("a public key", bytes, parameters.public_key_bytes())?;
        let size = parameters.polynomial_size;
        let bodies = unpack("a public key", packed, size, parameters.key_body_bits)?;
        Ok(Self { parameters, seed, bodies })
    }

    /// Derives what each answer needs, once a session. About 40 KB in memory.
    pub fn prepare(&self) -> PreparedPublicKey {
        let mask = derive_mask(&self.seed, self.parameters.polynomial_size);
        let bodies = self.bodies.iter().map(|&x| widen(x, self.parameters.key_body_bits)).collect();
        PreparedPublicKey { parameters: self.parameters, mask: self.parameters.ring().transform(&mask), bodies }
    }
}

/// A public key ready for use: its mask in the transformed domain.
pub struct PreparedPublicKey {
    pub(crate) parameters: &'static Parameters,
    pub(crate) mask: Spectrum,
    /// N words.
    pub(crate) bodies: Vec<u64>,
}

/// Splits the seed off an object of a known length.
pub(crate) fn split_seed<'a>(
    what: &'static str,
    bytes: &'a [u8],
    expected: usize,
) -> Result<([u8; SEED_BYTES], &'a [u8]), HeError> {
    let found = bytes.len();
    match bytes.split_first_chunk() {
        Some((seed, rest)) if found == expected => Ok((*seed, rest)),
        _ => Err(HeError::Length { what, expected, found }),
    }
}
