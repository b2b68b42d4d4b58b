//! A pack with a detector: what fits is opened, and what contradicts itself, asks too much or was changed is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod common;

use common::*;
use models::{ModelCard, ModelError, PublicPack};
use serde_json::{Value, json};

/// The card of a pack with a detector.
fn whole() -> Value {
    let mut whole = pack_card();
    whole["detector"] = card(&file());
    whole
}

fn bytes(card: &Value) -> Vec<u8> {
    serde_json::to_vec(card).unwrap()
}

/// What is said of the card with the value at a JSON pointer below its detector replaced.
fn refusal(pointer: &str, value: Value) -> String {
    let mut card = whole();
    *card["detector"].pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
    match ModelCard::from_json(&bytes(&card)) {
        Ok(_) => panic!("{pointer} = {value} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_pack_with_a_detector_opens_and_keeps_its_card() {
    let pack = PublicPack::from_parts(&bytes(&whole()), ENCODER.to_vec()).unwrap();
    let again = ModelCard::from_json(pack.card.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(again, pack.card);
    let mut pack = pack.with_detector(file()).unwrap();
    let detector = pack.take_detector().unwrap().unwrap();
    assert_eq!((detector.passes(), Some(detector.card())), (6, pack.card.detector.as_ref()));
    assert!(pack.take_detector().unwrap().is_none(), "its bytes were given up");
}

#[test]
fn a_card_without_a_detector_reads_and_writes_as_before() {
    let card = ModelCard::from_json(&bytes(&pack_card())).unwrap();
    assert!(card.detector.is_none() && !card.to_json().unwrap().contains("detector"));
    let mut pack = PublicPack::from_card(card, ENCODER.to_vec()).unwrap();
    assert!(pack.take_detector().unwrap().is_none());
    assert!(matches!(pack.with_detector(file()), Err(ModelError::NoDetector)));
}

#[test]
fn a_changed_cut_or_foreign_detector_file_is_refused() {
    let open = |bytes: Vec<u8>| PublicPack::from_parts(&self::bytes(&whole()), ENCODER.to_vec()).unwrap().with_detector(bytes);
    let file = file();
    let mut changed = file.clone();
    changed[3000] ^= 1;
    for (bytes, word) in
        [(changed, "SHA-256"), (file[..3000].to_vec(), "3000 bytes"), (ENCODER.to_vec(), "bytes"), (vec![], "0 bytes")]
    {
        let refused = open(bytes).err().unwrap();
        assert!(matches!(refused, ModelError::CorruptPack { .. }) && refused.to_string().contains(word), "{refused}");
        assert!(refused.to_string().starts_with("detector.safetensors") && refused.code() == "corrupt-pack");
    }
}

/// The card's digest fits, and yet it is no detector: an encoder, noise, or a network of other sizes.
#[test]
fn a_detector_file_without_the_cards_network_is_refused() {
    let load = |bytes: Vec<u8>, change: fn(&mut Value)| {
        let mut whole = pack_card();
        whole["detector"] = card(&bytes);
        change(&mut whole["detector"]);
        let pack = PublicPack::from_parts(&self::bytes(&whole), ENCODER.to_vec()).unwrap();
        pack.with_detector(bytes).unwrap().take_detector().err().unwrap()
    };
    assert!(matches!(load(ENCODER.to_vec(), |_| ()), ModelError::WrongShape { .. } | ModelError::MissingTensor { .. }));
    assert!(matches!(load(vec![7; 4096], |_| ()), ModelError::BadWeights { .. }));
    let deeper = load(file(), |card| card["architecture"]["decoder_depth"] = json!(3));
    assert!(matches!(deeper, ModelError::MissingTensor { .. }), "{deeper}");
    let wider = load(file(), |card| card["architecture"]["decoder_dim"] = json!(36));
    assert!(matches!(wider, ModelError::WrongShape { .. }), "{wider}");
}

#[test]
fn sizes_that_are_not_run_are_refused() {
    for (pointer, value) in [
        ("/architecture/decoder_dim", json!(1u64 << 31)),
        ("/architecture/decoder_depth", json!(4096)),
        ("/architecture/decoder_heads", json!(0)),
        ("/architecture/decoder_mlp_dim", json!(1 << 20)),
        ("/architecture/encoder/dim", json!(1 << 20)),
        ("/architecture/encoder/patch_size", json!(5)),
    ] {
        assert!(refusal(pointer, value).contains("the network cannot be built"), "{pointer}");
    }
    assert!(refusal("/architecture/encoder/image_size", json!(64)).contains("patch_error"));
    assert!(refusal("/architecture/encoder/in_channels", json!(3)).contains("another input"));
    for (pointer, value) in [
        ("/bytes", json!(0)),
        ("/bytes", json!(1u64 << 40)),
        ("/masks/count", json!(1)),
        ("/masks/count", json!(3)),
        ("/masks/count", json!(17)),
    ] {
        assert!(refusal(pointer, value).contains(&pointer[1..5]), "{pointer}");
    }
}

#[test]
fn files_that_are_not_plain_or_are_another_part_of_the_pack_are_refused() {
    for name in ["../detector", ".hidden", "a/b", ""] {
        assert!(refusal("/file", json!(name)).contains("detector.file is not a plain file name"), "{name}");
    }
    for name in ["encoder.safetensors", "Head.safetensors", "head.safetensors", "card.json"] {
        assert!(refusal("/file", json!(name)).contains("another part of the pack"), "{name}");
    }
    assert!(refusal("/sha256", json!("00")).contains("detector.sha256"));
}

#[test]
fn numbers_that_cannot_be_computed_with_are_refused() {
    let (many, long) = (json!(vec![0.5; 17]), json!(vec![0.0; 100]));
    let feature = json!({"name": "token", "mean": 0.0, "std": 1.0, "weight": 1.0});
    for (pointer, value, word) in [
        ("/patch_error/mean", many.clone(), "patch_error"),
        ("/patch_error/std", many, "patch_error"),
        ("/patch_error/mean/3", json!(1e300), "patch_error"),
        ("/patch_error/std/3", json!(0.0), "patch_error"),
        ("/patch_error/std/3", json!(-1.0), "patch_error"),
        ("/features", json!([]), "features"),
        ("/features", json!(vec![feature.clone(); 17]), "features"),
        ("/features/0", feature, "twice"),
        ("/features/0/name", json!("guess"), "guess"),
        ("/features/0/mean", json!(1e300), "Reconstruction"),
        ("/features/1/std", json!(0.0), "Token"),
        ("/features/1/weight", json!(-1e300), "Token"),
        ("/threshold", json!(1e300), "threshold"),
        ("/false_positive_rate", json!(1.5), "false_positive_rate"),
        ("/clean_quantiles", long, "clean_quantiles"),
        ("/clean_quantiles/3", json!(4.0), "clean_quantiles"),
        ("/clean_quantiles/100", json!(1e300), "clean_quantiles"),
        ("/roc", json!([]), "roc"),
        ("/roc/0/threshold", json!(-1e300), "roc"),
        ("/roc/0/threshold", json!(5.0), "roc"),
        ("/roc/1/true_positive_rate", json!(0.1), "roc"),
        ("/roc/1/false_positive_rate", json!(-0.1), "roc"),
        ("/roc/2/false_positive_rate", json!(0.06), "roc"),
        ("/filter", json!("blur"), "blur"),
    ] {
        let said = refusal(pointer, value);
        assert!(said.contains(word) && said.contains("fetch the model pack again"), "{pointer}: {said}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod on_disk {
    use models::{QuantisedHead, RelayPack};

    use super::*;

    fn folder(card: &Value, detector: Option<&[u8]>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let head = QuantisedHead::new(24, vec![1; 48], vec![0; 2], 0.1).unwrap();
        std::fs::write(folder.path().join("card.json"), bytes(card)).unwrap();
        std::fs::write(folder.path().join("encoder.safetensors"), ENCODER).unwrap();
        std::fs::write(folder.path().join("head.safetensors"), head.to_safetensors().unwrap()).unwrap();
        if let Some(detector) = detector {
            std::fs::write(folder.path().join("detector.safetensors"), detector).unwrap();
        }
        folder
    }

    fn refused(folder: &tempfile::TempDir) -> String {
        RelayPack::load_dir(folder.path()).err().unwrap().to_string()
    }

    #[test]
    fn a_relay_reads_the_detector_that_the_card_names() {
        let file = file();
        let pack = RelayPack::load_dir(folder(&whole(), Some(&file)).path()).unwrap();
        assert_eq!(pack.detector_bytes.as_ref(), Some(&file));
        let pack = RelayPack::load_dir(folder(&pack_card(), Some(&file)).path()).unwrap();
        assert!(pack.detector_bytes.is_none(), "the card names none");
    }

    #[test]
    fn a_missing_or_changed_detector_is_named() {
        assert!(refused(&folder(&whole(), None)).contains("detector.safetensors cannot be read"));
        let mut changed = file();
        changed[3000] ^= 1;
        assert!(refused(&folder(&whole(), Some(&changed))).contains("detector.safetensors is damaged"));
    }
}
