use std::fmt;

use crate::WireError;
use crate::limits::{HEADER_BYTES, MAX_LOGITS_BYTES, MAX_PUBLIC_KEY_BYTES, MAX_TILE_BYTES, MAX_TOKEN_BYTES};
use crate::{infer_answer, infer_request, purify_request, purify_result};

/// First four bytes of every message.
pub const MAGIC: [u8; 4] = *b"VEIL";

/// Version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;

/// Which message an envelope carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Client to relay: the public key of a session.
    SessionKey = 1,
    /// Client to relay: a sealed token to classify.
    InferRequest = 2,
    /// Relay to client: encrypted logits.
    InferAnswer = 3,
    /// Client to relay: noised tiles to purify.
    PurifyRequest = 4,
    /// Relay to client: purified tiles.
    PurifyResult = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, WireError> {
        match byte {
            1 => Ok(Self::SessionKey),
            2 => Ok(Self::InferRequest),
            3 => Ok(Self::InferAnswer),
            4 => Ok(Self::PurifyRequest),
            5 => Ok(Self::PurifyResult),
            found => Err(WireError::UnknownKind { found }),
        }
    }

    /// Most bytes of payload a message of this kind may have.
    pub const fn max_payload_bytes(self) -> usize {
        match self {
            Self::SessionKey => MAX_PUBLIC_KEY_BYTES,
            Self::InferRequest => infer_request::FIXED_BYTES + MAX_TOKEN_BYTES,
            Self::InferAnswer => infer_answer::FIXED_BYTES + MAX_LOGITS_BYTES,
            Self::PurifyRequest => purify_request::FIXED_BYTES + MAX_TILE_BYTES,
            Self::PurifyResult => purify_result::FIXED_BYTES + MAX_TILE_BYTES,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionKey => "session key",
            Self::InferRequest => "infer request",
            Self::InferAnswer => "infer answer",
            Self::PurifyRequest => "purify request",
            Self::PurifyResult => "purify result",
        })
    }
}

/// The twelve bytes in front of each payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Number of the parameter set the opaque bytes belong to, 0 where there are none; `he` knows which exist.
    pub parameters: u16,
    /// Bytes of payload behind the header.
    pub payload_bytes: usize,
}

impl Header {
    /// Reads the header of a message whose payload need not be complete.
    ///
    /// # Errors
    /// Fewer than twelve bytes, another magic or version, an unknown kind, or a length over the kind's limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (header, _) =
            bytes.split_first_chunk::<HEADER_BYTES>().ok_or(WireError::Truncated { needed: HEADER_BYTES, found: bytes.len() })?;
        let [m0, m1, m2, m3, version, kind, p0, p1, l0, l1, l2, l3] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(WireError::NotVeil);
        }
        if version != VERSION {
            return Err(WireError::Version { found: version });
        }
        let kind = Kind::from_byte(kind)?;
        // A u32 fits usize on every target of this project (32 and 64 bits).
        let payload_bytes = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        check_limit("payload", payload_bytes, kind.max_payload_bytes())?;
        Ok(Self { kind, parameters: u16::from_le_bytes([p0, p1]), payload_bytes })
    }
}

/// Writes a message: envelope, then the parts of the payload in order.
pub(crate) fn encode(kind: Kind, parameters: u16, parts: &[&[u8]]) -> Vec<u8> {
    let payload_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload_bytes);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.push(kind as u8);
    bytes.extend_from_slice(&parameters.to_le_bytes());
    // Every message is built by a constructor that keeps the payload below 2^32 bytes.
    bytes.extend_from_slice(&(payload_bytes as u32).to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Checks the envelope of a message of the wanted kind and gives its parameter set and payload.
pub(crate) fn open(wanted: Kind, bytes: &[u8]) -> Result<(u16, &[u8]), WireError> {
    let header = Header::decode(bytes)?;
    if header.kind != wanted {
        return Err(WireError::OtherKind { wanted, found: header.kind });
    }
    let payload = &bytes[HEADER_BYTES..];
    if payload.len() != header.payload_bytes {
        return Err(WireError::Length { announced: header.payload_bytes, found: payload.len() });
    }
    Ok((header.parameters, payload))
}

/// Holds the parameter set of a message that has none against zero.
pub(crate) fn no_parameters(parameters: u16) -> Result<(), WireError> {
    if parameters != 0 {
        return Err(WireError::Value { field: "parameters", found: parameters.into() });
    }
    Ok(())
}

/// Splits the fixed part off a payload.
pub(crate) fn split_fixed<const N: usize>(payload: &[u8]) -> Result<(&[u8; N], &[u8]), WireError> {
    payload.split_first_chunk::<N>().ok_or(WireError::Truncated { needed: HEADER_BYTES + N, found: HEADER_BYTES + payload.len() })
}

/// Holds a count or length against its limit.
pub(crate) fn check_limit(field: &'static str, found: usize, limit: usize) -> Result<(), WireError> {
    if found > limit {
        return Err(WireError::Limit { field, found, limit });
    }
    Ok(())
}

/// Holds a count or length against zero and its limit.
pub(crate) fn check_filled(field: &'static str, found: usize, limit: usize) -> Result<(), WireError> {
    if found == 0 {
        return Err(WireError::Empty { field });
    }
    check_limit(field, found, limit)
}
