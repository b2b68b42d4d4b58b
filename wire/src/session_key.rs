use crate::WireError;
use crate::envelope::{Kind, check_filled, encode, open};
use crate::limits::MAX_PUBLIC_KEY_BYTES;

/// Kind 1, client to relay: the public key under which the relay re-randomises this session's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    parameters: u16,
    public_key: Vec<u8>,
}

impl SessionKey {
    /// A message carrying `public_key`, the bytes of `he`'s `PublicKey`, of the given parameter set.
    ///
    /// # Errors
    /// An empty key or one over [`MAX_PUBLIC_KEY_BYTES`].
    pub fn new(parameters: u16, public_key: Vec<u8>) -> Result<Self, WireError> {
        check_filled("public key", public_key.len(), MAX_PUBLIC_KEY_BYTES)?;
        Ok(Self { parameters, public_key })
    }

    /// Number of the parameter set.
    pub fn parameters(&self) -> u16 {
        self.parameters
    }

    /// Bytes of the public key, opaque to this crate.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The whole message.
    pub fn encode(&self) -> Vec<u8> {
        encode(Kind::SessionKey, self.parameters, &[&self.public_key])
    }

    /// Reads a whole message.
    ///
    /// # Errors
    /// Anything but exactly one well-formed message of this kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (parameters, public_key) = open(Kind::SessionKey, bytes)?;
        Self::new(parameters, public_key.to_vec())
    }
}
