use super::codec::{Hash, OPENING_BYTES, Reader, derive_hash, kind, write_opening};
use super::consortium::{Consortium, Round};
use super::identity::SIGNATURE_BYTES;
use super::sealed_share::{element_bytes, pack_elements, unpack_elements};
use super::set::Set;
use super::sharing::{CHECKS, Word};
use crate::HeError;

/// What a member signs when it has seen a set.
pub(crate) fn derive_set_signed(round: &Round, set: &Hash, member: u16) -> Hash {
    derive_hash("veilsight confirmation v1", &[round.digest(), set, &member.to_le_bytes()])
}

/// A member's signature under a set, and the blinded checks of the shares it holds of each contribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    member: u16,
    set: Hash,
    signature: [u8; SIGNATURE_BYTES],
    /// CHECKS elements for each entry of the set.
    checks: Vec<u16>,
    checks_signature: [u8; SIGNATURE_BYTES],
}

impl Confirmation {
    pub(crate) fn assemble(
        member: u16,
        set: Hash,
        checks: Vec<u16>,
        sign: impl Fn(&Hash) -> [u8; SIGNATURE_BYTES],
        round: &Round,
    ) -> Self {
        let signature = sign(&derive_set_signed(round, &set, member));
        let checks_signature = sign(&derive_checks_signed(round, &set, member, &checks));
        Self { member, set, signature, checks, checks_signature }
    }

    /// The member it comes from.
    pub fn member(&self) -> u16 {
        self.member
    }

    /// Bytes of a confirmation of a set of `entries` contributions.
    pub fn bytes(entries: usize) -> usize {
        OPENING_BYTES + 2 + 8 + 2 * SIGNATURE_BYTES + element_bytes(entries * CHECKS)
    }

    /// Opening, member, first bytes of the set's digest, signature, checks, their signature.
    pub fn to_bytes(&self, round: &Round) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::bytes(self.checks.len() / CHECKS));
        write_opening(kind::CONFIRMATION, round.digest(), &mut bytes);
        bytes.extend_from_slice(&self.member.to_le_bytes());
        bytes.extend_from_slice(&self.set[..8]);
        bytes.extend_from_slice(&self.signature);
        pack_elements(&self.checks, &mut bytes);
        bytes.extend_from_slice(&self.checks_signature);
        bytes
    }

    /// Reads a confirmation of `set` and checks its signatures.
    ///
    /// # Errors
    /// Another round or set, an unknown member, another length, or a bad signature.
    pub fn from_bytes(consortium: &Consortium, round: &Round, set: &Set, bytes: &[u8]) -> Result<Self, HeError> {
        let mut reader = Reader::new("a confirmation", bytes);
        reader.opening(kind::CONFIRMATION, round.digest())?;
        let member = reader.u16()?;
        if reader.array::<8>()? != set.digest()[..8] {
            return Err(HeError::OtherSet { what: "a confirmation" });
        }
        let signature = reader.array()?;
        let count = set.entries.len() * CHECKS;
        let checks = unpack_elements("a confirmation", reader.take(element_bytes(count))?, count)?;
        let checks_signature = reader.array()?;
        reader.finish()?;
        let set = *set.digest();
        consortium.verify("the confirmation", member, &derive_set_signed(round, &set, member), &signature)?;
        let signed = derive_checks_signed(round, &set, member, &checks);
        consortium.verify("the confirmation's checks", member, &signed, &checks_signature)?;
        Ok(Self { member, set, signature, checks, checks_signature })
    }
}

fn derive_checks_signed(round: &Round, set: &Hash, member: u16, checks: &[u16]) -> Hash {
    let mut packed = Vec::new();
    pack_elements(checks, &mut packed);
    derive_hash("veilsight checks v1", &[round.digest(), set, &member.to_le_bytes(), &packed])
}

/// Proof that a quorum of members has signed one set: without it no member answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    set: Hash,
    signatures: Vec<(u16, [u8; SIGNATURE_BYTES])>,
}

impl Certificate {
    /// The certificate that these confirmations make.
    ///
    /// # Errors
    /// Two confirmations of one member, a confirmation of another set, fewer than the quorum, or [`HeError::BadShare`]: the checks of a
    /// site's shares do not lie on polynomials. The latter can be seen only if more than the threshold confirm.
    pub fn derive(consortium: &Consortium, set: &Set, confirmations: &[Confirmation]) -> Result<Self, HeError> {
        if confirmations.iter().any(|confirmation| confirmation.set != *set.digest()) {
            return Err(HeError::OtherSet { what: "a confirmation" });
        }
        let mut sorted: Vec<&Confirmation> = confirmations.iter().collect();
        sorted.sort_by_key(|confirmation| confirmation.member);
        let signatures = sorted.iter().map(|confirmation| (confirmation.member, confirmation.signature)).collect();
        let mut certificate = Self { set: *set.digest(), signatures };
        certificate.check_members(consortium)?;
        for (i, entry) in set.entries.iter().enumerate() {
            let points = sorted.iter().map(|from| (from.member, &from.checks[i * CHECKS..(i + 1) * CHECKS])).collect();
            let word = Word { points };
            if !word.is_consistent(consortium.rules()) {
                return Err(HeError::BadShare { site: entry.site, members: word.outliers(consortium.rules()) });
            }
        }
        // A quorum is all that a member looks for.
        certificate.signatures.truncate(consortium.rules().quorum().into());
        Ok(certificate)
    }

    /// The members whose signatures it carries: a quorum.
    pub fn members(&self) -> Vec<u16> {
        self.signatures.iter().map(|(member, _)| *member).collect()
    }

    /// Opening, number of signatures, (member, signature) each.
    pub fn to_bytes(&self, round: &Round) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(OPENING_BYTES + 2 + self.signatures.len() * (2 + SIGNATURE_BYTES));
        write_opening(kind::CERTIFICATE, round.digest(), &mut bytes);
        bytes.extend_from_slice(&(self.signatures.len() as u16).to_le_bytes());
        for (member, signature) in &self.signatures {
            bytes.extend_from_slice(&member.to_le_bytes());
            bytes.extend_from_slice(signature);
        }
        bytes
    }

    /// Reads a certificate of `set`, checking each signature and the quorum.
    ///
    /// # Errors
    /// Another round, too few or repeated members, or a signature under another set.
    pub fn from_bytes(consortium: &Consortium, round: &Round, set: &Set, bytes: &[u8]) -> Result<Self, HeError> {
        let mut reader = Reader::new("a certificate", bytes);
        reader.opening(kind::CERTIFICATE, round.digest())?;
        let count = reader.u16()?.min(consortium.rules().sites());
        let signatures: Vec<_> = (0..count).map(|_| Ok((reader.u16()?, reader.array()?))).collect::<Result<_, HeError>>()?;
        reader.finish()?;
        let certificate = Self { set: *set.digest(), signatures };
        certificate.check_members(consortium)?;
        for (member, signature) in &certificate.signatures {
            let signed = derive_set_signed(round, set.digest(), *member);
            consortium.verify("the certificate", *member, &signed, signature)?;
        }
        Ok(certificate)
    }

    fn check_members(&self, consortium: &Consortium) -> Result<(), HeError> {
        if let Some(pair) = self.signatures.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(HeError::SecondConfirmation { member: pair[1].0 });
        }
        let (found, quorum) = (self.signatures.len(), consortium.rules().quorum());
        if found < usize::from(quorum) { Err(HeError::NoQuorum { found, quorum }) } else { Ok(()) }
    }
}
