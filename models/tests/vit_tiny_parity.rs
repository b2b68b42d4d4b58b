//! The CPU engine against the published ViT-Ti/16 weights and a PyTorch run of them, where that data is present.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(not(target_arch = "wasm32"))]

use std::{fs, io::Read, path::PathBuf};

use models::{CpuVit, TensorMap, VitConfig, decode};

const TOLERANCE: f32 = 2e-3;

fn data() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folder = std::env::var_os("VEILSIGHT_DATA").map_or_else(default, PathBuf::from);
    if folder.join("vit_tiny/golden.safetensors").is_file() {
        return Some(folder);
    }
    println!("skipped: no vit_tiny/golden.safetensors under {}; set VEILSIGHT_DATA", folder.display());
    None
}

fn member(tar: &std::path::Path, name: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(fs::File::open(tar).unwrap());
    let mut entry = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .find(|entry| entry.path().unwrap().to_str() == Some(name))
        .unwrap_or_else(|| panic!("{name} in {}", tar.display()));
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The 128 x 128 image in the middle of a 224 x 224 black canvas, three equal channels, mean = std = 0.5.
fn canvas(png: &[u8]) -> Vec<f32> {
    let picture = decode(png).unwrap();
    assert_eq!((picture.width, picture.height), (128, 128));
    let mut plane = vec![-1.0; 224 * 224];
    for (row, line) in picture.pixels.chunks(128).enumerate() {
        let start = (48 + row) * 224 + 48;
        for (target, value) in plane[start..start + 128].iter_mut().zip(line) {
            *target = (f32::from(*value) / 255.0 - 0.5) / 0.5;
        }
    }
    plane.repeat(3)
}

fn worst(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_block_of_vit_tiny_agrees_with_pytorch() {
    let Some(folder) = data() else { return };
    let read = |name: &str| fs::read(folder.join("vit_tiny").join(name)).unwrap();
    let weights = TensorMap::from_safetensors(&read("vit_tiny_patch16_224.f16.safetensors")).unwrap();
    let golden = TensorMap::from_safetensors(&read("golden.safetensors")).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&read("golden.json")).unwrap();
    let config = VitConfig::tiny16(224);
    let positions = weights.find("pos_embed").unwrap().data.clone();
    let encoder = CpuVit::load(&config, weights).unwrap();
    let mut compared = 0;
    for image in list["images"].as_array().unwrap() {
        let number = image["img"].as_u64().unwrap();
        let png = member(&folder.join(image["tar"].as_str().unwrap()), image["file"].as_str().unwrap());
        let theirs = |name: &str| &golden.find(&format!("img{number}.{name}")).unwrap().data;
        let mut tokens = encoder.embed(&canvas(&png)).unwrap();
        // The golden holds patch tokens before the positions are added.
        let patches = tokens.values()[192..5 * 192].iter().zip(&positions[192..]);
        let patches: Vec<f32> = patches.map(|(token, position)| token - position).collect();
        assert!(worst(&patches, theirs("patch_tokens_first4")) <= TOLERANCE);
        for index in 0..config.depth {
            encoder.block(index, &mut tokens);
            let distance = worst(&tokens.values()[..192], theirs(&format!("block{index:02}_cls")));
            assert!(distance <= TOLERANCE, "image {number}, block {index}: {distance}");
        }
        let distance = worst(&encoder.cls(&tokens), theirs("final_cls"));
        assert!(distance <= TOLERANCE, "image {number}, final features: {distance}");
        compared += 1;
    }
    assert!(compared >= 5);
}
