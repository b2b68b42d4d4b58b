//! A small random purifier and its card.

use models::{Schedule, Tensor, TensorMap, UnetConfig, pack::sha256_hex};

use super::numbers;

/// Three levels, widths that are no multiples of eight.
pub fn config(channels: usize) -> UnetConfig {
    UnetConfig { in_channels: channels, fold: 2, widths: vec![6, 10, 9], time_dim: 12 }
}

/// Random weights of a network, of such a size that values neither die nor grow.
pub fn weights(config: &UnetConfig) -> TensorMap {
    let mut map = TensorMap::default();
    for (seed, (name, shape)) in config.shapes().into_iter().enumerate() {
        let is_scale = name.contains("norm") && name.ends_with("weight");
        let fan_in: usize = shape[1..].iter().product();
        let size = if shape.len() > 1 { 1.2 / (fan_in as f32).sqrt() } else { 0.3 };
        let data = numbers(seed as u64 + 1, shape.iter().product());
        let data = data.into_iter().map(|value| f32::from(is_scale) + value * size).collect();
        map.insert(name, Tensor { shape, data });
    }
    map
}

/// Some numbers as an image of a side.
pub fn image(config: &UnetConfig, side: [usize; 2], seed: u64) -> Vec<f32> {
    numbers(seed, config.in_channels * side[0] * side[1])
}

/// The purifier file of [`card`].
pub fn file() -> Vec<u8> {
    weights(&config(1)).to_safetensors_int8().unwrap()
}

/// The card of a purifier file.
pub fn card(file: &[u8]) -> serde_json::Value {
    serde_json::json!({
        "architecture": config(1),
        "file": "purifier.safetensors", "sha256": sha256_hex(file), "bytes": file.len(), "storage": "int8",
        "schedule": Schedule::Linear,
        "levels": [{"from_score": 1.5, "t": 40}, {"from_score": 3.0, "t": 90}, {"from_score": 7.25, "t": 150}],
        "steps": 10,
        "remote": {"tile": 16, "stride": 8, "relays": 3, "min_t": 100},
        "training": {"data": "d", "split": "s", "seed": 1, "command": "c", "start": "random", "epochs": 3}
    })
}
