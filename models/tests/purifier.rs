//! The purifier: its card, the walk from noise to clean, and packs that have one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod common;

use common::{ENCODER, numbers, pack_card, purifier::*};
use models::{
    ModelCard, ModelError, Preprocess, PublicPack, Purifier, PurifierCard, Schedule, TensorMap, UnetConfig,
    pack::sha256_hex,
    preprocess::Channels,
    purifier::{MAX_STEPS, Walk, add_noise, clean_estimate, ddim_levels, step_together, walk_tiles},
};
use serde_json::{Value, json};

fn read(card: Value) -> PurifierCard {
    serde_json::from_value(card).unwrap()
}

fn purifier() -> Purifier {
    Purifier::load(&read(card(&file())), weights(&config(1))).unwrap()
}

/// Pixels within 0..=1.
fn pixels(seed: u64, count: usize) -> Vec<f32> {
    numbers(seed, count).into_iter().map(|value| (value + 1.0) / 2.0).collect()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_walk_goes_down_evenly_and_ends_at_the_clean_image() {
    assert_eq!(ddim_levels(150, 4), [150, 113, 75, 38, 0]);
    assert_eq!(ddim_levels(1000, 1), [1000, 0]);
    assert_eq!(ddim_levels(3, 10), [3, 2, 1, 0], "no level comes twice");
    for (t, steps) in [(1000, 20), (999, 7), (21, 20), (1, 1), (20, 20)] {
        let levels = ddim_levels(t, steps);
        assert_eq!((levels.len(), levels[0], levels[levels.len() - 1]), (usize::from(steps) + 1, t, 0));
        assert!(levels.windows(2).all(|pair| pair[0] > pair[1]), "{levels:?}");
    }
}

#[test]
fn whoever_knows_the_noise_gets_the_clean_image_back() {
    let (clean, noise) = (pixels(1, 64), numbers(2, 64));
    for schedule in [Schedule::Linear, Schedule::Cosine] {
        for (t, steps) in [(1, 1), (100, 1), (100, 10), (400, 20)] {
            let noised = add_noise(schedule, &clean, &noise, t);
            let estimate = clean_estimate(schedule, &noised, &noise, t);
            assert!(worst(&estimate, &clean.iter().map(|pixel| 2.0 * pixel - 1.0).collect::<Vec<_>>()) < 1e-4);
            let mut walk = Walk::new(schedule, noised, t, steps).unwrap();
            while walk.pending().is_some() {
                walk.advance(&noise).unwrap();
            }
            assert_eq!(walk.done(), walk.total());
            assert!(worst(&walk.into_pixels(), &clean) < 1e-4, "{schedule:?} {t} {steps}");
        }
    }
}

#[test]
fn noise_keeps_the_variance_of_what_it_is_added_to() {
    let noised = add_noise(Schedule::Linear, &[1.0, 0.0, 0.5], &[0.0, 0.0, 1.0], 500);
    let share = Schedule::Linear.alpha_bar(500);
    assert!(worst(&noised, &[share.sqrt(), -share.sqrt(), (1.0 - share).sqrt()]) < 1e-6);
    assert_eq!(add_noise(Schedule::Cosine, &[1.0, 0.25], &[5.0, 5.0], 0), [1.0, -0.5], "level 0 is the image itself");
}

/// Four steps from level 150, of `goldens/make_unet.py`.
#[test]
fn a_walk_ends_where_pytorchs_ends() {
    let config: UnetConfig = serde_json::from_str(include_str!("../goldens/unet/rgb.json")).unwrap();
    let weights = TensorMap::from_safetensors(include_bytes!("../goldens/unet/rgb.safetensors")).unwrap();
    let expected = TensorMap::from_safetensors(include_bytes!("../goldens/unet/rgb.expected.safetensors")).unwrap();
    let values = |name: &str| &expected.find(name).unwrap().data;
    let card = PurifierCard { architecture: config, ..read(card(&file())) };
    let purifier = Purifier::load(&card, weights).unwrap();
    let ours = purifier.purify(values("walk_pixels"), values("walk_noise"), 150, 4).unwrap();
    assert!(worst(&ours, values("purified")) < 2e-5);
    assert!(worst(&ours, values("walk_pixels")) > 0.01, "the walk changed something");
}

#[test]
fn step_by_step_gives_what_one_call_gives_and_stays_in_range() {
    let (purifier, clean, noise) = (purifier(), pixels(3, 32 * 32), numbers(4, 32 * 32));
    let mut walk = purifier.start(&clean, &noise, 400, 5).unwrap();
    for step in 0..5 {
        assert_eq!((walk.done(), walk.total()), (step, 5));
        purifier.step(&mut walk).unwrap();
    }
    assert!(walk.values().iter().all(|value| (-1.0..=1.0).contains(value)));
    let end = walk.values().to_vec();
    purifier.step(&mut walk).unwrap();
    assert_eq!(walk.values(), end, "there is no step after the last");
    let pixels = purifier.finish(walk).unwrap();
    assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    assert_eq!(pixels, purifier.purify(&clean, &noise, 400, 5).unwrap());
}

#[test]
fn tiles_walked_together_end_where_each_ends_alone() {
    let purifier = purifier();
    let schedule = purifier.card.schedule;
    let start = |(seed, (t, steps)): (u64, (u16, u8))| {
        Walk::new(schedule, add_noise(schedule, &pixels(seed, 256), &numbers(seed + 50, 256), t), t, steps).unwrap()
    };
    let jobs = [(100, 1), (400, 7), (2, 5), (1000, 3)];
    let mut walks: Vec<Walk> = (0..).zip(jobs).map(start).collect();
    let mut batches = Vec::new();
    walk_tiles(&mut walks, |tiles, levels| {
        batches.push(tiles.len());
        purifier.unet.noise_of_many(tiles, [16, 16], levels)
    })
    .unwrap();
    assert_eq!(batches, [4, 3, 2, 1, 1, 1, 1], "each batch holds the tiles that have steps left");
    for (seed, (walk, (t, steps))) in (0..).zip(walks.into_iter().zip(jobs)) {
        let alone = purifier.purify(&pixels(seed, 256), &numbers(seed + 50, 256), t, steps).unwrap();
        assert_eq!(walk.into_pixels(), alone);
    }
}

#[test]
fn answers_that_do_not_fit_move_no_tile() {
    let mut walks = vec![Walk::new(Schedule::Linear, vec![0.5; 4], 10, 2).unwrap(); 2];
    let before = walks.clone();
    for answer in [vec![vec![0.0; 4]], vec![vec![0.0; 4], vec![0.0; 3]], vec![vec![0.0; 4], vec![f32::NAN; 4]]] {
        assert!(matches!(step_together(&mut walks, |_, _| Ok(answer.clone())), Err(ModelError::Purification { .. })));
        assert_eq!(walks, before);
    }
    let failed = step_together(&mut walks, |_, _| Err(ModelError::Device { reason: "lost".into() }));
    assert!(matches!(failed, Err(ModelError::Device { .. })));
    assert_eq!(step_together(&mut [], |_, _| panic!("nothing to ask")).unwrap(), 0);
}

#[test]
fn walks_out_of_range_are_refused() {
    let purifier = purifier();
    let (clean, noise) = (vec![0.5; 256], vec![0.0; 256]);
    let refused = |result: Result<Walk, ModelError>| matches!(result, Err(ModelError::Purification { .. }));
    assert!(refused(purifier.start(&clean, &noise, 0, 1)) && refused(purifier.start(&clean, &noise, 1001, 1)));
    assert!(refused(purifier.start(&clean, &noise, 10, 0)) && refused(purifier.start(&clean, &noise, 10, MAX_STEPS + 1)));
    assert!(refused(purifier.start(&clean, &noise[1..], 10, 1)), "noise of another length");
    assert!(refused(purifier.start(&clean[1..], &noise[1..], 10, 1)), "no square");
    assert!(refused(purifier.start(&clean, &[f32::INFINITY; 256], 10, 1)));
    assert!(purifier.purify(&[0.5; 100], &[0.0; 100], 10, 1).is_err(), "a side that the network does not take");
    let unfinished = purifier.start(&clean, &noise, 10, 2).unwrap();
    assert!(matches!(purifier.finish(unfinished), Err(ModelError::Purification { .. })));
}

#[test]
fn the_level_rises_with_the_score() {
    let card = read(card(&file()));
    card.validate(32).unwrap();
    let scores = [f32::NEG_INFINITY, -3.0, 1.49, 1.5, 2.9, 3.0, 7.3, f32::INFINITY, f32::NAN];
    let levels = scores.map(|score| card.level(score));
    assert_eq!(levels, [None, None, None, Some(40), Some(40), Some(90), Some(150), Some(150), None]);
}

#[test]
fn cards_of_nonsense_are_refused() {
    for (pointer, value) in [
        ("/architecture/in_channels", json!(2)),
        ("/architecture/widths", json!([8, 8, 1u32 << 30])),
        ("/architecture/widths", json!([])),
        ("/bytes", json!(0)),
        ("/bytes", json!(1u64 << 40)),
        ("/steps", json!(0)),
        ("/steps", json!(21)),
        ("/levels", json!([])),
        ("/levels", json!(vec![json!({"from_score": 1.0, "t": 5}); 65])),
        ("/levels/0/t", json!(0)),
        ("/levels/2/t", json!(1001)),
        ("/levels/1/t", json!(39)),
        ("/levels/1/from_score", json!(1.5)),
        ("/remote/tile", json!(0)),
        ("/remote/tile", json!(12)),
        ("/remote/tile", json!(40)),
        ("/remote/stride", json!(0)),
        ("/remote/stride", json!(17)),
        ("/remote/relays", json!(0)),
        ("/remote/relays", json!(17)),
        ("/remote/min_t", json!(0)),
        ("/remote/min_t", json!(1001)),
    ] {
        let mut changed = card(&file());
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        let refused = read(changed).validate(32);
        assert!(matches!(refused, Err(ModelError::BadCard { .. } | ModelError::BadConfig { .. })), "{pointer} = {value}");
    }
    assert!(read(card(&file())).validate(36).is_err(), "images that the network does not take");
}

/// The card of a pack with detector and purifier, and the purifier's file.
fn pack() -> (Value, Vec<u8>) {
    let (mut pack, file) = (pack_card(), file());
    pack["detector"] = common::card(&common::file());
    pack["purifier"] = card(&file);
    (pack, file)
}

#[test]
fn a_pack_hands_out_the_purifier_that_its_card_names() {
    let (card, file) = pack();
    let card = ModelCard::from_json(card.to_string().as_bytes()).unwrap();
    assert_eq!(ModelCard::from_json(card.to_json().unwrap().as_bytes()).unwrap(), card);
    assert_eq!(hex::encode(card.purifier.as_ref().unwrap().tag()), sha256_hex(&file)[..16]);
    let open = || PublicPack::from_card(card.clone(), ENCODER.to_vec()).unwrap();
    let mut pack = open().with_purifier(file.clone()).unwrap();
    let purifier = pack.take_purifier().unwrap().unwrap();
    assert!(pack.take_purifier().unwrap().is_none(), "its bytes were given up");
    assert!(open().take_purifier().unwrap().is_none(), "none was added");
    let stored = Purifier::load(&purifier.card, TensorMap::from_safetensors(&file).unwrap()).unwrap();
    let (clean, noise) = (pixels(1, 256), numbers(2, 256));
    assert_eq!(purifier.purify(&clean, &noise, 90, 2).unwrap(), stored.purify(&clean, &noise, 90, 2).unwrap());

    let mut changed = file;
    changed[3000] ^= 1;
    assert!(matches!(open().with_purifier(changed), Err(ModelError::CorruptPack { .. })));
    let without = PublicPack::from_parts(pack_card().to_string().as_bytes(), ENCODER.to_vec()).unwrap();
    assert!(matches!(without.with_purifier(vec![]), Err(ModelError::NoPurifier)));
}

#[test]
fn purifiers_that_do_not_fit_their_pack_are_refused() {
    let refused = |change: fn(&mut Value)| {
        let (mut card, _) = pack();
        change(&mut card);
        ModelCard::from_json(card.to_string().as_bytes()).is_err()
    };
    assert!(!refused(|_| ()));
    assert!(refused(|card| card["purifier"]["architecture"]["in_channels"] = json!(3)), "another input");
    assert!(refused(|card| card["purifier"]["file"] = json!("Detector.safetensors")), "the detector's file");
    assert!(refused(|card| card["purifier"]["file"] = json!("head.safetensors")), "the relay's file");
    assert!(refused(|card| card["purifier"]["file"] = json!("../x")));
    assert!(refused(|card| card["purifier"]["sha256"] = json!("no digest")));
    assert!(refused(|card| card["purifier"]["levels"][0]["t"] = json!(0)));
    assert!(refused(|card| _ = card.as_object_mut().unwrap().remove("detector")), "nothing says when to purify");
}

/// Convolutions are stored as the encoder's matrices are: int8, one scale an output channel.
#[test]
fn an_int8_file_is_a_quarter_and_finds_nearly_the_same_noise() {
    let config = UnetConfig { widths: vec![16, 24, 32], ..config(1) };
    let whole = weights(&config);
    let bytes = whole.to_safetensors_int8().unwrap();
    let plain = whole.to_safetensors_f32().unwrap();
    assert!(bytes.len() * 10 < plain.len() * 4, "{} of {}", bytes.len(), plain.len());
    let stored = TensorMap::from_safetensors(&bytes).unwrap();
    for (name, tensor) in whole.iter().filter(|(_, tensor)| tensor.shape.len() == 4) {
        let read = stored.get(name, &tensor.shape).unwrap();
        let len = tensor.data.len() / tensor.shape[0];
        for (ours, theirs) in read.data.chunks(len).zip(tensor.data.chunks(len)) {
            let step = theirs.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
            assert!(worst(ours, theirs) <= step * 0.501, "{name}");
        }
    }
    let [exact, rounded] = [whole, stored].map(|weights| models::CpuUnet::load(&config, weights).unwrap());
    let x = image(&config, [32, 32], 8);
    let noise = exact.noise(&x, [32, 32], 100).unwrap();
    let distance = worst(&noise, &rounded.noise(&x, [32, 32], 100).unwrap());
    assert!(distance > 0.0 && distance < 0.1, "{distance}");
}

#[test]
fn pixels_become_the_encoders_input_and_back() {
    let preprocess = Preprocess { size: 2, channels: Channels::Rgb, mean: vec![0.5, 0.25, 0.1], std: vec![0.5, 0.2, 0.4] };
    let pixels: Vec<f32> = (0..12).map(|i| i as f32 / 11.0).collect();
    let input = preprocess.input_of(&pixels);
    assert_eq!((input[0], input[5], input[11]), (-1.0, (pixels[5] - 0.25) / 0.2, (1.0 - 0.1) / 0.4));
    assert!(worst(&preprocess.pixels_of(&input), &pixels) < 1e-6);
    assert_eq!(preprocess.pixels_of(&[9.0; 12]), [1.0; 12]);
    assert_eq!(preprocess.pixels_of(&[-9.0; 12]), [0.0; 12]);
    let image = preprocess.image_of(&pixels);
    assert_eq!(image.pixels[..6], [0, 93, 185, 23, 116, 209]);
    assert!(worst(&image.to_tensor(&preprocess), &input) < 0.5 / 255.0 / 0.2 + 1e-6);
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_relay_reads_the_purifier_that_the_card_names() {
    let folder = tempfile::tempdir().unwrap();
    let (card, file) = pack();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("card.json", card.to_string().as_bytes());
    write("encoder.safetensors", ENCODER);
    write("detector.safetensors", &common::file());
    let head = models::QuantisedHead::new(24, vec![1; 48], vec![0; 2], 0.1).unwrap();
    write("head.safetensors", &head.to_safetensors().unwrap());
    let missing = models::RelayPack::load_dir(folder.path()).err().unwrap();
    assert!(missing.to_string().contains("purifier.safetensors"), "{missing}");
    write("purifier.safetensors", &file);
    assert_eq!(models::RelayPack::load_dir(folder.path()).unwrap().purifier_bytes, Some(file.clone()));
    write("purifier.safetensors", &file[1..]);
    assert!(matches!(models::RelayPack::load_dir(folder.path()), Err(ModelError::CorruptPack { .. })));
}
