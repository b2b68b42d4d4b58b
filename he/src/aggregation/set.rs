use super::codec::{Hash, OPENING_BYTES, Reader, derive_hash, derive_public_seed, kind, write_opening};
use super::consortium::{Consortium, Round};
use super::contribution::{Contribution, Entry};
use super::sealed_share::sealed_bytes;
use super::sharing::Challenge;
use crate::HeError;

/// The contributions that will be opened together: what every member signs before any member answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub(crate) entries: Vec<Entry>,
    digest: Hash,
}

impl Set {
    pub(crate) fn from_entries(consortium: &Consortium, round: &Round, entries: Vec<Entry>) -> Result<Self, HeError> {
        if entries.len() < usize::from(consortium.rules().cohort()) {
            return Err(HeError::SmallCohort { found: entries.len(), least: consortium.rules().cohort() });
        }
        if !entries.is_sorted_by(|a, b| a.site < b.site) {
            return Err(HeError::DisorderedSet);
        }
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| entry.write(&mut bytes));
        let digest = derive_hash("veilsight set v1", &[round.digest(), &bytes]);
        Ok(Self { entries, digest })
    }

    /// SHA-256 of the round and the entries.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The sites whose contributions are in the set.
    pub fn sites(&self) -> Vec<u16> {
        self.entries.iter().map(|entry| entry.site).collect()
    }

    /// Opening, number of entries, entries.
    pub fn to_bytes(&self, round: &Round) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(OPENING_BYTES + 2 + self.entries.len() * Entry::BYTES);
        write_opening(kind::SET, round.digest(), &mut bytes);
        self.write(&mut bytes);
        bytes
    }

    /// Reads a set and checks every signature in it.
    ///
    /// # Errors
    /// Another round, fewer entries than the minimum cohort, sites out of order or unknown, or a bad signature.
    pub fn from_bytes(consortium: &Consortium, round: &Round, bytes: &[u8]) -> Result<Self, HeError> {
        let mut reader = Reader::new("a set", bytes);
        reader.opening(kind::SET, round.digest())?;
        let set = Self::read(consortium, round, &mut reader)?;
        reader.finish()?;
        Ok(set)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&(self.entries.len() as u16).to_le_bytes());
        self.entries.iter().for_each(|entry| entry.write(bytes));
    }

    fn read(consortium: &Consortium, round: &Round, reader: &mut Reader<'_>) -> Result<Self, HeError> {
        let count = reader.u16()?;
        if count > consortium.rules().sites() {
            return Err(HeError::DisorderedSet);
        }
        let entries = (0..count).map(|_| Entry::read(reader)).collect::<Result<Vec<_>, _>>()?;
        entries.iter().try_for_each(|entry| entry.verify(consortium, round))?;
        Self::from_entries(consortium, round, entries)
    }

    /// The random combinations that members check. They depend on every sealed share, so no site could choose its shares after them.
    pub(crate) fn derive_challenge(&self, consortium: &Consortium) -> Challenge {
        let hash = derive_hash("veilsight challenge v1", &[&self.digest]);
        Challenge::derive(consortium.rules(), &derive_public_seed(&hash))
    }
}

/// What one member is sent to confirm: the set, and its own sealed share of each contribution in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub(crate) set: Set,
    pub(crate) member: u16,
    /// In the order of the set's entries.
    pub(crate) shares: Vec<Vec<u8>>,
}

impl Delivery {
    pub(crate) fn derive(set: &Set, contributions: &[&Contribution], member: u16) -> Result<Self, HeError> {
        let share = |entry: &Entry| {
            let found = contributions.iter().find(|contribution| contribution.entry == *entry);
            let share = found.and_then(|contribution| contribution.shares.get(usize::from(member)));
            share.cloned().ok_or(HeError::MissingContribution { site: entry.site })
        };
        let shares = set.entries.iter().map(share).collect::<Result<_, _>>()?;
        Ok(Self { set: set.clone(), member, shares })
    }

    /// The set to confirm.
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// Opening, member, set, sealed shares.
    pub fn to_bytes(&self, round: &Round) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_opening(kind::DELIVERY, round.digest(), &mut bytes);
        bytes.extend_from_slice(&self.member.to_le_bytes());
        self.set.write(&mut bytes);
        self.shares.iter().for_each(|share| bytes.extend_from_slice(share));
        bytes
    }

    /// Reads a delivery and checks every signature of its set.
    ///
    /// # Errors
    /// As [`Set::from_bytes`], and another length.
    pub fn from_bytes(consortium: &Consortium, round: &Round, bytes: &[u8]) -> Result<Self, HeError> {
        let mut reader = Reader::new("a delivery", bytes);
        reader.opening(kind::DELIVERY, round.digest())?;
        let member = reader.u16()?;
        consortium.identity(member)?;
        let set = Set::read(consortium, round, &mut reader)?;
        let share = |entry: &Entry| reader.take(sealed_bytes(consortium.rules(), entry.site, member)).map(<[u8]>::to_vec);
        let shares = set.entries.iter().map(share).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { set, member, shares })
    }
}
