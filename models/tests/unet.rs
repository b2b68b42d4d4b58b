//! The U-Net on the CPU engine, and its noise schedules.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod common;

use common::purifier::*;
use models::{CpuUnet, ModelError, Schedule, TensorMap, UnetConfig, pack::sha256_hex, unet::MAX_T};

fn network(channels: usize) -> CpuUnet {
    CpuUnet::load(&config(channels), weights(&config(channels))).unwrap()
}

/// The network of `goldens/make_unet.py`, and what it found there.
fn golden(name: &str) -> (CpuUnet, TensorMap) {
    let [sizes, weights, expected]: [&[u8]; 3] = match name {
        "grey" => [
            include_bytes!("../goldens/unet/grey.json"),
            include_bytes!("../goldens/unet/grey.safetensors"),
            include_bytes!("../goldens/unet/grey.expected.safetensors"),
        ],
        _ => [
            include_bytes!("../goldens/unet/rgb.json"),
            include_bytes!("../goldens/unet/rgb.safetensors"),
            include_bytes!("../goldens/unet/rgb.expected.safetensors"),
        ],
    };
    let config: UnetConfig = serde_json::from_slice(sizes).unwrap();
    let network = CpuUnet::load(&config, TensorMap::from_safetensors(weights).unwrap()).unwrap();
    (network, TensorMap::from_safetensors(expected).unwrap())
}

#[test]
fn the_noise_is_what_pytorch_finds() {
    for name in ["grey", "rgb"] {
        let (network, expected) = golden(name);
        let (x, t) = (expected.find("x").unwrap(), &expected.find("t").unwrap().data);
        let [.., height, width] = x.shape[..] else { panic!("{:?}", x.shape) };
        let image_len = x.data.len() / t.len();
        let theirs = expected.find("noise").unwrap().data.chunks(image_len);
        for ((x, t), theirs) in x.data.chunks(image_len).zip(t).zip(theirs) {
            let ours = network.noise(x, [height, width], *t as u16).unwrap();
            let worst = ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            assert!(worst <= 2e-5, "{name} at level {t}: {worst}");
        }
    }
}

/// The bits are part of the promise that a purified image is the same natively and in the browser.
#[test]
fn the_bits_are_the_same_on_every_machine() {
    let noise = network(3).noise(&image(&config(3), [16, 24], 5), [16, 24], 321).unwrap();
    let bytes: Vec<u8> = noise.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(sha256_hex(&bytes), "22514dfc7a179c2b97ffdf28a0d752363f20822f8dfd17eb756c896bd2cd24fb");
}

#[test]
fn many_get_the_bits_that_each_gets_alone() {
    let side = [24, 8];
    for channels in [1, 3] {
        let network = network(channels);
        let images: Vec<_> = (0..7).map(|seed| image(&config(channels), side, seed)).collect();
        let levels = [1, 500, 77, 1000, 3, 77, 250];
        let views: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        let together = network.noise_of_many(&views, side, &levels).unwrap();
        assert_eq!(together.len(), images.len());
        for ((image, level), noise) in images.iter().zip(levels).zip(&together) {
            assert_eq!(noise, &network.noise(image, side, level).unwrap(), "level {level}");
        }
    }
}

#[test]
fn a_batch_beyond_what_is_worked_on_together_is_whole() {
    let (config, side) = (UnetConfig { widths: vec![6, 40], ..config(1) }, [256, 256]);
    let network = CpuUnet::load(&config, weights(&config)).unwrap();
    let images: Vec<_> = (0..4).map(|seed| image(&config, side, seed)).collect();
    let views: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
    let together = network.noise_of_many(&views, side, &[9, 800, 1, 70]).unwrap();
    let alone = |(image, level)| network.noise(image, side, level).unwrap();
    assert_eq!(together, views.into_iter().zip([9, 800, 1, 70]).map(alone).collect::<Vec<_>>());
}

#[test]
fn the_noise_level_is_really_used() {
    let (network, side) = (network(1), [16, 16]);
    let image = image(&config(1), side, 1);
    let at = |t| network.noise(&image, side, t).unwrap();
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    for pair in [10, 11, 100, 400, 1000].windows(2) {
        assert!(distance(&at(pair[0]), &at(pair[1])) > 1e-4, "{pair:?}");
    }
}

/// Away from the borders a tile shows the network what the image shows it, so the answer is the same: how far a border reaches in
/// is what an overlap of tiles has to cover.
#[test]
fn inside_a_tile_the_noise_is_that_of_the_whole_image() {
    let config = UnetConfig { widths: vec![6], ..config(1) };
    let network = CpuUnet::load(&config, weights(&config)).unwrap();
    let image = image(&config, [64, 64], 3);
    let whole = network.noise(&image, [64, 64], 60).unwrap();
    let tile: Vec<f32> = image.chunks(64).skip(8).take(48).flat_map(|line| line[8..56].to_vec()).collect();
    let part = network.noise(&tile, [48, 48], 60).unwrap();
    // One place of two pixels for each convolution: two in each of three blocks, the first and the last.
    let reach = 2 * (3 * 2 + 2);
    let same = |y: usize, x: usize| part[y * 48 + x] == whole[(y + 8) * 64 + x + 8];
    assert!((reach..48 - reach).all(|y| (reach..48 - reach).all(|x| same(y, x))));
    assert!((0..48).any(|x| !same(reach - 1, x)), "the border reaches that far");
}

#[test]
fn the_schedules_are_the_papers() {
    let tables: serde_json::Value = serde_json::from_str(include_str!("../goldens/unet/schedules.json")).unwrap();
    for (name, schedule) in [("linear", Schedule::Linear), ("cosine", Schedule::Cosine)] {
        assert_eq!(serde_json::to_value(schedule).unwrap(), name);
        for point in tables[name].as_array().unwrap() {
            let (t, theirs) = (point[0].as_u64().unwrap() as u16, point[1].as_f64().unwrap());
            let ours = f64::from(schedule.alpha_bar(t));
            assert!((ours / theirs - 1.0).abs() < 1e-6, "{name} at {t}: {ours} {theirs}");
        }
        assert_eq!(schedule.alpha_bar(0), 1.0);
        assert!((1..=MAX_T).all(|t| schedule.alpha_bar(t) < schedule.alpha_bar(t - 1) && schedule.alpha_bar(t) > 0.0));
        assert_eq!(schedule.alpha_bar(u16::MAX), schedule.alpha_bar(MAX_T));
    }
}

#[test]
fn the_standard_network_has_these_sizes() {
    let grey = UnetConfig::standard(1);
    grey.validate().unwrap();
    assert_eq!((grey.multiple(), grey.levels()), (8, 3));
    let counted: usize = grey.shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    assert_eq!((grey.parameters(), counted), (480_388, 480_388));
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let with = |change: fn(&mut UnetConfig)| {
        let mut config = config(1);
        change(&mut config);
        config
    };
    let bad = [
        with(|config| config.in_channels = 2),
        with(|config| config.fold = 0),
        with(|config| config.fold = 1 << 30),
        with(|config| config.widths = vec![]),
        with(|config| config.widths = vec![8; 7]),
        with(|config| config.widths[1] = 0),
        with(|config| config.widths[1] = usize::MAX),
        with(|config| config.time_dim = 13),
        with(|config| config.time_dim = 0),
        with(|config| config.time_dim = 1 << 30),
    ];
    for config in &bad {
        assert!(matches!(CpuUnet::load(config, TensorMap::default()), Err(ModelError::BadConfig { .. })), "{config:?}");
    }
}

#[test]
fn weights_of_another_network_are_refused() {
    let (config, whole) = (config(1), weights(&config(1)));
    for (name, shape) in config.shapes() {
        let mut without = whole.clone();
        let mut tensor = without.remove(&name).unwrap();
        assert!(matches!(CpuUnet::load(&config, without.clone()), Err(ModelError::MissingTensor { .. })), "{name}");
        tensor.shape.push(1);
        without.insert(name.clone(), tensor);
        let refused = CpuUnet::load(&config, without).err().unwrap();
        assert!(matches!(refused, ModelError::WrongShape { expected, .. } if expected == shape), "{name}");
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let network = network(1);
    let refused = |x: &[f32], side, t| matches!(network.noise(x, side, t), Err(ModelError::Purification { .. }));
    assert!(refused(&[0.0; 64], [8, 16], 5), "another length");
    assert!(refused(&[0.0; 144], [12, 12], 5), "no multiple of 8");
    assert!(refused(&[], [0, 8], 5), "an empty image");
    assert!(refused(&[], [1 << 30, 1 << 30], 5), "a huge image");
    assert!(refused(&[0.0; 64], [8, 8], 1001), "a level beyond the last");
    assert!(matches!(
        UnetConfig { widths: vec![512], ..config(1) }.check_side([1024, 1024]),
        Err(ModelError::Purification { .. })
    ));
    UnetConfig::standard(3).check_side([1024, 1024]).unwrap();
    assert!(network.noise_of_many(&[&[0.0; 64]], [8, 8], &[1, 2]).is_err(), "two levels for one image");
    assert!(network.noise_of_many(&[], [8, 8], &[]).unwrap().is_empty());
}
