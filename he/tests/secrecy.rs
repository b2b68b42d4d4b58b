//! What must not be readable is not: by the wrong key, from equal ciphertexts, through the types.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Head, Numbers};
use he::aggregation::IdentityKey;
use he::{EncryptedHead, GLWE_2048_TU17, PreparedPublicKey, PublicKey, SealedToken, SecretKey};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Whether a type implements a trait: the inherent constant exists only if it does, and wins over the fallback.
macro_rules! implements {
    ($type:ty: $($bound:tt)+) => {{
        #[allow(dead_code)]
        trait Fallback { const FOUND: bool = false; }
        impl<T> Fallback for T {}
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: $($bound)+> Probe<T> { const FOUND: bool = true; }
        Probe::<$type>::FOUND
    }};
}

#[test]
fn a_secret_key_cannot_be_printed_copied_or_serialised() {
    assert!(!implements!(SecretKey: std::fmt::Debug));
    assert!(!implements!(SecretKey: std::fmt::Display));
    assert!(!implements!(SecretKey: Clone));
    assert!(!implements!(SecretKey: serde::Serialize));
    assert!(!implements!(SecretKey: AsRef<[u8]>));
    assert!(!implements!(SecretKey: AsRef<[u64]>));
    assert!(implements!(SecretKey: zeroize::ZeroizeOnDrop));
    // The probe sees what is there.
    assert!(implements!(SealedToken: std::fmt::Debug));
    assert!(implements!(SealedToken: Clone));
}

#[test]
fn an_identity_key_cannot_be_printed_copied_or_serialised() {
    assert!(!implements!(IdentityKey: std::fmt::Debug));
    assert!(!implements!(IdentityKey: std::fmt::Display));
    assert!(!implements!(IdentityKey: Clone));
    assert!(!implements!(IdentityKey: serde::Serialize));
    assert!(!implements!(IdentityKey: AsRef<[u8]>));
}

#[test]
fn the_head_of_a_relay_cannot_be_printed_copied_or_serialised() {
    assert!(!implements!(EncryptedHead: std::fmt::Debug));
    assert!(!implements!(EncryptedHead: Clone));
    assert!(!implements!(EncryptedHead: serde::Serialize));
}

#[test]
fn keys_and_heads_can_be_shared_between_threads() {
    assert!(implements!(EncryptedHead: Send + Sync));
    assert!(implements!(PreparedPublicKey: Send + Sync));
    assert!(implements!(SecretKey: Send + Sync));
}

#[test]
fn a_wrong_key_opens_nothing() {
    let mut numbers = Numbers(4);
    let head = Head::random(&mut numbers, 64, 192, 255);
    let encrypted = head.encrypted();
    let (owner, thief) = (SecretKey::make(&GLWE_2048_TU17).unwrap(), SecretKey::make(&GLWE_2048_TU17).unwrap());
    let session = owner.make_public_key().unwrap().prepare();
    let values = numbers.within(192, 255);
    let answer = encrypted.make_logits(&owner.make_sealed_token(&values).unwrap(), &session).unwrap();
    let truth = head.logits(&values);
    assert_eq!(owner.open(&answer).unwrap(), truth);

    let stolen = thief.open(&answer).unwrap();
    assert!(stolen.iter().zip(&truth).all(|(s, t)| s != t));
    // Uniform over ±2^25, not near the truth: of 64, half lie in the outer half of the range.
    let far = stolen.iter().filter(|x| x.abs() > 1 << 24).count();
    assert!((10..=54).contains(&far), "{far} of 64 lie in the outer half");
}

#[test]
fn a_session_of_another_key_makes_the_answer_garbage() {
    let mut numbers = Numbers(5);
    let head = Head::random(&mut numbers, 8, 192, 255);
    let (owner, other) = (SecretKey::make(&GLWE_2048_TU17).unwrap(), SecretKey::make(&GLWE_2048_TU17).unwrap());
    let values = numbers.within(192, 255);
    let token = owner.make_sealed_token(&values).unwrap();
    let answer = head.encrypted().make_logits(&token, &other.make_public_key().unwrap().prepare()).unwrap();
    for key in [&owner, &other] {
        assert!(key.open(&answer).unwrap().iter().zip(head.logits(&values)).all(|(x, y)| *x != y));
    }
}

#[test]
fn ciphertexts_of_equal_tokens_differ_everywhere() {
    let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
    let tokens: Vec<Vec<u8>> = (0..8).map(|_| key.make_sealed_token(&[0; 768]).unwrap().to_bytes()).collect();
    for (i, a) in tokens.iter().enumerate() {
        for b in &tokens[..i] {
            assert_ne!(a[..16], b[..16], "a seed came twice");
            let same = a.iter().zip(b).filter(|(x, y)| x == y).count();
            // 4,240 bytes agree 16.6 times by chance.
            assert!(same < 60, "{same} of 4240 bytes agree");
        }
    }
}

#[test]
fn the_bytes_of_a_token_look_uniform_whatever_it_holds() {
    let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
    let mut counts = [0f64; 256];
    for i in 0..200 {
        let values = if i % 2 == 0 { [0; 768] } else { [255; 768] };
        for byte in key.make_sealed_token(&values).unwrap().to_bytes() {
            counts[usize::from(byte)] += 1.0;
        }
    }
    let expected = counts.iter().sum::<f64>() / 256.0;
    let chi2: f64 = counts.iter().map(|c| (c - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: 400 is 6.4 standard deviations above the mean.
    assert!(chi2 < 400.0, "χ² = {chi2}");
}

#[test]
fn public_keys_of_one_secret_key_differ() {
    let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
    let (a, b): (PublicKey, PublicKey) = (key.make_public_key().unwrap(), key.make_public_key().unwrap());
    assert_ne!(a, b);
}
