//! Phantoms are images like any other, and the same everywhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use models::{
    decode,
    pack::sha256_hex,
    phantom::{brain_phantom, brain_phantom_png},
};

#[test]
fn a_phantom_file_decodes_to_the_phantom() {
    let file = brain_phantom_png(7, true, 256).unwrap();
    assert_eq!(decode(&file).unwrap(), brain_phantom(7, true, 256));
}

#[test]
fn a_seed_draws_the_same_pixels_everywhere_and_another_seed_others() {
    let digest = sha256_hex(&brain_phantom(1, true, 128).pixels);
    assert_eq!(digest, include_str!("../goldens/phantom_1_lesion_128.sha256").trim());
    assert_ne!(brain_phantom(1, true, 128), brain_phantom(2, true, 128));
}

#[test]
fn a_lesion_brightens_part_of_the_head_and_nothing_outside() {
    for seed in 0..8 {
        let (plain, lesion) = (brain_phantom(seed, false, 128), brain_phantom(seed, true, 128));
        let changed = plain.pixels.iter().zip(&lesion.pixels).filter(|(a, b)| a != b).count();
        let brighter = plain.pixels.iter().zip(&lesion.pixels).filter(|(a, b)| **b > a.saturating_add(40)).count();
        assert!((100..4000).contains(&changed) && brighter > 60, "seed {seed}: {changed} changed, {brighter} brighter");
        assert!(lesion.pixels[..128].iter().all(|value| *value == 0));
    }
}

#[test]
fn sizes_beyond_the_limits_are_clamped() {
    assert_eq!(brain_phantom(1, false, 0).pixels.len(), 1);
    assert_eq!(brain_phantom(1, false, usize::MAX).width, 1024);
}
