use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::codec::{Reader, derive_hash};
use crate::HeError;
use crate::randomness::fill;

const BINDING: &str = "veilsight identity v1";

/// Bytes of a signature.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A site's long-lived secret: an Ed25519 key that signs and an X25519 key that shares are sealed to, both from one seed.
///
/// It has no `Debug` and no `Serialize`, and is wiped when dropped. Losing it costs the site its place in the consortium; a thief of it
/// can speak for the site in later rounds, and can read the shares sealed to it (with f others, that opens contributions).
pub struct IdentityKey {
    seed: Zeroizing<[u8; 32]>,
    signing: SigningKey,
    exchange: StaticSecret,
}

impl IdentityKey {
    /// A fresh identity.
    ///
    /// # Errors
    /// [`HeError::NoRandomness`].
    pub fn make() -> Result<Self, HeError> {
        let mut seed = Zeroizing::new([0; 32]);
        fill(seed.as_mut_slice())?;
        Ok(Self::derive(&seed))
    }

    /// The identity of a seed.
    pub fn derive(seed: &[u8; 32]) -> Self {
        let keys = Hkdf::<Sha256>::new(None, seed);
        let expand = |info: &str| {
            let mut key = Zeroizing::new([0; 32]);
            // 32 bytes are far below HKDF's limit of 255 hashes.
            keys.expand(info.as_bytes(), key.as_mut_slice()).expect("32 bytes can be expanded");
            key
        };
        Self {
            seed: Zeroizing::new(*seed),
            signing: SigningKey::from_bytes(&expand("veilsight signing v1")),
            exchange: StaticSecret::from(*expand("veilsight exchange v1")),
        }
    }

    /// The seed, for storage under another key. Whoever has it is the site.
    pub fn expose_seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// The public half.
    pub fn identity(&self) -> Identity {
        let exchange = PublicKey::from(&self.exchange);
        let verifying = self.signing.verifying_key();
        let binding = self.sign(&derive_hash(BINDING, &[verifying.as_bytes(), exchange.as_bytes()]));
        Identity { verifying, exchange, binding }
    }

    pub(crate) fn sign(&self, digest: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        self.signing.sign(digest).to_bytes()
    }

    pub(crate) fn exchange(&self) -> &StaticSecret {
        &self.exchange
    }
}

/// A site's public keys, bound to each other by the site's own signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    verifying: VerifyingKey,
    exchange: PublicKey,
    binding: [u8; SIGNATURE_BYTES],
}

impl Identity {
    /// Bytes of an identity.
    pub const BYTES: usize = 128;

    /// Ed25519 key (32), X25519 key (32), signature of both (64).
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(self.verifying.as_bytes());
        bytes[32..64].copy_from_slice(self.exchange.as_bytes());
        bytes[64..].copy_from_slice(&self.binding);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Another length, a key that is no point of the curve, or keys that do not belong together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeError> {
        let mut reader = Reader::new("an identity", bytes);
        let verifying = VerifyingKey::from_bytes(&reader.array()?).map_err(|_| HeError::BadIdentity)?;
        let exchange = PublicKey::from(reader.array::<32>()?);
        let binding = reader.array()?;
        reader.finish()?;
        let identity = Self { verifying, exchange, binding };
        let digest = derive_hash(BINDING, &[verifying.as_bytes(), exchange.as_bytes()]);
        if verifying.is_weak() || !identity.verifies(&digest, &binding) {
            return Err(HeError::BadIdentity);
        }
        Ok(identity)
    }

    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.verifying.verify_strict(digest, &Signature::from_bytes(signature)).is_ok()
    }

    pub(crate) fn exchange(&self) -> &PublicKey {
        &self.exchange
    }
}
