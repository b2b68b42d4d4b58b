use super::codec::{Hash, OPENING_BYTES, Reader, derive_hash, kind, write_opening};
use super::consortium::{Consortium, Round};
use super::identity::SIGNATURE_BYTES;
use super::parameters::Rules;
use super::sealed_share::{element_bytes, pack_elements, unpack_elements};
use super::set::Set;
use crate::HeError;

/// A member's part of the opening: the sum of its shares of the keys in the set. It is exact; a key lives for one round, so
/// the sum of keys, which is all that enough answers give, protects nothing else and needs no smudging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    member: u16,
    set: Hash,
    /// One element for each key polynomial.
    pub(crate) sum: Vec<u16>,
    signature: [u8; SIGNATURE_BYTES],
}

impl Answer {
    pub(crate) fn assemble(
        member: u16,
        set: Hash,
        sum: Vec<u16>,
        sign: impl Fn(&Hash) -> [u8; SIGNATURE_BYTES],
        round: &Round,
    ) -> Self {
        let signature = sign(&derive_signed(round, &set, member, &sum));
        Self { member, set, sum, signature }
    }

    /// The member it comes from.
    pub fn member(&self) -> u16 {
        self.member
    }

    /// Bytes of an answer.
    pub fn bytes(rules: &Rules) -> usize {
        OPENING_BYTES + 2 + 8 + element_bytes(rules.rows()) + SIGNATURE_BYTES
    }

    /// Opening, member, first bytes of the set's digest, sum of shares, signature.
    pub fn to_bytes(&self, round: &Round) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_opening(kind::ANSWER, round.digest(), &mut bytes);
        bytes.extend_from_slice(&self.member.to_le_bytes());
        bytes.extend_from_slice(&self.set[..8]);
        pack_elements(&self.sum, &mut bytes);
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// Reads an answer for `set` and checks its signature.
    ///
    /// # Errors
    /// Another round or set, an unknown member, another length, or a bad signature.
    pub fn from_bytes(consortium: &Consortium, round: &Round, set: &Set, bytes: &[u8]) -> Result<Self, HeError> {
        let rows = consortium.rules().rows();
        let mut reader = Reader::new("an answer", bytes);
        reader.opening(kind::ANSWER, round.digest())?;
        let member = reader.u16()?;
        if reader.array::<8>()? != set.digest()[..8] {
            return Err(HeError::OtherSet { what: "an answer" });
        }
        let sum = unpack_elements("an answer", reader.take(element_bytes(rows))?, rows)?;
        let signature = reader.array()?;
        reader.finish()?;
        let set = *set.digest();
        consortium.verify("the answer", member, &derive_signed(round, &set, member, &sum), &signature)?;
        Ok(Self { member, set, sum, signature })
    }

    pub(crate) fn check_set(&self, set: &Set) -> Result<(), HeError> {
        if self.set == *set.digest() { Ok(()) } else { Err(HeError::OtherSet { what: "an answer" }) }
    }
}

fn derive_signed(round: &Round, set: &Hash, member: u16, sum: &[u16]) -> Hash {
    let mut packed = Vec::new();
    pack_elements(sum, &mut packed);
    derive_hash("veilsight answer v1", &[round.digest(), set, &member.to_le_bytes(), &packed])
}
