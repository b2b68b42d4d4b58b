//! The attack on an unprotected head: the client knows its own mask a and gets a·W back, so W = (a·W)/a after one query.
//!
//! It must succeed on the bare product, or it is no attack, and fail on everything that is sent. Since dividing fails on
//! rounded masks whatever they hide, a stronger attacker stands beside it, who knows the head and only wants it confirmed.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Head, Numbers};
use he::hazmat::{RawLogits, derive_answer_masks, derive_token_mask};
use he::{EncryptedHead, GLWE_2048_TU17, PreparedPublicKey, PublicKey, SealedToken, SecretKey};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const N: usize = 2048;
type Polynomial = Vec<u64>;

/// Product in Z/2^64[X]/(X^N + 1), by the definition.
fn multiply(a: &[u64], b: &[u64]) -> Polynomial {
    let mut long = vec![0u64; 2 * N];
    for (i, &x) in a.iter().enumerate() {
        for (at, &y) in long[i..].iter_mut().zip(b) {
            *at = at.wrapping_add(x.wrapping_mul(y));
        }
    }
    (0..N).map(|i| long[i].wrapping_sub(long[i + N])).collect()
}

/// The inverse of a polynomial whose coefficients have an odd sum.
///
/// Modulo 2, a^N = a(X^N) = a(1) = 1, so a^(N−1) inverts; each Newton step doubles the bits that are right.
fn invert(a: &[u64]) -> Polynomial {
    let mut inverse = vec![0; N];
    inverse[0] = 1;
    let mut power = a.to_vec();
    for _ in 0..N.ilog2() {
        inverse = multiply(&inverse, &power);
        power = multiply(&power, &power);
    }
    for _ in 0..6 {
        let mut correction: Polynomial = multiply(a, &inverse).iter().map(|x| x.wrapping_neg()).collect();
        correction[0] = correction[0].wrapping_add(2);
        inverse = multiply(&inverse, &correction);
    }
    inverse
}

/// A token whose mask can be inverted: about every second one. A client makes as many as it likes.
fn make_invertible_token(key: &SecretKey, values: &[i16]) -> SealedToken {
    loop {
        let token = key.make_sealed_token(values).unwrap();
        if derive_token_mask(&token).iter().fold(0u64, |sum, x| sum.wrapping_add(*x)) % 2 == 1 {
            return token;
        }
    }
}

/// What the attacker reads as the weights of one class.
fn recover(inverse: &[u64], mask: &[u64], dim: usize) -> Vec<i64> {
    multiply(inverse, mask)[..dim].iter().rev().map(|&x| x as i64).collect()
}

/// How many of the true weights a recovery names.
fn hits(recovered: &[i64], row: &[i16]) -> usize {
    recovered.iter().zip(row).filter(|(got, want)| **got == i64::from(**want)).count()
}

struct Attack {
    head: Head,
    encrypted: EncryptedHead,
    key: SecretKey,
    token: SealedToken,
    inverse: Polynomial,
}

impl Attack {
    fn prepare() -> Self {
        let head = Head::random(&mut Numbers(3), 2, 768, 255);
        let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
        let token = make_invertible_token(&key, &[0; 768]);
        let inverse = invert(&derive_token_mask(&token));
        Self { encrypted: head.encrypted(), head, key, token, inverse }
    }

    /// Weights named correctly, over all classes, and over the difference of the first two.
    fn total_hits(&self, masks: &[Polynomial]) -> usize {
        let dim = self.head.dim;
        let each = masks.iter().enumerate().map(|(class, mask)| hits(&recover(&self.inverse, mask, dim), self.head.row(class)));
        let difference: Polynomial = masks[0].iter().zip(&masks[1]).map(|(x, y)| x.wrapping_sub(*y)).collect();
        let rows = self.head.row(0).iter().zip(self.head.row(1));
        let row: Vec<i16> = rows.map(|(x, y)| x - y).collect();
        each.sum::<usize>() + hits(&recover(&self.inverse, &difference, dim), &row)
    }

    /// How many coefficients of the masks lie as near a·W_c as rounding to 36 bits leaves them, W the true weights: what
    /// would confirm a guessed head.
    fn confirmations(&self, masks: &[Polynomial]) -> usize {
        let mask = derive_token_mask(&self.token);
        let count = |(class, seen): (usize, &Polynomial)| {
            let mut weights = vec![0; N];
            for (to, from) in weights.iter_mut().zip(self.head.row(class).iter().rev()) {
                *to = *from as u64;
            }
            let product = multiply(&mask, &weights);
            let distances = seen.iter().zip(product).map(|(x, y)| x.wrapping_sub(y) as i64);
            distances.filter(|x| x.unsigned_abs() <= 1 << 27).count()
        };
        masks.iter().enumerate().map(count).sum()
    }

    fn session_key(&self) -> PreparedPublicKey {
        self.key.make_public_key().unwrap().prepare()
    }

    fn answer_masks(&self, key: &PreparedPublicKey) -> Vec<Polynomial> {
        let answer = self.encrypted.make_logits(&self.token, key).unwrap();
        derive_answer_masks(&answer, self.head.dim)
    }
}

/// Weights have 511 values: guessing names 4.5 of 2,304, and an answer must not do noticeably better.
const CHANCE: usize = 40;

#[test]
fn one_query_recovers_an_unprotected_head() {
    let attack = Attack::prepare();
    let raw = RawLogits::derive_unprotected(&attack.encrypted, &attack.token).unwrap();
    let masks: Vec<Polynomial> = raw.masks().map(<[u64]>::to_vec).collect();
    assert_eq!(attack.total_hits(&masks), 3 * 768);
}

#[test]
fn a_rounded_but_unprotected_answer_confirms_a_guessed_head() {
    let attack = Attack::prepare();
    let raw = RawLogits::derive_unprotected(&attack.encrypted, &attack.token).unwrap();
    let masks = derive_answer_masks(&raw.switch(), attack.head.dim);
    assert_eq!(attack.confirmations(&masks), 2 * N);
}

#[test]
fn one_query_recovers_and_confirms_nothing_from_the_answer() {
    let attack = Attack::prepare();
    let masks = attack.answer_masks(&attack.session_key());
    let hits = attack.total_hits(&masks);
    assert!(hits < CHANCE, "{hits} weights of 2304 recovered");
    assert_eq!(attack.confirmations(&masks), 0);
}

#[test]
fn re_randomisation_alone_stops_the_recovery() {
    let attack = Attack::prepare();
    let mut raw = RawLogits::derive_unprotected(&attack.encrypted, &attack.token).unwrap();
    raw.rerandomise(&attack.session_key()).unwrap();
    let masks: Vec<Polynomial> = raw.masks().map(<[u64]>::to_vec).collect();
    let hits = attack.total_hits(&masks);
    assert!(hits < CHANCE, "{hits} weights of 2304 recovered at full precision");
}

#[test]
fn flooding_alone_would_not_stop_the_recovery() {
    let attack = Attack::prepare();
    let mut raw = RawLogits::derive_unprotected(&attack.encrypted, &attack.token).unwrap();
    raw.flood().unwrap();
    let masks: Vec<Polynomial> = raw.masks().map(<[u64]>::to_vec).collect();
    assert_eq!(attack.total_hits(&masks), 3 * 768);
}

#[test]
fn a_malicious_public_key_of_zero_bodies_recovers_nothing() {
    let attack = Attack::prepare();
    let token_seed: [u8; 16] = attack.token.to_bytes()[..16].try_into().unwrap();
    // Seeds a client might choose: zero, all ones, and the token's own, so that a' = a.
    for seed in [[0; 16], [0xFF; 16], token_seed] {
        let mut bytes = vec![0; GLWE_2048_TU17.public_key_bytes()];
        bytes[..16].copy_from_slice(&seed);
        let key = PublicKey::from_bytes(&GLWE_2048_TU17, &bytes).unwrap().prepare();
        assert_eq!(attack.confirmations(&attack.answer_masks(&key)), 0, "seed {seed:02x?}");

        // Nor at full precision, which no answer has.
        let mut raw = RawLogits::derive_unprotected(&attack.encrypted, &attack.token).unwrap();
        raw.rerandomise(&key).unwrap();
        let masks: Vec<Polynomial> = raw.masks().map(<[u64]>::to_vec).collect();
        let hits = attack.total_hits(&masks);
        assert!(hits < CHANCE, "{hits} weights of 2304 recovered with seed {seed:02x?}");
    }
}

/// The masks of two answers to one token differ by fresh encryptions of zero, not by anything small.
#[test]
fn two_answers_to_one_token_share_no_mask() {
    let attack = Attack::prepare();
    let key = attack.session_key();
    let (first, second) = (attack.answer_masks(&key), attack.answer_masks(&key));
    let same = first.concat().iter().zip(second.concat()).filter(|(x, y)| **x == *y).count();
    assert_eq!(same, 0);
}

/// What is not prevented, and docs/CRYPTOGRAPHY.md says so: a token of other multiples than Δ packs several weights into one logit.
#[test]
fn a_malicious_token_reads_two_weights_in_one_query() {
    let head = Head { classes: 1, dim: 2, weights: vec![-173, 211], bias: vec![0] };
    let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
    let mut bytes = key.make_sealed_token(&[0, 0]).unwrap().to_bytes();
    // Two bodies of 44 bits: add Δ = 2^38 to the first and 2^47 to the second, less the 20 bits that do not travel.
    let mut packed = [0; 16];
    packed[..11].copy_from_slice(&bytes[16..]);
    let packed = u128::from_le_bytes(packed);
    let mask = (1u128 << 44) - 1;
    let (first, second) = ((packed & mask) + (1 << 18), (packed >> 44) + (1 << 27));
    let forged = (first & mask) | (second & mask) << 44;
    bytes[16..].copy_from_slice(&forged.to_le_bytes()[..11]);

    let token = SealedToken::from_bytes(&GLWE_2048_TU17, 2, &bytes).unwrap();
    let session = key.make_public_key().unwrap().prepare();
    let logit = key.open(&head.encrypted().make_logits(&token, &session).unwrap()).unwrap()[0];
    assert_eq!(logit, -173 + 512 * 211);
}
