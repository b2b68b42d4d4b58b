//! The role of a site: encrypt a vector under a fresh key, and share the key among the members.

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::cipher::{make_bodies, make_key};
use super::consortium::{Consortium, Round};
use super::contribution::{Contribution, Entry, hash_content, pack_bodies};
use super::identity::{IdentityKey, SIGNATURE_BYTES};
use super::sealed_share::Passage;
use super::sharing::{Dealt, make_shares};
use crate::HeError;
use crate::randomness::fill;

/// A site's contribution to a round. The key it is encrypted under is forgotten before this function returns.
///
/// # Errors
/// A key that is not in the roster, another number of values than the round has, a value beyond
/// [`value_limit`](super::SumParameters::value_limit), or [`HeError::NoRandomness`].
pub fn make_contribution(
    consortium: &Consortium,
    round: &Round,
    key: &IdentityKey,
    values: &[i64],
) -> Result<Contribution, HeError> {
    check_values(round, values)?;
    let secret = make_key()?;
    let dealt = make_shares(consortium.rules(), consortium.own_index(key)?, &secret)?;
    make_sealed(consortium, round, key, make_bodies(round, &secret, values)?, &dealt)
}

/// Seals the shares to the members under a fresh ephemeral key, and signs.
pub(crate) fn make_sealed(
    consortium: &Consortium,
    round: &Round,
    key: &IdentityKey,
    bodies: Vec<u64>,
    dealt: &[Dealt],
) -> Result<Contribution, HeError> {
    let site = consortium.own_index(key)?;
    let mut packed = Vec::with_capacity(round.parameters().body_bytes(round.length()));
    pack_bodies(round, &bodies, &mut packed);

    let mut seed = Zeroizing::new([0; 32]);
    fill(seed.as_mut_slice())?;
    let ephemeral = StaticSecret::from(*seed);
    let public = PublicKey::from(&ephemeral);
    let unsigned = Entry { site, ephemeral: public, content: [0; 32], signature: [0; SIGNATURE_BYTES] };
    let id = unsigned.derive_id(round);
    let own = consortium.identity(site)?.exchange();
    let seal = |(member_index, dealt)| {
        let member = consortium.identity(member_index)?.exchange();
        let passage = Passage { contribution: &id, ephemeral: &public, site: own, member, member_index };
        passage.derive_sealed(&ephemeral, key.exchange(), dealt)
    };
    let shares = (0..).zip(dealt).map(seal).collect::<Result<Vec<_>, _>>()?;
    let entry = Entry { content: hash_content(&shares, &packed), ..unsigned };
    let entry = Entry { signature: key.sign(&entry.derive_signed(round)), ..entry };
    Ok(Contribution::assemble(round, entry, shares, bodies))
}

fn check_values(round: &Round, values: &[i64]) -> Result<(), HeError> {
    if values.len() != round.length() {
        return Err(HeError::VectorLength { found: values.len(), expected: round.length() });
    }
    let limit = round.parameters().value_limit();
    match values.iter().position(|x| x.unsigned_abs() > limit.unsigned_abs()) {
        Some(index) => Err(HeError::VectorValue { index, limit }),
        None => Ok(()),
    }
}
