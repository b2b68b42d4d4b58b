//! Corrupted, truncated and oversized inputs give a value or an error.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../fuzz/decoders.rs"]
mod decoders;

use std::sync::LazyLock;

use common::{Head, Numbers};
use he::{EncryptedHead, EncryptedLogits, GLWE_2048_TU17, PreparedPublicKey, PublicKey, SealedToken, SecretKey};
use proptest::prelude::*;

struct Fixture {
    key: SecretKey,
    public: Vec<u8>,
    prepared: PreparedPublicKey,
    token: Vec<u8>,
    head: EncryptedHead,
    answer: Vec<u8>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
    let public = key.make_public_key().unwrap();
    let prepared = public.prepare();
    let token = key.make_sealed_token(&[100; 193]).unwrap();
    let head = Head::random(&mut Numbers(10), 1, 193, 255).encrypted();
    let answer = head.make_logits(&token, &prepared).unwrap().to_bytes();
    Fixture { key, public: public.to_bytes(), prepared, token: token.to_bytes(), head, answer }
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decoders::sealed_token(&bytes);
        decoders::public_key(&bytes);
        decoders::answer(&bytes);
        decoders::wire_messages(&bytes);
    }

    #[test]
    fn random_bytes_of_the_right_length_are_read(dim in 1usize..40, fill: u8, seed: [u8; 16]) {
        let mut bytes = vec![fill; GLWE_2048_TU17.token_bytes(dim)];
        bytes[..16].copy_from_slice(&seed);
        let read = SealedToken::from_bytes(&GLWE_2048_TU17, dim, &bytes);
        // An odd number of 44-bit bodies leaves four bits of padding.
        prop_assert_eq!(read.is_ok(), dim % 2 == 0 || fill < 16);
    }

    #[test]
    fn every_other_length_is_refused(dim in 0usize..5000, classes in 0usize..300, length in 0usize..6000) {
        let bytes = vec![0; length];
        let token = SealedToken::from_bytes(&GLWE_2048_TU17, dim, &bytes).is_ok();
        let fits = (1..=2048).contains(&dim) && length == GLWE_2048_TU17.token_bytes(dim);
        prop_assert_eq!(token, fits);
        prop_assert!(EncryptedLogits::from_bytes(&GLWE_2048_TU17, classes, &bytes).is_err());
        prop_assert!(PublicKey::from_bytes(&GLWE_2048_TU17, &bytes).is_err());
    }

    #[test]
    fn a_corrupted_token_is_answered_or_refused(at in 0usize..1000, bit in 0u8..8) {
        let mut bytes = FIXTURE.token.clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(token) = SealedToken::from_bytes(&GLWE_2048_TU17, 193, &bytes) {
            let answer = FIXTURE.head.make_logits(&token, &FIXTURE.prepared).unwrap();
            prop_assert_eq!(FIXTURE.key.open(&answer).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_corrupted_answer_opens_to_something_or_is_refused(at in 0usize..10_000, bit in 0u8..8) {
        let mut bytes = FIXTURE.answer.clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        if let Ok(answer) = EncryptedLogits::from_bytes(&GLWE_2048_TU17, 1, &bytes) {
            prop_assert_eq!(FIXTURE.key.open(&answer).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_corrupted_public_key_prepares_and_answers(at in 0usize..11_280, bit in 0u8..8) {
        let mut bytes = FIXTURE.public.clone();
        bytes[at] ^= 1 << bit;
        let prepared = PublicKey::from_bytes(&GLWE_2048_TU17, &bytes).unwrap().prepare();
        let token = SealedToken::from_bytes(&GLWE_2048_TU17, 193, &FIXTURE.token).unwrap();
        prop_assert!(FIXTURE.head.make_logits(&token, &prepared).is_ok());
    }
}

#[test]
fn absurd_counts_are_refused_before_anything_is_allocated() {
    // A vector of usize::MAX values would end the process.
    assert!(SealedToken::from_bytes(&GLWE_2048_TU17, usize::MAX, &[0; 64]).is_err());
    assert!(EncryptedLogits::from_bytes(&GLWE_2048_TU17, usize::MAX, &[0; 64]).is_err());
}
