use super::codec::{Hash, derive_hash};
use super::identity::{Identity, IdentityKey, SIGNATURE_BYTES};
use super::parameters::{MAX_LENGTH, Rules, SumParameters};
use crate::HeError;

/// A fixed roster of sites and the rules they agreed on. Every signature of a round binds its digest.
///
/// The relay hands the roster out, so a relay that invents sites can be noticed only by comparing [`Consortium::fingerprint`]
/// over another channel (a telephone call, a signed letter) before the first round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consortium {
    rules: Rules,
    identities: Vec<Identity>,
    digest: Hash,
}

impl Consortium {
    /// The consortium of this name, rules and roster.
    ///
    /// # Errors
    /// Another number of identities than the rules say, or an identity that is in the roster twice.
    pub fn derive(id: &str, rules: Rules, identities: Vec<Identity>) -> Result<Self, HeError> {
        if identities.len() != usize::from(rules.sites()) {
            return Err(HeError::RosterLength { found: identities.len(), sites: rules.sites() });
        }
        let bytes: Vec<[u8; Identity::BYTES]> = identities.iter().map(Identity::to_bytes).collect();
        // Either key of an identity stands for the site: neither may be there twice.
        let repeats = |part: std::ops::Range<usize>| {
            (1..bytes.len()).find(|&i| bytes[..i].iter().any(|earlier| earlier[part.clone()] == bytes[i][part.clone()]))
        };
        if let Some(site) = repeats(0..32).or_else(|| repeats(32..64)) {
            return Err(HeError::RepeatedIdentity { site: site as u16 });
        }
        let numbers = [rules.sites(), rules.threshold(), rules.collusion(), rules.cohort()].map(u16::to_le_bytes).concat();
        let mut parts: Vec<&[u8]> = vec![id.as_bytes(), &numbers];
        parts.extend(bytes.iter().map(|identity| &identity[..]));
        let digest = derive_hash("veilsight consortium v1", &parts);
        Ok(Self { rules, identities, digest })
    }

    /// SHA-256 of name, rules and roster.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The first 128 bits of the digest in groups of four hexadecimal digits, for people to compare.
    pub fn fingerprint(&self) -> String {
        let groups = self.digest[..16].chunks(2).map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]));
        groups.collect::<Vec<_>>().join(" ")
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The roster, in the order of site indices.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The place of an identity in the roster.
    pub fn index_of(&self, identity: &Identity) -> Option<u16> {
        self.identities.iter().position(|other| other == identity).map(|index| index as u16)
    }

    /// The caller's own place.
    pub(crate) fn own_index(&self, key: &IdentityKey) -> Result<u16, HeError> {
        self.index_of(&key.identity()).ok_or(HeError::NotInRoster)
    }

    pub(crate) fn identity(&self, site: u16) -> Result<&Identity, HeError> {
        self.identities.get(usize::from(site)).ok_or(HeError::UnknownSite { site })
    }

    pub(crate) fn verify(
        &self,
        what: &'static str,
        site: u16,
        digest: &Hash,
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), HeError> {
        if self.identity(site)?.verifies(digest, signature) { Ok(()) } else { Err(HeError::BadSignature { what, site }) }
    }
}

/// One sum: what it is of, and which number it has in its consortium. Masks are derived from it, so a number is used once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    number: u64,
    parameters: &'static SumParameters,
    length: usize,
    digest: Hash,
}

impl Round {
    /// The round of this number for vectors of `length` values. `purpose` is bound into every message: contributions that were made
    /// for another purpose (model, classes, clipping) are refused.
    ///
    /// # Errors
    /// A length outside 1..=2^24.
    pub fn derive(
        consortium: &Consortium,
        number: u64,
        parameters: &'static SumParameters,
        length: usize,
        purpose: &[u8],
    ) -> Result<Self, HeError> {
        if !(1..=MAX_LENGTH).contains(&length) {
            return Err(HeError::Count { what: "the number of values", found: length, most: MAX_LENGTH });
        }
        let length_bytes = (length as u64).to_le_bytes();
        let parts: [&[u8]; 5] =
            [consortium.digest(), &number.to_le_bytes(), &parameters.id().to_le_bytes(), &length_bytes, purpose];
        Ok(Self { number, parameters, length, digest: derive_hash("veilsight round v1", &parts) })
    }

    /// Its number in the consortium.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its parameter set.
    pub fn parameters(&self) -> &'static SumParameters {
        self.parameters
    }

    /// Values of each contribution.
    pub fn length(&self) -> usize {
        self.length
    }

    /// SHA-256 of everything above.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}
