//! Weights of an architecture that are only timed.

use models::{Tensor, TensorMap, VitConfig};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Random weights under timm's names, small enough that activations stay in range.
pub fn random_weights(config: &VitConfig, seed: u64) -> TensorMap {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = TensorMap::default();
    let mut add = |name: String, shape: &[usize]| {
        let data = (0..shape.iter().product()).map(|_| rng.random_range(-0.04..0.04)).collect();
        weights.insert(name, Tensor { shape: shape.to_vec(), data });
    };
    let (dim, hidden) = (config.dim, config.mlp_dim);
    add("cls_token".into(), &[1, 1, dim]);
    add("pos_embed".into(), &[1, config.tokens(), dim]);
    add("patch_embed.proj.weight".into(), &[dim, config.in_channels, config.patch_size, config.patch_size]);
    add("patch_embed.proj.bias".into(), &[dim]);
    for block in 0..config.depth {
        let linears = [("attn.qkv", 3 * dim, dim), ("attn.proj", dim, dim), ("mlp.fc1", hidden, dim), ("mlp.fc2", dim, hidden)];
        for (name, outputs, inputs) in linears {
            add(format!("blocks.{block}.{name}.weight"), &[outputs, inputs]);
            add(format!("blocks.{block}.{name}.bias"), &[outputs]);
        }
        for name in ["norm1", "norm2"] {
            add(format!("blocks.{block}.{name}.weight"), &[dim]);
            add(format!("blocks.{block}.{name}.bias"), &[dim]);
        }
    }
    add("norm.weight".into(), &[dim]);
    add("norm.bias".into(), &[dim]);
    weights
}
