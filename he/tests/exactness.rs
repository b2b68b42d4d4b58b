//! Decrypted logits are the integers themselves, through the bytes that travel.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Head, Numbers};
use he::{EncryptedHead, EncryptedLogits, GLWE_2048_TU17, HeError, PreparedPublicKey, PublicKey, SealedToken, SecretKey};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// One client and its session at the relay; everything between the two goes through bytes.
struct Session {
    key: SecretKey,
    prepared: PreparedPublicKey,
}

impl Session {
    fn start() -> Self {
        let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
        let sent = key.make_public_key().unwrap().to_bytes();
        assert_eq!(sent.len(), GLWE_2048_TU17.public_key_bytes());
        Self { key, prepared: PublicKey::from_bytes(&GLWE_2048_TU17, &sent).unwrap().prepare() }
    }

    fn classify(&self, head: &EncryptedHead, values: &[i16]) -> Vec<i64> {
        let sent = self.key.make_sealed_token(values).unwrap().to_bytes();
        assert_eq!(sent.len(), GLWE_2048_TU17.token_bytes(values.len()));
        let token = SealedToken::from_bytes(&GLWE_2048_TU17, values.len(), &sent).unwrap();
        let answer = head.make_logits(&token, &self.prepared).unwrap().to_bytes();
        assert_eq!(answer.len(), GLWE_2048_TU17.answer_bytes(head.classes()));
        let answer = EncryptedLogits::from_bytes(&GLWE_2048_TU17, head.classes(), &answer).unwrap();
        self.key.open(&answer).unwrap()
    }
}

#[test]
fn a_thousand_random_tokens_and_heads_answer_exactly() {
    let mut numbers = Numbers(1);
    // (classes, dim, largest weight, heads, tokens a head); the third fills C·d = N, the fifth d = N.
    let shapes = [
        (2, 768, 255, 40, 10),
        (2, 192, 255, 40, 10),
        (16, 128, 255, 5, 10),
        (64, 32, 255, 2, 5),
        (1, 2048, 120, 10, 10),
        (3, 1, 255, 10, 4),
    ];
    let mut checked = 0;
    for (classes, dim, limit, heads, tokens) in shapes {
        for _ in 0..heads {
            let session = Session::start();
            let head = Head::random(&mut numbers, classes, dim, limit);
            let encrypted = head.encrypted();
            for _ in 0..tokens {
                let values = numbers.within(dim, 255);
                assert_eq!(session.classify(&encrypted, &values), head.logits(&values), "{classes}×{dim}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 1000);
}

#[test]
fn the_largest_logits_that_fit_answer_exactly() {
    let limit = GLWE_2048_TU17.logit_limit() as i64;
    let session = Session::start();
    // 515 weights of ±255 reach 33,487,875 of 33,554,431; the biases take the rest.
    let weights = [[255i16; 515], [-255; 515]].concat();
    let rest = limit - 515 * 255 * 255;
    let head = Head { classes: 2, dim: 515, weights, bias: vec![rest, -rest] };
    let encrypted = head.encrypted();
    assert_eq!(session.classify(&encrypted, &[255; 515]), [limit, -limit]);
    assert_eq!(session.classify(&encrypted, &[-255; 515]), [rest - (limit - rest), (limit - rest) - rest]);
}

#[test]
fn zero_tokens_and_zero_heads_answer_the_bias() {
    let session = Session::start();
    let head = Head { classes: 2, dim: 192, weights: vec![0; 384], bias: vec![7, -33_554_431] };
    assert_eq!(session.classify(&head.encrypted(), &[255; 192]), [7, -33_554_431]);
    let head = Head::random(&mut Numbers(2), 2, 768, 255);
    assert_eq!(session.classify(&head.encrypted(), &[0; 768]), head.bias);
}

#[test]
fn a_sealed_token_of_768_values_takes_4240_bytes() {
    assert_eq!(GLWE_2048_TU17.token_bytes(768), 16 + 4224);
}

#[test]
fn a_head_that_could_overflow_is_refused() {
    let derive = |weights: &[i16], bias| EncryptedHead::derive(&GLWE_2048_TU17, 1, weights.len(), weights, &[bias]);
    assert_eq!(derive(&[255; 768], 0).err(), Some(HeError::Overflow { class: 0, reach: 768 * 255 * 255, most: (1 << 25) - 1 }));
    assert!(derive(&[1], (1 << 25) - 1 - 255).is_ok());
    assert!(matches!(derive(&[1], (1 << 25) - 255).err(), Some(HeError::Overflow { .. })));
    assert!(matches!(derive(&[1], i64::MIN).err(), Some(HeError::Overflow { .. })));
}

#[test]
fn sizes_and_values_out_of_range_are_refused() {
    let parameters = &GLWE_2048_TU17;
    let derive =
        |classes, dim, weights: &[i16], bias: &[i64]| EncryptedHead::derive(parameters, classes, dim, weights, bias).err();
    assert!(matches!(derive(0, 1, &[], &[]), Some(HeError::Count { .. })));
    assert!(matches!(derive(65, 1, &[0; 65], &[0; 65]), Some(HeError::Count { .. })));
    assert!(matches!(derive(1, 0, &[], &[0]), Some(HeError::Count { .. })));
    assert!(matches!(derive(1, 2049, &[0; 2049], &[0]), Some(HeError::Count { .. })));
    assert!(matches!(derive(2, 2, &[0; 3], &[0; 2]), Some(HeError::Entries { .. })));
    assert!(matches!(derive(2, 2, &[0; 4], &[0; 1]), Some(HeError::Entries { .. })));
    assert_eq!(derive(2, 2, &[0, 0, 0, 256], &[0; 2]), Some(HeError::Weight { class: 1, index: 1, limit: 255 }));

    let session = Session::start();
    let seal = |values: &[i16]| session.key.make_sealed_token(values).err();
    assert!(matches!(seal(&[]), Some(HeError::Count { .. })));
    assert!(matches!(seal(&[0; 2049]), Some(HeError::Count { .. })));
    assert_eq!(seal(&[0, -256]), Some(HeError::TokenValue { index: 1, limit: 255 }));
    assert_eq!(seal(&[i16::MIN]), Some(HeError::TokenValue { index: 0, limit: 255 }));

    let head = EncryptedHead::derive(parameters, 1, 3, &[1, 2, 3], &[0]).unwrap();
    let token = session.key.make_sealed_token(&[1, 2]).unwrap();
    assert_eq!(head.make_logits(&token, &session.prepared).err(), Some(HeError::Dimension { token: 2, head: 3 }));
}
