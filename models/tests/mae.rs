//! Masks, patches and the masked autoencoder on the CPU engine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod common;

use common::*;
use models::{CpuMae, MaeConfig, Mask, ModelError, TensorMap, mae};

#[test]
fn every_patch_is_seen_by_one_mask_and_hidden_by_all_others() {
    for (seed, count, patches) in [(7, 4, 64), (1, 4, 16), (u64::MAX, 3, 64), (0, 7, 10), (5, 16, 16)] {
        let masks = Mask::complementary(seed, count, patches);
        let mut hidden = vec![0; patches];
        for mask in &masks {
            let mut all = [mask.visible.as_slice(), &mask.masked].concat();
            assert!(mask.visible.is_sorted() && mask.masked.is_sorted());
            all.sort_unstable();
            assert_eq!(all, (0..patches).collect::<Vec<_>>());
            assert!(mask.visible.len().abs_diff(patches / count) <= 1);
            mask.masked.iter().for_each(|patch| hidden[*patch] += 1);
        }
        assert_eq!((masks.len(), hidden), (count, vec![count - 1; patches]));
    }
}

/// The draw is part of every card, so it must never change.
#[test]
fn a_seed_gives_these_masks_on_every_machine() {
    let masks = Mask::complementary(7, 4, 16);
    let seen: Vec<_> = masks.iter().map(|mask| mask.visible.as_slice()).collect();
    assert_eq!(seen, [[7, 9, 10, 11], [4, 12, 13, 14], [0, 2, 8, 15], [1, 3, 5, 6]]);
    assert_ne!(Mask::complementary(8, 4, 16), masks);
}

#[test]
fn patches_lie_row_by_row_with_the_channel_innermost() {
    let rgb = models::VitConfig { in_channels: 3, ..config().encoder };
    let image: Vec<f32> = (0..rgb.input_len()).map(|i| i as f32).collect();
    let patches = mae::patchify(&image, &rgb).unwrap();
    // Patch 5 is the second of the second row; its pixel (2, 3) lies at row 10, column 11.
    let pixel = &patches[5 * rgb.patch_len() + (2 * 8 + 3) * 3..][..3];
    assert_eq!(pixel, [331.0, 1355.0, 2379.0]);
    assert!(matches!(mae::patchify(&image[1..], &rgb), Err(ModelError::InputLength { expected: 3072, found: 3071 })));
}

#[test]
fn targets_have_no_mean_and_unit_variance_and_plain_patches_are_zeros() {
    let config = config().encoder;
    let mut image = input(3);
    (0..8).for_each(|row| image[row * 32..row * 32 + 8].fill(-0.7));
    let targets = mae::targets(&image, &config).unwrap();
    assert!(targets[..64].iter().all(|value| value.abs() < 1e-3));
    for patch in targets[64..].chunks(64) {
        let mean = patch.iter().sum::<f32>() / 64.0;
        let variance = patch.iter().map(|value| value * value).sum::<f32>() / 63.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
    }
}

#[test]
fn what_is_hidden_does_not_change_what_is_drawn() {
    let network = CpuMae::load(&config(), weights(&config())).unwrap();
    let mask = &Mask::complementary(1, 4, 16)[2];
    let image = input(5);
    let drawn = network.reconstruct(&image, mask).unwrap();
    assert_eq!(drawn.len(), 12 * 64);
    assert_eq!(drawn, network.reconstruct(&image, mask).unwrap());
    let place = |patch: usize| (patch / 4 * 8) * 32 + patch % 4 * 8;
    let mut other = image.clone();
    mask.masked.iter().for_each(|patch| other[place(*patch)] += 1.0);
    assert_eq!(drawn, network.reconstruct(&other, mask).unwrap());
    let mut other = image;
    other[place(mask.visible[0])] += 1.0;
    assert_ne!(drawn, network.reconstruct(&other, mask).unwrap());
}

#[test]
fn masks_that_do_not_part_the_image_are_refused() {
    let network = CpuMae::load(&config(), weights(&config())).unwrap();
    let good = Mask::seeing(&[3, 1], 16);
    assert_eq!((good.visible.as_slice(), good.masked.len()), ([1, 3].as_slice(), 14));
    let none = Mask { visible: vec![], masked: (0..16).collect() };
    let all = Mask { visible: (0..16).collect(), masked: vec![] };
    let beyond = Mask { visible: vec![1, 16], ..good.clone() };
    let twice = Mask { visible: vec![1, 1, 3], ..good.clone() };
    for mask in [none, all, beyond, twice, Mask::seeing(&[1], 15)] {
        let refused = network.reconstruct(&input(1), &mask);
        assert!(matches!(refused, Err(ModelError::Examination { .. })), "{mask:?}");
    }
    assert!(matches!(network.reconstruct(&[0.0; 3], &good), Err(ModelError::InputLength { .. })));
}

#[test]
fn masks_seen_together_give_what_each_gives_alone() {
    let network = CpuMae::load(&config(), weights(&config())).unwrap();
    let (image, masks) = (input(5), Mask::complementary(1, 4, 16));
    let mut sight = network.see(&image, &masks).unwrap();
    network.look(&mut sight);
    assert!(matches!(network.draw(&sight, 0, &masks[0]), Err(ModelError::Examination { .. })), "a block is left");
    network.look(&mut sight);
    for (index, mask) in masks.iter().enumerate() {
        assert_eq!(network.draw(&sight, index, mask).unwrap(), network.reconstruct(&image, mask).unwrap());
    }
    assert!(network.draw(&sight, 4, &masks[0]).is_err());
    assert!(network.draw(&sight, 0, &Mask::seeing(&[1], 16)).is_err());
    assert!(network.see(&image, &[masks[0].clone(), Mask::seeing(&[1], 16)]).is_err());
    assert!(network.see(&image, &[]).is_err());
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let with = |change: fn(&mut MaeConfig)| {
        let mut config = config();
        change(&mut config);
        config
    };
    let bad = [
        with(|config| config.decoder_dim = 0),
        with(|config| config.decoder_dim = 1 << 30),
        with(|config| config.decoder_depth = 49),
        with(|config| config.decoder_heads = 5),
        with(|config| config.decoder_mlp_dim = 10_000),
        with(|config| config.encoder.heads = 7),
        with(|config| (config.decoder_dim, config.decoder_depth, config.decoder_heads) = (2048, 48, 64)),
    ];
    for config in &bad {
        assert!(matches!(CpuMae::load(config, TensorMap::default()), Err(ModelError::BadConfig { .. })), "{config:?}");
    }
    let deeper = with(|config| config.decoder_depth = 3);
    let missing = CpuMae::load(&deeper, weights(&config())).err().unwrap();
    assert!(matches!(missing, ModelError::MissingTensor { ref name } if name.starts_with("decoder_blocks.2.")), "{missing}");
}

/// Two images of `goldens/make_mae.py`, each with its own mask.
#[test]
fn a_hugging_face_autoencoder_draws_what_it_draws_there() {
    let config: MaeConfig = serde_json::from_str(include_str!("../goldens/mae/hf_mae.json")).unwrap();
    let weights = TensorMap::from_safetensors(include_bytes!("../goldens/mae/hf_mae.safetensors")).unwrap();
    let expected = TensorMap::from_safetensors(include_bytes!("../goldens/mae/hf_mae.expected.safetensors")).unwrap();
    let values = |name: &str| &expected.find(name).unwrap().data;
    let network = CpuMae::load(&config, weights).unwrap();
    let (patches, width) = (config.patches(), config.encoder.patch_len());
    let (mut squares, mut count) = (0.0, 0);
    let images = values("images").chunks(config.encoder.input_len());
    for ((image, mask), theirs) in images.zip(values("mask").chunks(patches)).zip(values("pixels").chunks(patches * width)) {
        let visible: Vec<usize> = (0..patches).filter(|patch| mask[*patch] == 0.0).collect();
        let mask = Mask::seeing(&visible, patches);
        let (ours, targets) = (network.reconstruct(image, &mask).unwrap(), mae::targets(image, &config.encoder).unwrap());
        for (patch, ours) in mask.masked.iter().zip(ours.chunks(width)) {
            let place = patch * width..(patch + 1) * width;
            for ((ours, theirs), target) in ours.iter().zip(&theirs[place.clone()]).zip(&targets[place]) {
                assert!((ours - theirs).abs() <= 1e-4, "patch {patch}: {ours} {theirs}");
                squares += f64::from(ours - target).powi(2);
                count += 1;
            }
        }
    }
    let loss = squares / f64::from(count);
    assert!((loss - f64::from(values("loss")[0])).abs() < 1e-5, "the loss on normalised pixels is {loss}");
}
