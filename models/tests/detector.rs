//! The detector: its score, its steps, its card.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod common;

use common::*;
use models::{
    CpuMae, Detector, Mask, ModelError, TensorMap, Verdict,
    detector::{ERROR_FLOOR, Examination, Filter},
    mae,
};
use serde_json::json;

fn detector() -> Detector {
    let file = file();
    Detector::load(&read(card(&file)), TensorMap::from_safetensors(&file).unwrap()).unwrap()
}

fn examined(detector: &Detector, image: &[f32]) -> Examination {
    let mut examination = detector.start(image).unwrap();
    (0..detector.passes()).for_each(|index| detector.pass(&mut examination, index).unwrap());
    examination
}

fn verdict(detector: &Detector, image: &[f32]) -> Verdict {
    let examination = examined(detector, image);
    detector.finish(&examination, &[3.0, 4.0], &[3.0, 3.0]).unwrap()
}

/// The same by the book: every pass on its own, from the network's public parts.
fn by_the_book(image: &[f32]) -> Vec<f64> {
    let (config, file) = (config(), file());
    let network = CpuMae::load(&config, TensorMap::from_safetensors(&file).unwrap()).unwrap();
    let (targets, width) = (mae::targets(image, &config.encoder).unwrap(), config.encoder.patch_len());
    let mut errors = vec![Vec::new(); config.patches()];
    for mask in Mask::complementary(7, 4, 16) {
        let drawn = network.reconstruct(image, &mask).unwrap();
        for (patch, drawn) in mask.masked.iter().zip(drawn.chunks(width)) {
            let wanted = &targets[patch * width..(patch + 1) * width];
            let squares = drawn.iter().zip(wanted).map(|(a, b)| f64::from(a - b).powi(2));
            errors[*patch].push(squares.sum::<f64>() / width as f64);
        }
    }
    errors.iter().for_each(|errors| assert_eq!(errors.len(), 3));
    errors.into_iter().map(|errors| (errors.iter().sum::<f64>() / 3.0 + f64::from(ERROR_FLOOR)).ln()).collect()
}

#[test]
fn the_score_is_the_weighted_sum_of_the_standardised_features() {
    let verdict = verdict(&detector(), &input(4));
    let map: Vec<f64> = by_the_book(&input(4)).iter().map(|error| (error - 0.25) / 0.5).collect();
    for (ours, book) in verdict.map.iter().zip(&map) {
        assert!((f64::from(*ours) - book).abs() < 1e-5, "{ours} {book}");
    }
    let mean = map.iter().sum::<f64>() / 16.0;
    assert!((f64::from(verdict.features[0]) - mean).abs() < 1e-5);
    assert!((verdict.features[1] - 0.2).abs() < 1e-6, "|(0, 1)| / |(3, 4)|");
    let score = (f64::from(verdict.features[0]) - 0.1) / 0.2 + 0.5 * (f64::from(verdict.features[1]) - 0.3) / 0.4;
    assert!((f64::from(verdict.score) - score).abs() < 1e-4);
}

#[test]
fn a_pass_out_of_turn_and_an_unfinished_examination_are_refused() {
    let detector = detector();
    assert_eq!(detector.passes(), 2 + 4, "blocks of the encoder, then masks");
    let mut examination = detector.start(&input(4)).unwrap();
    for index in 0..6usize {
        let refused = detector.finish(&examination, &[1.0], &[1.0]).unwrap_err();
        assert!(refused.to_string().contains(&format!("{index} of 6 passes were made")), "{refused}");
        for other in [index + 1, index.wrapping_sub(1)] {
            assert!(matches!(detector.pass(&mut examination, other), Err(ModelError::Examination { .. })));
        }
        detector.pass(&mut examination, index).unwrap();
    }
    assert!(detector.pass(&mut examination, 6).is_err());
    assert!(detector.finish(&examination, &[1.0], &[1.0]).is_ok());
    assert!(detector.finish(&examination, &[1.0], &[1.0, 2.0]).is_err());
    assert!(matches!(detector.start(&[0.0; 5]), Err(ModelError::InputLength { .. })));
}

/// Only operations whose results IEEE 754 fixes, in a fixed order, so this digest holds on every platform.
#[test]
fn native_and_webassembly_give_the_same_bits() {
    let verdict = verdict(&detector(), &input(9));
    let values = verdict.map.iter().chain(&verdict.features).chain([&verdict.score]);
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(models::pack::sha256_hex(&bytes), "007d5e96fbf20cf22b0dc3d809e958df142239151bcc1809d5139ca3e2a848a7");
}

#[test]
fn the_copy_is_the_mean_of_nine_with_the_border_repeated() {
    let plane: Vec<f32> = (0..16).map(|i| (i * i) as f32).collect();
    let copy = Filter::Mean3.apply(&[plane.clone(), vec![-2.0; 16]].concat(), 4);
    let at = |row: isize, column: isize| plane[(row.clamp(0, 3) * 4 + column.clamp(0, 3)) as usize];
    for (index, value) in copy[..16].iter().enumerate() {
        let (row, column) = (index as isize / 4, index as isize % 4);
        let sum: f32 = (0..9).map(|i| at(row + i / 3 - 1, column + i % 3 - 1)).sum();
        assert!((value - sum / 9.0).abs() < 1e-4, "{index}");
    }
    assert_eq!(copy[16..], [-2.0; 16]);
    assert_eq!(detector().copy(&input(1)), Filter::Mean3.apply(&input(1), 32));
}

#[test]
fn the_share_of_clean_images_follows_the_quantiles() {
    let file = file();
    // The card's clean scores lie evenly between -5 and 5; this score is the distance between the tokens, or its negative.
    let share = |distance: f32, weight: f32| {
        let mut card = card(&file);
        card["features"] = json!([{"name": "token", "mean": 0.0, "std": 1.0, "weight": weight}]);
        let detector = Detector::load(&read(card), TensorMap::from_safetensors(&file).unwrap()).unwrap();
        let examination = examined(&detector, &input(4));
        let verdict = detector.finish(&examination, &[1.0], &[1.0 + distance]).unwrap();
        assert!((verdict.score - weight * distance).abs() < 1e-5);
        verdict.clean_share
    };
    for (distance, weight, expected) in
        [(0.0, 1.0, 0.5), (2.5, 1.0, 0.25), (4.95, 1.0, 0.005), (6.0, 1.0, 0.0), (3.0, -1.0, 0.8), (6.0, -1.0, 1.0)]
    {
        assert!((share(distance, weight) - expected).abs() < 1e-6, "{distance} {weight}");
    }
}

#[test]
fn tokens_that_are_zero_or_not_numbers_never_pass_as_clean() {
    let detector = detector();
    let examination = examined(&detector, &input(4));
    let score = |cls: f32, copy: f32| detector.finish(&examination, &[cls], &[copy]).map(|verdict| verdict.score);
    assert!(score(0.0, 0.0).unwrap().is_finite());
    assert!(score(0.0, 1.0).unwrap() > 1e6);
    for (cls, copy) in [(f32::NAN, 1.0), (1.0, f32::INFINITY)] {
        assert!(matches!(score(cls, copy), Err(ModelError::Examination { .. })), "{cls} {copy}");
    }
    let strange = examined(&detector, &vec![f32::NAN; 1024]);
    assert!(matches!(detector.finish(&strange, &[1.0], &[1.0]), Err(ModelError::Examination { .. })));
}
