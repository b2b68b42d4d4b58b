//! The role of a member: confirm one set a round, and answer for it once a quorum has confirmed it too.
//!
//! Both messages are deterministic, so that sending one again after a crash tells nobody anything new. What a member must never do is
//! to answer for two sets of one round: the difference would open what is in one and not in the other. [`MemberRecord`] holds that line.

use super::answer::Answer;
use super::codec::Hash;
use super::confirmation::{Certificate, Confirmation};
use super::consortium::{Consortium, Round};
use super::field::add;
use super::identity::IdentityKey;
use super::sealed_share::Passage;
use super::set::Delivery;
use super::sharing::Share;
use crate::HeError;

/// Which set a member has confirmed in a round. One record for each number of a round; store it before the confirmation is sent. No secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemberRecord(Option<(Hash, Hash)>);

impl MemberRecord {
    /// Bytes of a record that has confirmed something.
    pub const BYTES: usize = 64;

    /// Digests of round and set; nothing if nothing was confirmed.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.map_or(Vec::new(), |(round, set)| [round, set].concat())
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// Another length than nothing or [`Self::BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeError> {
        match bytes.as_chunks::<32>() {
            ([], []) => Ok(Self(None)),
            ([round, set], []) => Ok(Self(Some((*round, *set)))),
            _ => Err(HeError::Length { what: "a member's record", expected: Self::BYTES, found: bytes.len() }),
        }
    }

    /// Whether this set was confirmed.
    pub fn has_confirmed(&self, round: &Round, set: &Hash) -> bool {
        self.0 == Some((*round.digest(), *set))
    }

    fn confirm(&mut self, round: &Round, set: &Hash) -> Result<(), HeError> {
        match self.0 {
            Some(earlier) if earlier != (*round.digest(), *set) => Err(HeError::SecondSet),
            _ => {
                self.0 = Some((*round.digest(), *set));
                Ok(())
            }
        }
    }
}

/// Checks a delivery and confirms its set, once a round.
///
/// # Errors
/// A delivery for another member, [`HeError::SecondSet`] if another set of this round was confirmed before, or
/// [`HeError::BadShare`] if a share does not open.
pub fn derive_confirmation(
    consortium: &Consortium,
    round: &Round,
    key: &IdentityKey,
    delivery: &Delivery,
    record: &mut MemberRecord,
) -> Result<Confirmation, HeError> {
    let shares = open_shares(consortium, round, key, delivery)?;
    record.confirm(round, delivery.set.digest())?;
    let challenge = delivery.set.derive_challenge(consortium);
    let checks = shares.iter().flat_map(|share| challenge.derive_checks(share)).collect();
    Ok(Confirmation::assemble(delivery.member, *delivery.set.digest(), checks, |digest| key.sign(digest), round))
}

/// Answers for a set that this member and a quorum confirmed.
///
/// # Errors
/// [`HeError::NotConfirmed`] if this member did not confirm this set, and as [`derive_confirmation`].
pub fn derive_answer(
    consortium: &Consortium,
    round: &Round,
    key: &IdentityKey,
    delivery: &Delivery,
    certificate: &[u8],
    record: &MemberRecord,
) -> Result<Answer, HeError> {
    if !record.has_confirmed(round, delivery.set.digest()) {
        return Err(HeError::NotConfirmed);
    }
    Certificate::from_bytes(consortium, round, &delivery.set, certificate)?;
    let mut sum = vec![0u16; consortium.rules().rows()];
    for share in open_shares(consortium, round, key, delivery)? {
        // The blinding values behind the key's stay home.
        sum.iter_mut().zip(share.iter()).for_each(|(sum, value)| *sum = add(*sum, *value));
    }
    Ok(Answer::assemble(delivery.member, *delivery.set.digest(), sum, |digest| key.sign(digest), round))
}

fn open_shares(consortium: &Consortium, round: &Round, key: &IdentityKey, delivery: &Delivery) -> Result<Vec<Share>, HeError> {
    let member_index = consortium.own_index(key)?;
    if delivery.member != member_index {
        return Err(HeError::OtherMember { found: delivery.member, own: member_index });
    }
    let member = consortium.identity(member_index)?.exchange();
    let open = |(entry, sealed): (&super::contribution::Entry, &Vec<u8>)| {
        let site = consortium.identity(entry.site)?.exchange();
        let id = entry.derive_id(round);
        let passage = Passage { contribution: &id, ephemeral: &entry.ephemeral, site, member, member_index };
        passage
            .open(consortium.rules(), key.exchange(), sealed)
            .ok_or(HeError::BadShare { site: entry.site, members: vec![member_index] })
    };
    delivery.set.entries.iter().zip(&delivery.shares).map(open).collect()
}
