//! The stored inputs of the fuzz targets, on stable Rust.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/decoders.rs"]
mod decoders;

use std::path::Path;

/// Runs every file of a corpus: `valid-*` must decode, `bad-*` must be refused; names the fuzzer gave may do either.
fn run(target: &str, decode: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let (mut valid, mut bad) = (0, 0);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let decoded = decode(&std::fs::read(&path).unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("valid-") {
            assert!(decoded, "{target}/{name} was refused");
            valid += 1;
        } else if name.starts_with("bad-") {
            assert!(!decoded, "{target}/{name} was accepted");
            bad += 1;
        }
    }
    assert!(valid >= 2 && bad >= 4, "{target} has {valid} valid and {bad} bad inputs");
}

#[test]
fn every_stored_sealed_token_is_read_or_refused() {
    run("sealed_token", decoders::sealed_token);
}

#[test]
fn every_stored_public_key_is_read_or_refused() {
    run("public_key", decoders::public_key);
}

#[test]
fn every_stored_answer_is_read_or_refused() {
    run("answer", decoders::answer);
}

#[test]
fn every_stored_wire_message_is_read_or_refused() {
    run("wire_messages", decoders::wire_messages);
}
