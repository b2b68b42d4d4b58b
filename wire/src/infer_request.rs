use crate::WireError;
use crate::envelope::{Kind, check_filled, encode, open, split_fixed};
use crate::limits::{MAX_DIM, MAX_TOKEN_BYTES};

/// Bytes in front of the token: session (16), encoder (8), dim (2).
pub(crate) const FIXED_BYTES: usize = 26;

/// Kind 2, client to relay: a sealed token to classify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferRequest {
    parameters: u16,
    session: [u8; 16],
    encoder: [u8; 8],
    dim: u16,
    token: Vec<u8>,
}

impl InferRequest {
    /// A request to classify `token`, the bytes of `he`'s `SealedToken` of `dim` values.
    ///
    /// `session` is what the relay answered to the session's key, `encoder` the first eight bytes of the SHA-256 of the
    /// encoder that made the token.
    ///
    /// # Errors
    /// A dim of zero or over [`MAX_DIM`]; an empty token or one over [`MAX_TOKEN_BYTES`].
    pub fn new(parameters: u16, session: [u8; 16], encoder: [u8; 8], dim: u16, token: Vec<u8>) -> Result<Self, WireError> {
        check_filled("dim", dim.into(), MAX_DIM.into())?;
        check_filled("token", token.len(), MAX_TOKEN_BYTES)?;
        Ok(Self { parameters, session, encoder, dim, token })
    }

    /// Number of the parameter set.
    pub fn parameters(&self) -> u16 {
        self.parameters
    }

    /// The session whose public key re-randomises the answer.
    pub fn session(&self) -> &[u8; 16] {
        &self.session
    }

    /// First eight bytes of the SHA-256 of the encoder.
    pub fn encoder(&self) -> &[u8; 8] {
        &self.encoder
    }

    /// Values in the token.
    pub fn dim(&self) -> u16 {
        self.dim
    }

    /// Bytes of the sealed token, opaque to this crate.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// The whole message.
    pub fn encode(&self) -> Vec<u8> {
        let dim = self.dim.to_le_bytes();
        encode(Kind::InferRequest, self.parameters, &[&self.session, &self.encoder, &dim, &self.token])
    }

    /// Reads a whole message.
    ///
    /// # Errors
    /// Anything but exactly one well-formed message of this kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (parameters, payload) = open(Kind::InferRequest, bytes)?;
        let (fixed, token) = split_fixed::<FIXED_BYTES>(payload)?;
        let (session, rest) = split_fixed::<16>(fixed)?;
        let (encoder, rest) = split_fixed::<8>(rest)?;
        let (dim, _) = split_fixed::<2>(rest)?;
        Self::new(parameters, *session, *encoder, u16::from_le_bytes(*dim), token.to_vec())
    }
}
