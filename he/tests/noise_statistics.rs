//! Each stage of noise measured against `NoiseBudget`, which the failure probability is computed from.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Head, Numbers};
use he::hazmat::{RawLogits, derive_phases};
use he::{GLWE_2048_TU17, NoiseBudget, SecretKey};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const DELTA: i64 = 1 << 38;
const HALF: usize = 1024;

/// Tokens a test draws; wasm draws fewer, and its tolerance follows.
const TOKENS: usize = if cfg!(target_arch = "wasm32") { 25 } else { 100 };
/// Public keys the re-randomisation test draws.
const KEYS: usize = if cfg!(target_arch = "wasm32") { 200 } else { 1500 };

fn key() -> SecretKey {
    SecretKey::make(&GLWE_2048_TU17).unwrap()
}

fn budgets(head: &Head) -> Vec<NoiseBudget> {
    (0..head.classes).map(|c| NoiseBudget::with_ones(&GLWE_2048_TU17, head.row(c), HALF)).collect()
}

/// What lies under Δ·logit.
fn noise(phases: &[u64], logits: &[i64]) -> Vec<f64> {
    phases.iter().zip(logits).map(|(p, m)| (*p as i64).wrapping_sub(m.wrapping_mul(DELTA)) as f64).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Asserts that a measured ratio is 1 within five standard errors.
fn assert_one(ratio: f64, standard_error: f64) {
    assert!((ratio - 1.0).abs() < 5.0 * standard_error, "measured/theory = {ratio} ± {standard_error}");
}

/// Mean of squares divided by the expected variances: 1 if theory is right.
fn ratio(samples: &[(f64, f64)]) -> f64 {
    mean(&samples.iter().map(|(noise, variance)| noise * noise / variance).collect::<Vec<_>>())
}

#[test]
fn the_product_carries_the_noise_and_rounding_of_the_token_times_the_weights() {
    let (key, mut numbers) = (key(), Numbers(6));
    let head = Head::random(&mut numbers, 64, 768, 255);
    let (encrypted, budgets) = (head.encrypted(), budgets(&head));
    let mut samples = Vec::new();
    for _ in 0..TOKENS {
        let values = numbers.within(768, 255);
        let token = key.make_sealed_token(&values).unwrap();
        let raw = RawLogits::derive_unprotected(&encrypted, &token).unwrap();
        let noise = noise(&raw.derive_phases(&key), &head.logits(&values));
        samples.extend(noise.into_iter().zip(budgets.iter().map(|b| b.token_noise + b.token_rounding)));
    }
    // Nearly normal samples: 1.8 % for 6,400.
    assert_one(ratio(&samples), (2.0 / samples.len() as f64).sqrt());
}

#[test]
fn re_randomisation_adds_the_noise_of_an_encryption_of_zero_under_a_rounded_key() {
    let (key, mut numbers) = (key(), Numbers(7));
    let head = Head::random(&mut numbers, 4, 192, 255);
    let (encrypted, budget) = (head.encrypted(), budgets(&head)[0]);
    let token = key.make_sealed_token(&[0; 192]).unwrap();
    let mut samples = Vec::new();
    for _ in 0..KEYS {
        let mut raw = RawLogits::derive_unprotected(&encrypted, &token).unwrap();
        let before = raw.derive_phases(&key);
        raw.rerandomise(&key.make_public_key().unwrap().prepare()).unwrap();
        let after = raw.derive_phases(&key);
        let added = after.iter().zip(before).map(|(a, b)| a.wrapping_sub(b) as i64 as f64);
        samples.extend(added.map(|x| (x, budget.rerandomisation + budget.key_rounding)));
    }
    // Half the variance is shared by the four classes of a key: 2 % for 1,500 keys.
    assert_one(ratio(&samples), (0.625 / KEYS as f64).sqrt());
}

#[test]
fn the_modulus_switch_adds_the_rounding_of_the_mask_under_the_key() {
    let (key, mut numbers) = (key(), Numbers(8));
    let head = Head::random(&mut numbers, 64, 192, 255);
    let (encrypted, budget) = (head.encrypted(), budgets(&head)[0]);
    let mut samples = Vec::new();
    for _ in 0..TOKENS {
        let token = key.make_sealed_token(&[0; 192]).unwrap();
        let raw = RawLogits::derive_unprotected(&encrypted, &token).unwrap();
        let switched = derive_phases(&key, &raw.switch());
        let added = switched.iter().zip(raw.derive_phases(&key)).map(|(a, b)| a.wrapping_sub(b) as i64 as f64);
        samples.extend(added.map(|x| (x, budget.answer_rounding)));
    }
    // 1.8 % for 6,400 samples; and a key has 1,024 ± 23 bits set, 2.2 %.
    assert_one(ratio(&samples), (2.0 / samples.len() as f64 + 0.022f64.powi(2)).sqrt());
}

#[test]
fn a_finished_answer_carries_the_uniform_flood_and_never_comes_near_the_margin() {
    let (key, mut numbers) = (key(), Numbers(9));
    let head = Head::random(&mut numbers, 64, 768, 255);
    let (encrypted, budgets) = (head.encrypted(), budgets(&head));
    let session = key.make_public_key().unwrap().prepare();
    let mut samples = Vec::new();
    for _ in 0..TOKENS {
        let values = numbers.within(768, 255);
        let token = key.make_sealed_token(&values).unwrap();
        let answer = encrypted.make_logits(&token, &session).unwrap();
        let noise = noise(&derive_phases(&key, &answer), &head.logits(&values));
        samples.extend(noise.into_iter().zip(budgets.iter().map(|b| b.variance() + b.flood_bound.powi(2) / 3.0)));
    }
    // Nearly uniform samples: 1.1 % for 6,400.
    assert_one(ratio(&samples), (0.8 / samples.len() as f64).sqrt());

    let NoiseBudget { flood_bound, margin, .. } = budgets[0];
    let sizes: Vec<f64> = samples.iter().map(|(noise, _)| noise.abs()).collect();
    let largest = sizes.iter().fold(0.0, |a: f64, b| a.max(*b));
    let sigma = budgets[0].variance().sqrt();
    assert!(largest > 0.98 * flood_bound, "the flood does not reach its bound");
    assert!(largest < flood_bound + 6.0 * sigma && largest < margin);
    // A uniform flood leaves half of its mass in the inner half.
    let inner = sizes.iter().filter(|x| **x < flood_bound / 2.0).count() as f64 / sizes.len() as f64;
    assert!((inner - 0.5).abs() < 2.5 / (samples.len() as f64).sqrt(), "{inner} of the noise lies in the inner half");
}
