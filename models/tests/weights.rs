//! Weights files: every storage, both naming schemes, and bytes that are no weights at all.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use models::{ModelError, Tensor, TensorMap};

fn tensor(shape: &[usize], value: impl Fn(usize) -> f32) -> Tensor {
    let len = shape.iter().product();
    Tensor { shape: shape.to_vec(), data: (0..len).map(value).collect() }
}

fn sample() -> TensorMap {
    let mut map = TensorMap::default();
    map.insert("blocks.0.mlp.fc1.weight", tensor(&[4, 3], |i| (i as f32 - 5.5) * 0.37));
    map.insert("blocks.0.mlp.fc1.bias", tensor(&[4], |i| i as f32 * 0.1));
    map.insert("patch_embed.proj.weight", tensor(&[2, 1, 2, 2], |i| (i as f32).sin()));
    map.insert("pos_embed", tensor(&[1, 3, 2], |i| (i as f32).cos()));
    map.insert("norm.weight", tensor(&[3], |_| 0.0));
    map
}

fn worst(a: &TensorMap, b: &TensorMap, allowed: impl Fn(&str, f32, f32) -> f32) {
    assert_eq!(a.iter().map(|(n, _)| n).collect::<Vec<_>>(), b.iter().map(|(n, _)| n).collect::<Vec<_>>());
    for ((name, a), (_, b)) in a.iter().zip(b.iter()) {
        assert_eq!(a.shape, b.shape, "{name}");
        let top = a.data.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (a, b) in a.data.iter().zip(&b.data) {
            assert!((a - b).abs() <= allowed(name, *a, top), "{name}: {a} {b}");
        }
    }
}

#[test]
fn f32_storage_keeps_every_bit() {
    let map = sample();
    assert_eq!(TensorMap::from_safetensors(&map.to_safetensors_f32().unwrap()).unwrap(), map);
}

#[test]
fn f16_storage_keeps_eleven_bits() {
    let map = sample();
    let read = TensorMap::from_safetensors(&map.to_safetensors_f16().unwrap()).unwrap();
    worst(&map, &read, |_, value, _| value.abs() / 2048.0 + 1e-7);
}

#[test]
fn int8_storage_keeps_matrices_within_half_a_step_and_the_rest_as_f16() {
    let map = sample();
    let bytes = map.to_safetensors_int8().unwrap();
    let read = TensorMap::from_safetensors(&bytes).unwrap();
    let matrix = |name: &str| name.ends_with("fc1.weight") || name.ends_with("proj.weight");
    worst(&map, &read, |name, value, top| if matrix(name) { top / 254.0 + 1e-6 } else { value.abs() / 2048.0 + 1e-7 });
    // The largest weight of each output channel comes back as it was, but for rounding of the scale.
    let (a, b) = (map.find("blocks.0.mlp.fc1.weight").unwrap(), read.find("blocks.0.mlp.fc1.weight").unwrap());
    assert!((a.data[0] - b.data[0]).abs() < 1e-6);
    // What was read is stored again as the same file.
    assert_eq!(read.to_safetensors_int8().unwrap(), bytes);
}

#[test]
fn hugging_face_names_become_timms_and_query_key_value_are_fused() {
    for prefix in ["", "vit."] {
        let mut map = TensorMap::default();
        let mut put = |name: &str, shape: &[usize], value: f32| map.insert(format!("{prefix}{name}"), tensor(shape, |_| value));
        put("embeddings.cls_token", &[1, 1, 2], 1.0);
        put("embeddings.position_embeddings", &[1, 2, 2], 2.0);
        put("embeddings.patch_embeddings.projection.weight", &[2, 1, 1, 1], 3.0);
        for (i, part) in ["query", "key", "value"].iter().enumerate() {
            put(&format!("encoder.layer.3.attention.attention.{part}.weight"), &[2, 2], 10.0 + i as f32);
            put(&format!("encoder.layer.3.attention.attention.{part}.bias"), &[2], 20.0 + i as f32);
        }
        put("encoder.layer.3.attention.output.dense.weight", &[2, 2], 4.0);
        put("encoder.layer.3.intermediate.dense.bias", &[4], 5.0);
        put("encoder.layer.3.output.dense.weight", &[2, 4], 6.0);
        put("encoder.layer.3.layernorm_before.weight", &[2], 7.0);
        put("encoder.layer.3.layernorm_after.bias", &[2], 8.0);
        put("layernorm.weight", &[2], 9.0);
        let read = TensorMap::from_safetensors(&map.to_safetensors_f32().unwrap()).unwrap();
        let names: Vec<&str> = read.iter().map(|(name, _)| name).collect();
        let expected = [
            "blocks.3.attn.proj.weight",
            "blocks.3.attn.qkv.bias",
            "blocks.3.attn.qkv.weight",
            "blocks.3.mlp.fc1.bias",
            "blocks.3.mlp.fc2.weight",
            "blocks.3.norm1.weight",
            "blocks.3.norm2.bias",
            "cls_token",
            "norm.weight",
            "patch_embed.proj.weight",
            "pos_embed",
        ];
        assert_eq!(names, expected);
        let qkv = read.get("blocks.3.attn.qkv.weight", &[6, 2]).unwrap();
        assert_eq!(qkv.data, [10.0, 10.0, 10.0, 10.0, 11.0, 11.0, 11.0, 11.0, 12.0, 12.0, 12.0, 12.0]);
        assert_eq!(read.get("blocks.3.mlp.fc2.weight", &[2, 4]).unwrap().data[0], 6.0);
    }
}

#[test]
fn a_missing_key_tensor_is_an_error() {
    let mut map = TensorMap::default();
    map.insert("embeddings.cls_token", tensor(&[1, 1, 2], |_| 0.0));
    map.insert("encoder.layer.0.attention.attention.query.weight", tensor(&[2, 2], |_| 0.0));
    let refused = TensorMap::from_safetensors(&map.to_safetensors_f32().unwrap());
    assert!(matches!(refused, Err(ModelError::BadWeights { .. })));
}

#[test]
fn values_that_are_not_finite_are_refused() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut map = TensorMap::default();
        map.insert("norm.weight", tensor(&[2], |_| value));
        let refused = TensorMap::from_safetensors(&map.to_safetensors_f32().unwrap());
        assert!(matches!(refused, Err(ModelError::BadWeights { .. })));
    }
}

#[test]
fn int8_without_its_scale_is_refused() {
    let bytes = sample().to_safetensors_int8().unwrap();
    // The header is JSON: another name of the same length leaves the weight without a scale.
    let at = bytes.windows(24).position(|w| w == b"blocks.0.mlp.fc1.weight.").unwrap();
    let mut broken = bytes;
    broken[at] = b'x';
    assert!(matches!(TensorMap::from_safetensors(&broken), Err(ModelError::BadWeights { .. })));
}

#[cfg(not(target_arch = "wasm32"))]
mod hostile {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_give_a_map_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = TensorMap::from_safetensors(&bytes);
        }

        #[test]
        fn a_file_with_changed_bytes_gives_a_map_or_an_error(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = sample().to_safetensors_int8().unwrap();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let _ = TensorMap::from_safetensors(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = TensorMap::from_safetensors(&bytes);
        }
    }
}
