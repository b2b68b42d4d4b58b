//! Decoding and letterboxing of small files against Pillow, and bit for bit between platforms; see `goldens/make.py`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::collections::BTreeMap;

use models::{
    Preprocess, decode,
    pack::sha256_hex,
    preprocess::{Channels, InputImage},
};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../goldens/images/", $name)).as_slice())),*]
    };
}

const PNG: [(&str, &[u8]); 14] = files![
    "bilevel.png",
    "column.png",
    "grey.png",
    "grey_16.png",
    "grey_alpha.png",
    "one_pixel.png",
    "palette.png",
    "palette_transparent.png",
    "rgb.png",
    "rgba.png",
    "row.png",
    "same_size.png",
    "small.png",
    "turned.png",
];
const JPEG: [(&str, &[u8]); 14] = files![
    "cmyk.jpg",
    "grey.jpg",
    "large.jpg",
    "orientation_2.jpg",
    "orientation_3.jpg",
    "orientation_4.jpg",
    "orientation_5.jpg",
    "orientation_6.jpg",
    "orientation_7.jpg",
    "orientation_8.jpg",
    "progressive.jpg",
    "rgb_420.jpg",
    "rgb_422.jpg",
    "rgb_444.jpg",
];

type Table = BTreeMap<String, BTreeMap<String, String>>;

fn by_pillow() -> Table {
    serde_json::from_str(include_str!("../goldens/images/expected.json")).unwrap()
}

fn grey_32(bytes: &[u8]) -> InputImage {
    let wanted = Preprocess { size: 32, channels: Channels::Grey, mean: vec![0.5], std: vec![0.5] };
    wanted.letterbox(&decode(bytes).unwrap())
}

fn rgb_48(bytes: &[u8]) -> InputImage {
    let wanted = Preprocess { size: 48, channels: Channels::Rgb, mean: vec![0.5; 3], std: vec![0.5; 3] };
    wanted.letterbox(&decode(bytes).unwrap())
}

#[test]
fn every_kind_of_png_becomes_exactly_pillows_pixels() {
    let expected = by_pillow();
    for (name, bytes) in PNG {
        assert_eq!(sha256_hex(&grey_32(bytes).pixels), expected[name]["grey_32"], "{name} in grey");
        assert_eq!(sha256_hex(&rgb_48(bytes).pixels), expected[name]["rgb_48"], "{name} in colour");
    }
}

#[test]
fn every_kind_of_jpeg_becomes_nearly_pillows_pixels() {
    let expected = by_pillow();
    for (name, bytes) in JPEG {
        let theirs = hex::decode(&expected[name]["pillow_grey_32"]).unwrap();
        let ours = grey_32(bytes).pixels;
        let sum: u32 = ours.iter().zip(&theirs).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        let mean = f64::from(sum) / ours.len() as f64;
        assert!(mean < 0.6, "{name}: mean difference {mean}");
    }
}

/// The digests were recorded natively; this test run in WebAssembly proves that the same file gives the same pixels there.
#[test]
fn native_and_webassembly_decode_jpeg_to_the_same_pixels() {
    let expected: Table = serde_json::from_str(include_str!("../goldens/images/jpeg_sha256.json")).unwrap();
    let digest = |bytes: &[u8]| {
        let digests = [("grey_32", grey_32(bytes)), ("rgb_48", rgb_48(bytes))];
        BTreeMap::from(digests.map(|(name, image)| (name.to_owned(), sha256_hex(&image.pixels))))
    };
    let found: Table = JPEG.iter().map(|(name, bytes)| ((*name).to_owned(), digest(bytes))).collect();
    assert_eq!(found, expected, "{}", serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn an_image_of_the_input_size_passes_through_unchanged() {
    let bytes = include_bytes!("../goldens/images/same_size.png");
    assert_eq!(grey_32(bytes).pixels, decode(bytes).unwrap().pixels);
}

#[test]
fn the_tensor_is_normalised_channel_by_channel() {
    let wanted = Preprocess { size: 1, channels: Channels::Rgb, mean: vec![0.5, 0.25, 0.0], std: vec![0.5, 0.25, 1.0] };
    let image = wanted.letterbox(&decode(include_bytes!("../goldens/images/one_pixel.png")).unwrap());
    assert_eq!(image.pixels, [200, 100, 50]);
    let expected = [(200.0 / 255.0 - 0.5) / 0.5, (100.0 / 255.0 - 0.25) / 0.25, 50.0 / 255.0];
    assert_eq!(image.to_tensor(&wanted), expected);
}

#[test]
fn preprocessing_that_cannot_be_carried_out_is_refused() {
    let good = Preprocess { size: 32, channels: Channels::Grey, mean: vec![0.5], std: vec![0.5] };
    assert!(good.validate().is_ok());
    for bad in [
        Preprocess { size: 0, ..good.clone() },
        Preprocess { size: usize::MAX, ..good.clone() },
        Preprocess { mean: vec![], ..good.clone() },
        Preprocess { mean: vec![f32::NAN], ..good.clone() },
        Preprocess { std: vec![0.0], ..good.clone() },
        Preprocess { channels: Channels::Rgb, ..good.clone() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
    }
}
