//! Reading and hashing of messages. Every length is known from the rules before a byte is read.

use sha2::{Digest, Sha256};

use crate::HeError;

/// A digest that names an object.
pub(crate) type Hash = [u8; 32];

/// SHA-256 over a domain and parts, each with its length in front, so that no two lists of parts hash alike.
pub(crate) fn derive_hash(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The first half of a digest, as a seed for public randomness.
pub(crate) fn derive_public_seed(hash: &Hash) -> [u8; 16] {
    std::array::from_fn(|i| hash[i])
}

/// A cursor over a message.
pub(crate) struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], HeError> {
        let (head, rest) = self.bytes.split_at_checked(count).ok_or(HeError::Truncated { what: self.what })?;
        self.bytes = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], HeError> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(HeError::Truncated { what: self.what })?;
        self.bytes = rest;
        Ok(*head)
    }

    pub fn u16(&mut self) -> Result<u16, HeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads a message's first bytes: version, kind and which round it is for.
    pub fn opening(&mut self, kind: u8, round: &Hash) -> Result<(), HeError> {
        let [version, found] = self.array()?;
        if version != VERSION {
            return Err(HeError::MessageVersion { found: version });
        }
        if found != kind {
            return Err(HeError::MessageKind { what: self.what });
        }
        if self.array::<8>()? != round[..8] {
            return Err(HeError::OtherRound { what: self.what });
        }
        Ok(())
    }

    pub fn finish(self) -> Result<(), HeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(HeError::Trailing { what: self.what, bytes: self.bytes.len() }) }
    }
}

/// Version of all messages of a round.
pub(crate) const VERSION: u8 = 1;

/// Bytes of a message's opening.
pub(crate) const OPENING_BYTES: usize = 10;

/// Writes what [`Reader::opening`] reads.
pub(crate) fn write_opening(kind: u8, round: &Hash, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(&round[..8]);
}

/// Kinds of messages, the second byte of each.
pub(crate) mod kind {
    pub const CONTRIBUTION: u8 = 1;
    pub const SET: u8 = 2;
    pub const DELIVERY: u8 = 3;
    pub const CONFIRMATION: u8 = 4;
    pub const CERTIFICATE: u8 = 5;
    pub const ANSWER: u8 = 6;
}
