//! What each fuzz target does with its input; `he/tests/corpus.rs` does the same with the stored corpus on stable Rust.
//!
//! Each function says whether the bytes decoded, and panics where a decoded value does not encode to the bytes it came from.
#![allow(dead_code)]

use he::{EncryptedLogits, GLWE_2048_TU17, PublicKey, SealedToken};
use wire::{Header, InferAnswer, InferRequest, PurifyRequest, PurifyResult, SessionKey};

/// Two bytes of dimension, then the token.
pub fn sealed_token(bytes: &[u8]) -> bool {
    let Some((dim, rest)) = bytes.split_first_chunk::<2>() else { return false };
    let dim = u16::from_le_bytes(*dim).into();
    let Ok(token) = SealedToken::from_bytes(&GLWE_2048_TU17, dim, rest) else { return false };
    assert_eq!(token.dim(), dim);
    assert_eq!(token.to_bytes(), rest);
    true
}

/// The key alone.
pub fn public_key(bytes: &[u8]) -> bool {
    let Ok(key) = PublicKey::from_bytes(&GLWE_2048_TU17, bytes) else { return false };
    assert_eq!(key.to_bytes(), bytes);
    true
}

/// One byte of class count, then the answer.
pub fn answer(bytes: &[u8]) -> bool {
    let Some((&classes, rest)) = bytes.split_first() else { return false };
    let Ok(answer) = EncryptedLogits::from_bytes(&GLWE_2048_TU17, classes.into(), rest) else {
        return false;
    };
    assert_eq!(answer.classes(), usize::from(classes));
    assert_eq!(answer.to_bytes(), rest);
    true
}

/// Any message, tried as every kind; at most one may accept it.
pub fn wire_messages(bytes: &[u8]) -> bool {
    let written = [
        SessionKey::decode(bytes).map(|message| message.encode()),
        InferRequest::decode(bytes).map(|message| message.encode()),
        InferAnswer::decode(bytes).map(|message| message.encode()),
        PurifyRequest::decode(bytes).map(|message| message.encode()),
        PurifyResult::decode(bytes).map(|message| message.encode()),
    ];
    let mut accepted = 0;
    for again in written.into_iter().flatten() {
        assert_eq!(again, bytes);
        accepted += 1;
    }
    assert!(accepted <= 1);
    assert!(accepted == 0 || Header::decode(bytes).is_ok());
    accepted == 1
}
