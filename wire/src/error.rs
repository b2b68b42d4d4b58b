use thiserror::Error;

use crate::envelope::{Kind, VERSION};

/// Why bytes are no message of ours, or why a message cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// The bytes end before the fixed part of the message does.
    #[error("the message ends after {found} bytes, {needed} are needed: send it whole")]
    Truncated {
        /// Bytes the fixed part takes.
        needed: usize,
        /// Bytes at hand.
        found: usize,
    },
    /// The first four bytes are not `VEIL`.
    #[error("this is no Veilsight message: it does not start with VEIL")]
    NotVeil,
    /// The sender speaks another version of the protocol.
    #[error("the message has version {found}, this side speaks version {VERSION}: update the older side")]
    Version {
        /// Version in the envelope.
        found: u8,
    },
    /// No message has this number.
    #[error("no message has kind {found}: update this side or check the sender")]
    UnknownKind {
        /// Kind in the envelope.
        found: u8,
    },
    /// A message, but not the one wanted here.
    #[error("a {found} message came where a {wanted} message is wanted")]
    OtherKind {
        /// What was to be decoded.
        wanted: Kind,
        /// What came.
        found: Kind,
    },
    /// The envelope's length is not the number of bytes behind it, or the tiles are not as long as their shape says.
    #[error("{announced} bytes are announced, {found} follow: send the message whole and nothing behind it")]
    Length {
        /// Bytes that the envelope, or the shape and count of tiles, announce.
        announced: usize,
        /// Bytes that follow.
        found: usize,
    },
    /// A field or the payload is longer than its limit.
    #[error("{field} has {found}, at most {limit} are allowed")]
    Limit {
        /// Name of the field.
        field: &'static str,
        /// Value or length found.
        found: usize,
        /// The limit, see [`crate::limits`].
        limit: usize,
    },
    /// A field that must hold something is empty or zero.
    #[error("{field} is empty")]
    Empty {
        /// Name of the field.
        field: &'static str,
    },
    /// A field within its limit that has a value with no meaning.
    #[error("{field} cannot be {found}: see docs/WIRE.md for what it may be")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// Value found.
        found: usize,
    },
}

impl WireError {
    /// A short name that stays the same when the sentence changes; used by the test vectors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::NotVeil => "not-veil",
            Self::Version { .. } => "version",
            Self::UnknownKind { .. } => "unknown-kind",
            Self::OtherKind { .. } => "other-kind",
            Self::Length { .. } => "length",
            Self::Limit { .. } => "limit",
            Self::Empty { .. } => "empty",
            Self::Value { .. } => "value",
        }
    }
}
