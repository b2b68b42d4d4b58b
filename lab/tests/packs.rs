//! From training to a pack to answers on ciphertexts, on phantoms.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/pack.rs"]
mod phantom_pack;

use common::split;
use lab::{evaluate::evaluate, pack, pipeline::Pipeline};
use models::RelayPack;
use phantom_pack::make_pack;

#[test]
fn a_fitted_pack_loads_and_answers_on_ciphertexts_exactly_as_on_integers() {
    let folder = tempfile::tempdir().unwrap();
    make_pack(folder.path());
    let folder = folder.path().join("phantoms");
    let relay = RelayPack::load_dir(&folder).unwrap();
    assert_eq!(relay.card.classes[1].label, "Lesion");
    let pipeline = Pipeline::load(&folder).unwrap();
    let test = split(200..232);
    let evaluation = evaluate(&pipeline, &test, true, &|| ()).unwrap();
    assert_eq!((evaluation.n, evaluation.groups), (32, 8));
    assert_eq!(evaluation.encrypted_agreement, Some(1.0));
    assert_eq!(evaluation.encrypted.as_ref().unwrap(), &evaluation.quantised);
    // The little encoder is hardly trained, so some of its answers are a toss-up that rounding may turn.
    assert!(evaluation.quantised_agreement > 0.7, "{}", evaluation.quantised_agreement);
    let json = evaluation.json();
    let keys = ["n", "groups", "accuracy", "ci_low", "ci_high", "auc", "encrypted_accuracy", "encrypted_agreement"];
    assert!(keys.iter().all(|key| json[key].is_number()), "{json}");
    pack::add_metrics(&folder, "phantoms", "test", &evaluation).unwrap();
    assert_eq!(RelayPack::load_dir(&folder).unwrap().card.metrics["phantoms_test"]["n"], 32);
    let encoded = pipeline.encode(&test.samples[0].bytes).unwrap();
    assert_eq!(encoded.logits, relay.head.logits(&encoded.quantised));
    assert!((encoded.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn labels_that_are_no_classes_of_the_model_are_named() {
    let folder = tempfile::tempdir().unwrap();
    make_pack(folder.path());
    let pipeline = Pipeline::load(&folder.path().join("phantoms")).unwrap();
    let mut other = split(0..4);
    other.labels[1] = "cat".into();
    let error = evaluate(&pipeline, &other, false, &|| ()).unwrap_err().to_string();
    assert!(error.contains("`cat`"), "{error}");
}
