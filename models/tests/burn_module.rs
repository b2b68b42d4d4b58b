//! The burn module against timm, Hugging Face, the published ViT-Ti/16 and the CPU engine.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "flex")]

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, Tensor, TensorData};
use models::{CpuMae, CpuVit, MaeConfig, Mask, ModelError, TensorMap, VitConfig, vit::module::Vit};

fn golden(name: &str, part: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("goldens/encoders/{name}{part}"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn load(config: &VitConfig, weights: &TensorMap) -> Vit {
    let device = Device::flex();
    config.init(&device).load(weights, &device).unwrap()
}

/// CLS tokens of `count` images that lie one after another.
fn cls(vit: &Vit, images: &[f32]) -> Vec<f32> {
    let c = vit.config();
    let shape = [images.len() / c.input_len(), c.in_channels, c.image_size, c.image_size];
    let images = Tensor::<4>::from_data(TensorData::new(images.to_vec(), shape), &Device::flex());
    vit.cls(images).into_data().try_to_vec().unwrap()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_batch_gives_the_cls_tokens_of_the_python_packages_and_of_the_cpu_engine() {
    for name in ["timm_grey_f32", "timm_odd_f16", "hf_vit_f32", "hf_classifier_f16"] {
        let config: VitConfig = serde_json::from_slice(&golden(name, ".json")).unwrap();
        let weights = TensorMap::from_safetensors(&golden(name, ".safetensors")).unwrap();
        let expected = TensorMap::from_safetensors(&golden(name, ".expected.safetensors")).unwrap();
        let images = &expected.find("images").unwrap().data;
        let tokens = expected.find("tokens").unwrap().data.chunks(config.tokens() * config.dim);
        let first: Vec<f32> = tokens.flat_map(|t| t[..config.dim].to_vec()).collect();
        let ours = cls(&load(&config, &weights), images);
        assert!(worst(&ours, &first) <= 1e-4, "{name}: {}", worst(&ours, &first));
        let engine = CpuVit::load(&config, weights).unwrap();
        let theirs: Vec<f32> = images.chunks(config.input_len()).flat_map(|i| engine.encode(i).unwrap()).collect();
        assert!(worst(&ours, &theirs) <= 1e-4, "{name}: {}", worst(&ours, &theirs));
    }
}

#[test]
fn the_masked_autoencoder_draws_what_the_cpu_engine_draws() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/mae");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let config: MaeConfig = serde_json::from_slice(&read("hf_mae.json")).unwrap();
    let weights = TensorMap::from_safetensors(&read("hf_mae.safetensors")).unwrap();
    let expected = TensorMap::from_safetensors(&read("hf_mae.expected.safetensors")).unwrap();
    let images = &expected.find("images").unwrap().data;
    let device = Device::flex();
    let module = config.init(&device).load(&weights, &device).unwrap();
    let engine = CpuMae::load(&config, weights).unwrap();
    for mask in Mask::complementary(3, 4, config.patches()) {
        let batch = Tensor::<4>::from_data(TensorData::new(images.clone(), [2, 3, 16, 16]), &device);
        let theirs: Vec<f32> = module.forward(batch, &mask).into_data().try_to_vec().unwrap();
        let ours = images.chunks(config.encoder.input_len()).flat_map(|image| engine.reconstruct(image, &mask).unwrap());
        let distance = worst(&ours.collect::<Vec<_>>(), &theirs);
        assert!(distance <= 1e-4, "{distance}");
    }
}

#[test]
fn weights_of_another_geometry_are_refused() {
    let config: VitConfig = serde_json::from_slice(&golden("timm_grey_f32", ".json")).unwrap();
    let weights = TensorMap::from_safetensors(&golden("timm_grey_f32", ".safetensors")).unwrap();
    let device = Device::flex();
    let deeper = VitConfig { depth: config.depth + 1, ..config.clone() };
    assert!(matches!(deeper.init(&device).load(&weights, &device), Err(ModelError::MissingTensor { .. })));
    let finer = VitConfig { image_size: config.image_size * 2, ..config };
    assert!(matches!(finer.init(&device).load(&weights, &device), Err(ModelError::WrongShape { .. })));
}

/// The canvas of the golden: a 128 x 128 grey image in the middle of 224 x 224 black pixels, three equal channels.
fn canvas(png: &[u8]) -> Vec<f32> {
    let picture = models::decode(png).unwrap();
    let mut plane = vec![-1.0; 224 * 224];
    for (i, value) in picture.pixels.iter().enumerate() {
        plane[(48 + i / 128) * 224 + 48 + i % 128] = f32::from(*value) / 127.5 - 1.0;
    }
    plane.repeat(3)
}

fn member(tar: &Path, name: &str) -> Vec<u8> {
    let mut archive = tar::Archive::new(std::fs::File::open(tar).unwrap());
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let mut entry = entries.find(|e| e.path().unwrap().to_str() == Some(name)).unwrap();
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_published_vit_tiny_gives_pytorchs_cls_token_after_every_block() {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("VEILSIGHT_DATA").map_or_else(default, PathBuf::from);
    let Ok(golden) = std::fs::read(folder.join("vit_tiny/golden.safetensors")) else {
        println!("skipped: no vit_tiny/golden.safetensors in {}; set VEILSIGHT_DATA", folder.display());
        return;
    };
    let golden = TensorMap::from_safetensors(&golden).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("vit_tiny/golden.json")).unwrap()).unwrap();
    let weights = std::fs::read(folder.join("vit_tiny/vit_tiny_patch16_224.f16.safetensors")).unwrap();
    let vit = load(&VitConfig::tiny16(224), &TensorMap::from_safetensors(&weights).unwrap());
    let images = list["images"].as_array().unwrap();
    assert!(images.len() >= 5);
    for image in images {
        let png = member(&folder.join(image["tar"].as_str().unwrap()), image["file"].as_str().unwrap());
        let theirs = |name: &str| &golden.find(&format!("img{}.{name}", image["img"])).unwrap().data;
        let input = TensorData::new(canvas(&png), [1, 3, 224, 224]);
        let mut tokens = vit.embed(Tensor::from_data(input, &Device::flex()));
        for (i, block) in vit.blocks().iter().enumerate() {
            tokens = block.forward(tokens);
            let cls: Vec<f32> = tokens.clone().narrow(1, 0, 1).into_data().try_to_vec().unwrap();
            assert!(worst(&cls, theirs(&format!("block{i:02}_cls"))) <= 2e-3, "block {i}");
        }
        let cls: Vec<f32> = vit.finish(tokens).into_data().try_to_vec().unwrap();
        assert!(worst(&cls, theirs("final_cls")) <= 2e-3);
    }
}
