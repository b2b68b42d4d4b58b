//! Misbehaviour and bare primitives, for attacks, tests and simulations. A site, member or relay never needs them.

use zeroize::Zeroizing;

use super::answer::Answer;
use super::cipher::{derive_key_stream, make_bodies, make_key};
use super::consortium::{Consortium, Round};
use super::contribution::Contribution;
use super::field::add;
use super::identity::IdentityKey;
use super::set::Set;
use super::sharing::{Dealt, Word, make_shares};
use super::site::make_sealed;
use crate::HeError;

/// A contribution whose share for `victim` lies on no polynomial with the others: what a malicious site would send.
///
/// # Errors
/// As [`make_contribution`](super::site::make_contribution).
pub fn make_bad_contribution(
    consortium: &Consortium,
    round: &Round,
    key: &IdentityKey,
    values: &[i64],
    victim: u16,
) -> Result<Contribution, HeError> {
    let secret = make_key()?;
    let mut dealt = make_shares(consortium.rules(), consortium.own_index(key)?, &secret)?;
    if let Some(dealt) = dealt.get_mut(usize::from(victim)) {
        match dealt {
            Dealt::Share(share) => share[0] = add(share[0], 1),
            // Another seed expands to another share.
            Dealt::Seed(seed) => seed[0] ^= 1,
        }
    }
    make_sealed(consortium, round, key, make_bodies(round, &secret, values)?, &dealt)
}

/// The same sum of shares, signed by `key` for another set: what a lying member would send.
pub fn forge_answer(round: &Round, set: &Set, key: &IdentityKey, answer: &Answer) -> Answer {
    Answer::assemble(answer.member(), *set.digest(), answer.sum.clone(), |digest| key.sign(digest), round)
}

/// A fresh key of one contribution.
///
/// # Errors
/// [`HeError::NoRandomness`].
pub fn make_bare_key() -> Result<Zeroizing<Vec<i16>>, HeError> {
    make_key()
}

/// The bare encryption of a vector under a key and the round's common mask, without any sharing.
///
/// # Errors
/// [`HeError::NoRandomness`].
pub fn make_bare_bodies(round: &Round, key: &[i16], values: &[i64]) -> Result<Vec<u64>, HeError> {
    make_bodies(round, key, values)
}

/// mask·key, modulo 2^64: what a member must never give out of a single key.
pub fn derive_bare_stream(round: &Round, key: &[i16]) -> Vec<u64> {
    derive_key_stream(round, key)
}

/// The bodies of a contribution.
pub fn bare_bodies(contribution: &Contribution) -> &[u64] {
    &contribution.bodies
}

/// The sum of keys that at least `threshold` answers give: what the relay learns besides the sum of vectors.
pub fn derive_sum_key(consortium: &Consortium, answers: &[Answer]) -> Zeroizing<Vec<i16>> {
    let points = answers.iter().map(|answer| (answer.member(), &answer.sum[..])).collect();
    Word { points }.derive_key(consortium.rules())
}
