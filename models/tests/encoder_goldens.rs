//! The CPU engine against timm and Hugging Face on small random weights; see `goldens/make.py`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use models::{CpuVit, ModelError, TensorMap, VitConfig};

struct Golden {
    config: &'static str,
    weights: &'static [u8],
    expected: &'static [u8],
}

macro_rules! golden {
    ($name:literal) => {
        Golden {
            config: include_str!(concat!("../goldens/encoders/", $name, ".json")),
            weights: include_bytes!(concat!("../goldens/encoders/", $name, ".safetensors")),
            expected: include_bytes!(concat!("../goldens/encoders/", $name, ".expected.safetensors")),
        }
    };
}

impl Golden {
    fn config(&self) -> VitConfig {
        serde_json::from_str(self.config).unwrap()
    }

    fn weights(&self) -> TensorMap {
        TensorMap::from_safetensors(self.weights).unwrap()
    }

    /// Asserts that both images' CLS tokens are those of the Python package, within 1e-4.
    fn check(&self) {
        let config = self.config();
        let encoder = CpuVit::load(&config, self.weights()).unwrap();
        let expected = TensorMap::from_safetensors(self.expected).unwrap();
        let images = &expected.find("images").unwrap().data;
        let tokens = &expected.find("tokens").unwrap().data;
        for (image, tokens) in images.chunks(config.input_len()).zip(tokens.chunks(config.tokens() * config.dim)) {
            let cls = encoder.encode(image).unwrap();
            assert_eq!(cls.len(), config.dim);
            let worst = cls.iter().zip(tokens).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-4, "worst difference {worst}");
        }
    }
}

#[test]
fn a_grey_timm_encoder_gives_timms_cls_token() {
    golden!("timm_grey_f32").check();
}

#[test]
fn odd_sizes_and_f16_weights_give_timms_cls_token() {
    golden!("timm_odd_f16").check();
}

#[test]
fn a_hugging_face_vit_gives_its_cls_token() {
    golden!("hf_vit_f32").check();
}

#[test]
fn a_hugging_face_classifier_in_f16_gives_its_cls_token() {
    golden!("hf_classifier_f16").check();
}

#[test]
fn encoding_twice_gives_the_same_bits() {
    let golden = golden!("timm_grey_f32");
    let encoder = CpuVit::load(&golden.config(), golden.weights()).unwrap();
    let image: Vec<f32> = (0..golden.config().input_len()).map(|i| (i % 29) as f32 / 14.0 - 1.0).collect();
    assert_eq!(encoder.encode(&image).unwrap(), encoder.encode(&image).unwrap());
}

/// The engine uses only operations whose results IEEE 754 fixes, in a fixed order, so this digest holds on every platform.
#[test]
fn native_and_webassembly_give_the_same_bits() {
    let golden = golden!("timm_odd_f16");
    let encoder = CpuVit::load(&golden.config(), golden.weights()).unwrap();
    let image: Vec<f32> = (0..golden.config().input_len()).map(|i| (i % 31) as f32 / 15.0 - 1.0).collect();
    let bytes: Vec<u8> = encoder.encode(&image).unwrap().iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(models::pack::sha256_hex(&bytes), include_str!("../goldens/encoders/timm_odd_f16.cls.sha256").trim());
}

#[test]
fn an_input_of_another_length_is_refused() {
    let golden = golden!("timm_grey_f32");
    let encoder = CpuVit::load(&golden.config(), golden.weights()).unwrap();
    let refused = encoder.encode(&[0.0; 7]);
    assert!(matches!(refused, Err(ModelError::InputLength { expected: 1024, found: 7 })));
}

#[test]
fn weights_of_another_architecture_are_refused() {
    let golden = golden!("timm_grey_f32");
    let deeper = VitConfig { depth: 3, ..golden.config() };
    let missing = CpuVit::load(&deeper, golden.weights()).err().unwrap();
    assert!(matches!(missing, ModelError::MissingTensor { ref name } if name == "blocks.2.norm1.weight"), "{missing}");
    let wider = VitConfig { mlp_dim: 64, ..golden.config() };
    let wrong = CpuVit::load(&wider, golden.weights()).err().unwrap();
    assert!(matches!(wrong, ModelError::WrongShape { .. }), "{wrong}");
}

#[test]
fn a_network_too_large_to_run_is_refused_before_anything_is_allocated() {
    let huge = VitConfig { dim: 2048, depth: 48, heads: 64, mlp_dim: 8192, ..VitConfig::base16(1024) };
    assert!(matches!(CpuVit::load(&huge, TensorMap::default()), Err(ModelError::BadConfig { .. })));
}
