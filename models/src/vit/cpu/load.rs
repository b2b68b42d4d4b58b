//! Weights with timm's names to the order in which the engine reads them.

use super::{Attention, Block, CpuVit, Linear, Norm};
use crate::{ModelError, TensorMap, VitConfig};

impl CpuVit {
    /// Takes the network's tensors out of `weights` one by one, so that they are hardly ever held twice.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] for sizes that are not run; [`ModelError::MissingTensor`] or [`ModelError::WrongShape`]
    /// where the weights are of another architecture.
    pub fn load(config: &VitConfig, mut weights: TensorMap) -> Result<Self, ModelError> {
        config.validate()?;
        let (dim, patch) = (config.dim, config.patch_size);
        let kernel = take(&mut weights, "patch_embed.proj.weight", &[dim, config.in_channels, patch, patch])?;
        let bias = take(&mut weights, "patch_embed.proj.bias", &[dim])?;
        let cls_token = take(&mut weights, "cls_token", &[1, 1, dim])?;
        let positions = take(&mut weights, "pos_embed", &[1, config.tokens(), dim])?;
        let blocks = (0..config.depth).map(|index| block(&mut weights, index, config)).collect::<Result<_, _>>()?;
        let norm = norm(&mut weights, "norm", config)?;
        let patches = Linear::new(&kernel, &bias);
        Ok(Self { config: config.clone(), patches, cls_token, positions, blocks, norm })
    }
}

fn block(weights: &mut TensorMap, index: usize, config: &VitConfig) -> Result<Block, ModelError> {
    let name = |part: &str| format!("blocks.{index}.{part}");
    let (dim, hidden) = (config.dim, config.mlp_dim);
    let norm1 = norm(weights, &name("norm1"), config)?;
    let matrix = take(weights, &name("attn.qkv.weight"), &[3 * dim, dim])?;
    let bias = take(weights, &name("attn.qkv.bias"), &[3 * dim])?;
    let queries = Linear::new(&matrix[..dim * dim], &bias[..dim]);
    let keys_values = Linear::new(&matrix[dim * dim..], &bias[dim..]);
    drop(matrix);
    let projection = linear(weights, &name("attn.proj"), dim, dim)?;
    let norm2 = norm(weights, &name("norm2"), config)?;
    let fc1 = linear(weights, &name("mlp.fc1"), dim, hidden)?;
    let fc2 = linear(weights, &name("mlp.fc2"), hidden, dim)?;
    let attention = Attention { heads: config.heads, queries, keys_values, projection };
    Ok(Block { norm1, attention, norm2, fc1, fc2 })
}

fn linear(weights: &mut TensorMap, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
    let matrix = take(weights, &format!("{name}.weight"), &[outputs, inputs])?;
    let bias = take(weights, &format!("{name}.bias"), &[outputs])?;
    Ok(Linear::new(&matrix, &bias))
}

fn norm(weights: &mut TensorMap, name: &str, config: &VitConfig) -> Result<Norm, ModelError> {
    let weight = take(weights, &format!("{name}.weight"), &[config.dim])?;
    let bias = take(weights, &format!("{name}.bias"), &[config.dim])?;
    Ok(Norm { weight, bias, eps: config.layer_norm_eps as f32 })
}

fn take(weights: &mut TensorMap, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    weights.get(name, shape)?;
    Ok(weights.remove(name).map(|tensor| tensor.data).unwrap_or_default())
}
