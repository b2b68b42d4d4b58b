//! Cards, quantisers, heads and packs: what is written is read again, and what was changed is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod common;

use common::{ENCODER, pack_card as card};
use models::{
    ClsQuantiser, LinearHead, ModelCard, ModelError, PublicPack, QuantisedHead, TensorMap, card::Storage, pack::sha256_hex,
};

fn text(card: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(card).unwrap()
}

/// The card with the value at a JSON pointer replaced.
fn with(pointer: &str, value: serde_json::Value) -> Vec<u8> {
    let mut card = card();
    *card.pointer_mut(pointer).unwrap() = value;
    text(&card)
}

fn head() -> LinearHead {
    let weights = (0..48).map(|i| ((i * 37 % 19) as f32 - 9.0) / 10.0).collect();
    LinearHead::new(24, weights, vec![0.25, -1.5]).unwrap()
}

#[test]
fn a_good_pack_opens_and_keeps_its_card() {
    let pack = PublicPack::from_parts(&text(&card()), ENCODER.to_vec()).unwrap();
    assert_eq!(pack.card.encoder.storage, Storage::F32);
    assert_eq!(pack.card.training.more["batch"], 32);
    assert_eq!(hex::encode(pack.card.encoder_tag()), sha256_hex(ENCODER)[..16]);
    let again = ModelCard::from_json(pack.card.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(again, pack.card);
    let (_, weights) = pack.into_weights().unwrap();
    assert_eq!(weights, TensorMap::from_safetensors(ENCODER).unwrap());
}

#[test]
fn an_encoder_that_differs_in_one_bit_is_refused() {
    let mut changed = ENCODER.to_vec();
    changed[5000] ^= 1;
    let refused = PublicPack::from_parts(&text(&card()), changed).err().unwrap();
    assert!(matches!(refused, ModelError::CorruptPack { .. }) && refused.to_string().contains("SHA-256"), "{refused}");
    assert_eq!(refused.code(), "corrupt-pack");
    let short = PublicPack::from_parts(&text(&card()), ENCODER[..4000].to_vec()).err().unwrap();
    assert!(short.to_string().contains("4000 bytes"), "{short}");
}

#[test]
fn a_card_of_another_format_asks_for_an_update() {
    let refused = ModelCard::from_json(&with("/format", 2.into())).unwrap_err();
    assert!(matches!(refused, ModelError::CardFormat { found: 2, supported: 1 }));
    assert_eq!(refused.code(), "wrong-version");
}

#[test]
fn cards_that_contradict_themselves_or_ask_too_much_are_refused() {
    let many: Vec<_> = (0..65).map(|i| serde_json::json!({"id": i.to_string(), "label": ""})).collect();
    for (pointer, value) in [
        ("/encoder/architecture/dim", 1u64 << 40),
        ("/encoder/architecture/depth", 4096),
        ("/encoder/architecture/image_size", 1 << 20),
        ("/encoder/architecture/heads", 5),
        ("/encoder/architecture/patch_size", 0),
        ("/encoder/architecture/in_channels", 2),
        ("/encoder/bytes", 1 << 40),
        ("/cls/dim", 23),
        ("/cls/quantiser/bits", 40),
        ("/preprocess/size", 64),
        ("/calibration/logit_scale", 0),
    ] {
        assert!(ModelCard::from_json(&with(pointer, value.into())).is_err(), "{pointer} = {value}");
    }
    for (pointer, value) in [
        ("/id", serde_json::json!("../etc")),
        ("/encoder/file", serde_json::json!("../../secret")),
        ("/encoder/file", serde_json::json!(".hidden")),
        ("/encoder/sha256", serde_json::json!("abc")),
        ("/preprocess/channels", serde_json::json!("rgb")),
        ("/preprocess/std", serde_json::json!([0.0])),
        ("/classes", serde_json::json!([])),
        ("/classes", serde_json::json!(many)),
        ("/encoder/architecture/layer_norm_eps", serde_json::json!(-1.0)),
    ] {
        assert!(ModelCard::from_json(&with(pointer, value.clone())).is_err(), "{pointer} = {value}");
    }
    assert!(ModelCard::from_json(&vec![b' '; 300_000]).is_err());
    assert!(ModelCard::from_json(b"{").is_err());
}

#[test]
fn probabilities_sum_to_one_and_follow_the_logits() {
    let card = ModelCard::from_json(&text(&card())).unwrap();
    let odds = card.probabilities(&[1000, 2000]);
    assert!((odds[1] - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-12 && (odds[0] + odds[1] - 1.0).abs() < 1e-12);
    assert_eq!(card.probabilities(&[i64::from(i32::MAX), 0]), [1.0, 0.0]);
}

#[test]
fn tokens_are_rounded_half_away_from_zero_and_clamped() {
    let quantiser = ClsQuantiser { bits: 9, scale: 0.5 };
    let integers = quantiser.quantise(&[0.25, -0.25, 0.24, 1e9, -1e9, f32::NAN, 127.5]);
    assert_eq!(integers, [1, -1, 0, 255, -255, 0, 255]);
    let fitted = ClsQuantiser::fit(9, &[-2.0, 1.0, 0.5], 1.0).unwrap();
    assert_eq!(fitted.quantise(&[-2.0, 2.0, 4.0]), [-255, 255, 255]);
    assert!(ClsQuantiser::fit(9, &[0.0; 4], 1.0).is_err());
    assert!(ClsQuantiser::fit(9, &[f32::INFINITY], 1.0).is_err());
    assert!(ClsQuantiser { bits: 1, scale: 1.0 }.validate().is_err());
}

#[test]
fn a_quantised_head_follows_the_fitted_one() {
    let quantiser = ClsQuantiser { bits: 9, scale: 1.0 / 128.0 };
    let (head, quantised) = (head(), QuantisedHead::from_linear(&head(), &quantiser).unwrap());
    let cls: Vec<f32> = (0..24).map(|i| (i as f32 * 0.7).sin()).collect();
    let unit = f64::from(quantised.weight_scale) * f64::from(quantiser.scale);
    let integers = quantised.logits(&quantiser.quantise(&cls));
    for (real, integer) in head.logits(&cls).iter().zip(integers) {
        assert!((real - integer as f64 * unit).abs() < 0.05, "{real} and {}", integer as f64 * unit);
    }
}

#[test]
fn a_head_file_is_read_as_it_was_written_and_nothing_else_is() {
    let quantised = QuantisedHead::from_linear(&head(), &ClsQuantiser { bits: 9, scale: 0.02 }).unwrap();
    let file = quantised.to_safetensors().unwrap();
    assert_eq!(QuantisedHead::from_safetensors(&file).unwrap(), quantised);
    for cut in 0..file.len() {
        assert!(QuantisedHead::from_safetensors(&file[..cut]).is_err());
    }
    assert!(QuantisedHead::from_safetensors(ENCODER).is_err());
    assert!(QuantisedHead::new(2, vec![300, 0, 0, 0], vec![0, 0], 1.0).is_err());
    assert!(QuantisedHead::new(2, vec![0; 3], vec![0, 0], 1.0).is_err());
    assert!(LinearHead::new(1, vec![f32::NAN, 0.0], vec![0.0; 2]).is_err());
}

#[cfg(not(target_arch = "wasm32"))]
mod on_disk {
    use models::RelayPack;

    use super::*;

    fn folder(classes: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let head = QuantisedHead::new(24, vec![1; 24 * classes], vec![0; classes], 0.1).unwrap();
        std::fs::write(folder.path().join("card.json"), text(&card())).unwrap();
        std::fs::write(folder.path().join("encoder.safetensors"), ENCODER).unwrap();
        std::fs::write(folder.path().join("head.safetensors"), head.to_safetensors().unwrap()).unwrap();
        folder
    }

    #[test]
    fn a_relay_reads_a_whole_pack() {
        let pack = RelayPack::load_dir(folder(2).path()).unwrap();
        assert_eq!((pack.card.id.as_str(), pack.head.classes), ("test-model", 2));
        assert_eq!((pack.encoder_bytes.as_slice(), pack.card_bytes), (ENCODER, text(&card())));
    }

    #[test]
    fn a_head_of_another_model_is_refused() {
        let refused = RelayPack::load_dir(folder(3).path()).err().unwrap();
        assert!(refused.to_string().contains("3 classes"), "{refused}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = folder(2);
        std::fs::remove_file(folder.path().join("head.safetensors")).unwrap();
        let refused = RelayPack::load_dir(folder.path()).err().unwrap();
        assert!(refused.to_string().contains("head.safetensors"), "{refused}");
    }
}
