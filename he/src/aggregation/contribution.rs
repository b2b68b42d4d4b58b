use x25519_dalek::PublicKey;

use super::codec::{Hash, OPENING_BYTES, Reader, derive_hash, kind, write_opening};
use super::consortium::{Consortium, Round};
use super::identity::SIGNATURE_BYTES;
use super::parameters::Rules;
use super::sealed_share::sealed_bytes;
use crate::HeError;
use crate::packing::{pack, unpack};

/// What a contribution is known by in a set: enough for a member to check its share and the site's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub site: u16,
    pub ephemeral: PublicKey,
    /// Of the sealed shares and the bodies.
    pub content: Hash,
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Entry {
    pub const BYTES: usize = 2 + 2 * 32 + SIGNATURE_BYTES;

    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.site.to_le_bytes());
        bytes.extend_from_slice(self.ephemeral.as_bytes());
        bytes.extend_from_slice(&self.content);
        bytes.extend_from_slice(&self.signature);
    }

    pub fn read(reader: &mut Reader<'_>) -> Result<Self, HeError> {
        Ok(Self {
            site: reader.u16()?,
            ephemeral: PublicKey::from(reader.array::<32>()?),
            content: reader.array()?,
            signature: reader.array()?,
        })
    }

    /// Names the contribution within its sealed shares. The ephemeral key is drawn afresh, so no two contributions have one name.
    pub fn derive_id(&self, round: &Round) -> Hash {
        let parts: [&[u8]; 3] = [round.digest(), &self.site.to_le_bytes(), self.ephemeral.as_bytes()];
        derive_hash("veilsight contribution v1", &parts)
    }

    /// What the site signs.
    pub fn derive_signed(&self, round: &Round) -> Hash {
        derive_hash("veilsight contribution signature v1", &[&self.derive_id(round), &self.content])
    }

    pub fn verify(&self, consortium: &Consortium, round: &Round) -> Result<(), HeError> {
        consortium.verify("the contribution", self.site, &self.derive_signed(round), &self.signature)
    }
}

/// A site's encrypted vector and the sealed shares of the key that it is encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    pub(crate) entry: Entry,
    /// One for each member, in the order of the roster.
    pub(crate) shares: Vec<Vec<u8>>,
    /// Residues modulo the set's modulus.
    pub(crate) bodies: Vec<u64>,
    bytes: Vec<u8>,
}

impl Contribution {
    /// Bytes of the contribution of `site`: what a relay may bound an upload by.
    pub fn bytes(rules: &Rules, round: &Round, site: u16) -> usize {
        let shares: usize = (0..rules.sites()).map(|member| sealed_bytes(rules, site, member)).sum();
        OPENING_BYTES + 2 + 32 + shares + round.parameters().body_bytes(round.length()) + SIGNATURE_BYTES
    }

    /// Opening, site, ephemeral key, sealed shares, bodies, signature.
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The site it comes from.
    pub fn site(&self) -> u16 {
        self.entry.site
    }

    /// Reads a contribution and checks its signature. Whether its shares are good only the members can tell.
    ///
    /// # Errors
    /// Another round, an unknown site, another length, set padding, or a bad signature.
    pub fn from_bytes(consortium: &Consortium, round: &Round, bytes: &[u8]) -> Result<Self, HeError> {
        let rules = consortium.rules();
        let mut reader = Reader::new("a contribution", bytes);
        reader.opening(kind::CONTRIBUTION, round.digest())?;
        let site = reader.u16()?;
        consortium.identity(site)?;
        let expected = Self::bytes(rules, round, site);
        if bytes.len() != expected {
            return Err(HeError::Length { what: "a contribution", expected, found: bytes.len() });
        }
        let ephemeral = PublicKey::from(reader.array::<32>()?);
        let shares = (0..rules.sites()).map(|member| reader.take(sealed_bytes(rules, site, member)).map(<[u8]>::to_vec));
        let shares: Vec<Vec<u8>> = shares.collect::<Result<_, _>>()?;
        let packed = reader.take(round.parameters().body_bytes(round.length()))?;
        let bodies = unpack_bodies(round, packed)?;
        let signature = reader.array()?;
        reader.finish()?;
        let entry = Entry { site, ephemeral, content: hash_content(&shares, packed), signature };
        entry.verify(consortium, round)?;
        Ok(Self { entry, shares, bodies, bytes: bytes.to_vec() })
    }

    pub(crate) fn assemble(round: &Round, entry: Entry, shares: Vec<Vec<u8>>, bodies: Vec<u64>) -> Self {
        let mut bytes = Vec::new();
        write_opening(kind::CONTRIBUTION, round.digest(), &mut bytes);
        bytes.extend_from_slice(&entry.site.to_le_bytes());
        bytes.extend_from_slice(entry.ephemeral.as_bytes());
        shares.iter().for_each(|share| bytes.extend_from_slice(share));
        pack_bodies(round, &bodies, &mut bytes);
        bytes.extend_from_slice(&entry.signature);
        Self { entry, shares, bodies, bytes }
    }
}

pub(crate) fn pack_bodies(round: &Round, bodies: &[u64], bytes: &mut Vec<u8>) {
    pack(bodies.iter().copied(), round.parameters().modulus_log2, bytes);
}

fn unpack_bodies(round: &Round, packed: &[u8]) -> Result<Vec<u64>, HeError> {
    let count = round.length() + super::parameters::ZEROS;
    unpack("a contribution", packed, count, round.parameters().modulus_log2)
}

/// SHA-256 of the sealed shares and the packed bodies.
pub(crate) fn hash_content(shares: &[Vec<u8>], packed: &[u8]) -> Hash {
    let parts: Vec<&[u8]> = shares.iter().map(|share| &share[..]).chain([packed]).collect();
    derive_hash("veilsight content v1", &parts)
}
