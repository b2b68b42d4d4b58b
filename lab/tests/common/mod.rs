//! A tiny encoder and phantoms for it.

use lab::{
    data::{Sample, Split},
    train::{TrainConfig, augment::Augment, optim::OptimConfig, step::Images},
};
use models::{Preprocess, VitConfig, phantom, preprocess::Channels};

/// Side of the phantoms in pixels.
pub const SIDE: usize = 32;

/// Settings of a run that takes a second.
pub fn config() -> TrainConfig {
    let tiny = VitConfig::tiny16(SIDE);
    TrainConfig {
        encoder: VitConfig { in_channels: 1, dim: 32, heads: 2, depth: 2, mlp_dim: 64, patch_size: 8, ..tiny },
        preprocess: Preprocess { size: SIDE, channels: Channels::Grey, mean: vec![0.5], std: vec![0.5] },
        labels: vec!["no".into(), "yes".into()],
        seed: 7,
        epochs: 4,
        batch: 8,
        lanes: 2,
        smoothing: 0.0,
        drop_path: 0.1,
        optim: OptimConfig { lr: 2e-3, weight_decay: 0.01, layer_decay: 1.0, clip: 1.0, ema: 0.9, warmup: 0.1 },
        augment: Augment { rotation: 5.0, scale: 0.05, shift: 0.02, light: 0.05, ..Augment::default() },
        distil: None,
        adversarial: None,
    }
}

/// Phantoms of these seeds, those of odd ones with a lesion, four to a group.
pub fn split(seeds: std::ops::Range<u64>) -> Split {
    let sample = |seed: u64| Sample {
        file: format!("{seed}.png"),
        class: (seed % 2) as usize,
        group: (seed / 4).to_string(),
        bytes: phantom::brain_phantom_png(seed, seed % 2 == 1, SIDE).unwrap(),
    };
    Split { labels: config().labels, samples: seeds.map(sample).collect() }
}

/// The same as pixels for training.
pub fn images(seeds: std::ops::Range<u64>) -> Images {
    let split = split(seeds);
    Images { pixels: split.pixels(&config().preprocess).unwrap(), classes: split.samples.iter().map(|s| s.class).collect() }
}
