//! A small random detector and purifier, their cards, and the card of a pack.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses a part")]

pub mod purifier;

use models::{DetectorCard, MaeConfig, Tensor, TensorMap, VitConfig, pack::sha256_hex};

/// The encoder file of [`pack_card`].
pub const ENCODER: &[u8] = include_bytes!("../../goldens/encoders/timm_grey_f32.safetensors");

/// The card of a whole pack, without a detector.
pub fn pack_card() -> serde_json::Value {
    serde_json::json!({
        "format": 1, "id": "test-model", "title": "A test", "version": "1.0.0", "task": "nothing",
        "classes": [{"id": "no", "label": "No"}, {"id": "yes", "label": "Yes"}],
        "encoder": {
            "architecture": serde_json::from_str::<serde_json::Value>(include_str!("../../goldens/encoders/timm_grey_f32.json")).unwrap(),
            "file": "encoder.safetensors", "sha256": sha256_hex(ENCODER), "bytes": ENCODER.len(), "storage": "f32"
        },
        "preprocess": {"size": 32, "channels": "grey", "mean": [0.5], "std": [0.5]},
        "cls": {"dim": 24, "quantiser": {"bits": 9, "scale": 0.02}},
        "calibration": {"logit_scale": 0.001},
        "he_parameters": "GLWE_2048_TU17",
        "training": {"data": "d", "split": "s", "seed": 1, "command": "c", "start": "random", "epochs": 3, "batch": 32},
        "metrics": {"accuracy": 0.9}, "limits": ["all of them"], "licence": "Apache-2.0", "provenance": "made here",
        "a_field_of_the_future": true
    })
}

/// 16 patches of 8 x 8 grey pixels; widths that are no multiples of eight, and fewer decoder blocks than encoder blocks.
pub fn config() -> MaeConfig {
    let encoder = VitConfig {
        image_size: 32,
        patch_size: 8,
        in_channels: 1,
        dim: 24,
        depth: 2,
        heads: 2,
        mlp_dim: 40,
        layer_norm_eps: 1e-6,
    };
    MaeConfig { encoder, decoder_dim: 18, decoder_depth: 2, decoder_heads: 3, decoder_mlp_dim: 28 }
}

/// Numbers within ±1 that only the seed decides.
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Random weights of a network.
pub fn weights(config: &MaeConfig) -> TensorMap {
    let mut map = TensorMap::default();
    for (seed, (name, shape)) in shapes(config).into_iter().enumerate() {
        let mut data = numbers(seed as u64 + 1, shape.iter().product());
        let about = if name.ends_with("norm.weight") || name.ends_with("norm1.weight") || name.ends_with("norm2.weight") {
            1.0
        } else {
            0.0
        };
        data.iter_mut().for_each(|value| *value = about + *value * 0.3);
        map.insert(name, Tensor { shape, data });
    }
    map
}

fn shapes(config: &MaeConfig) -> Vec<(String, Vec<usize>)> {
    let (e, dim) = (&config.encoder, config.decoder_dim);
    let mut all = vec![
        ("cls_token".into(), vec![1, 1, e.dim]),
        ("pos_embed".into(), vec![1, e.tokens(), e.dim]),
        ("patch_embed.proj.weight".into(), vec![e.dim, e.in_channels, e.patch_size, e.patch_size]),
        ("patch_embed.proj.bias".into(), vec![e.dim]),
        ("mask_token".into(), vec![1, 1, dim]),
        ("decoder_pos_embed".into(), vec![1, e.tokens(), dim]),
    ];
    let mut pair = |name: String, shape: Vec<usize>| {
        all.push((format!("{name}.bias"), vec![shape[0]]));
        all.push((format!("{name}.weight"), shape));
    };
    pair("norm".into(), vec![e.dim]);
    pair("decoder_norm".into(), vec![dim]);
    pair("decoder_embed".into(), vec![dim, e.dim]);
    pair("decoder_pred".into(), vec![e.patch_len(), dim]);
    for (blocks, depth, dim, hidden) in
        [("blocks", e.depth, e.dim, e.mlp_dim), ("decoder_blocks", config.decoder_depth, dim, config.decoder_mlp_dim)]
    {
        for index in 0..depth {
            pair(format!("{blocks}.{index}.norm1"), vec![dim]);
            pair(format!("{blocks}.{index}.norm2"), vec![dim]);
            pair(format!("{blocks}.{index}.attn.qkv"), vec![3 * dim, dim]);
            pair(format!("{blocks}.{index}.attn.proj"), vec![dim, dim]);
            pair(format!("{blocks}.{index}.mlp.fc1"), vec![hidden, dim]);
            pair(format!("{blocks}.{index}.mlp.fc2"), vec![dim, hidden]);
        }
    }
    all
}

/// A detector file of random weights.
pub fn file() -> Vec<u8> {
    weights(&config()).to_safetensors_f16().unwrap()
}

/// The card of a detector file.
pub fn card(file: &[u8]) -> serde_json::Value {
    let patches = config().patches();
    let quantiles: Vec<f32> = (0..101).map(|i| i as f32 / 10.0 - 5.0).collect();
    serde_json::json!({
        "architecture": config(),
        "file": "detector.safetensors", "sha256": sha256_hex(file), "bytes": file.len(), "storage": "f16",
        "masks": {"seed": 7, "count": 4}, "filter": "mean-3x3",
        "patch_error": {"mean": vec![0.25; patches], "std": vec![0.5; patches]},
        "features": [
            {"name": "reconstruction", "mean": 0.1, "std": 0.2, "weight": 1.0},
            {"name": "token", "mean": 0.3, "std": 0.4, "weight": 0.5}
        ],
        "false_positive_rate": 0.05, "threshold": 4.5, "clean_quantiles": quantiles,
        "roc": [
            {"threshold": -5.0, "false_positive_rate": 1.0, "true_positive_rate": 1.0},
            {"threshold": 4.5, "false_positive_rate": 0.05, "true_positive_rate": 0.9},
            {"threshold": 9.0, "false_positive_rate": 0.0, "true_positive_rate": 0.25}
        ],
        "attack": "pgd-linf-0.015",
        "training": {"data": "d", "split": "s", "seed": 1, "command": "c", "start": "random", "epochs": 3}
    })
}

/// The card, read.
pub fn read(card: serde_json::Value) -> DetectorCard {
    serde_json::from_value(card).unwrap()
}

/// A network's input.
pub fn input(seed: u64) -> Vec<f32> {
    numbers(seed, config().encoder.input_len())
}
