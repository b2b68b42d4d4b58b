//! Weights with timm's names to the order in which the engine reads them.

use super::{Attention, Block, CpuVit, Linear, Norm, Widths};
use crate::{ModelError, TensorMap, VitConfig};

impl CpuVit {
    /// Takes the network's tensors out of `weights` one by one, so that they are hardly ever held twice.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] for sizes that are not run; [`ModelError::MissingTensor`] or [`ModelError::WrongShape`]
    /// where the weights are of another architecture.
    pub fn load(config: &VitConfig, mut weights: TensorMap) -> Result<Self, ModelError> {
        config.validate()?;
        Self::take(config, &mut weights)
    }

    /// As [`Self::load`], leaving what is not the network's in `weights`.
    pub(crate) fn take(config: &VitConfig, weights: &mut TensorMap) -> Result<Self, ModelError> {
        let (dim, patch) = (config.dim, config.patch_size);
        let kernel = take(weights, "patch_embed.proj.weight", &[dim, config.in_channels, patch, patch])?;
        let bias = take(weights, "patch_embed.proj.bias", &[dim])?;
        let cls_token = take(weights, "cls_token", &[1, 1, dim])?;
        let positions = take(weights, "pos_embed", &[1, config.tokens(), dim])?;
        let blocks = blocks(weights, "blocks", config.depth, config.into())?;
        let norm = norm(weights, "norm", config.into())?;
        let patches = Linear::new(&kernel, &bias);
        Ok(Self { config: config.clone(), patches, cls_token, positions, blocks, norm })
    }
}

/// The blocks `name.0`, `name.1` and so on, `depth` of them.
pub(crate) fn blocks(weights: &mut TensorMap, name: &str, depth: usize, widths: Widths) -> Result<Vec<Block>, ModelError> {
    (0..depth).map(|index| block(weights, &format!("{name}.{index}"), widths)).collect()
}

fn block(weights: &mut TensorMap, name: &str, widths: Widths) -> Result<Block, ModelError> {
    let name = |part: &str| format!("{name}.{part}");
    let Widths { dim, heads, hidden, .. } = widths;
    let norm1 = norm(weights, &name("norm1"), widths)?;
    let matrix = take(weights, &name("attn.qkv.weight"), &[3 * dim, dim])?;
    let bias = take(weights, &name("attn.qkv.bias"), &[3 * dim])?;
    let queries = Linear::new(&matrix[..dim * dim], &bias[..dim]);
    let keys_values = Linear::new(&matrix[dim * dim..], &bias[dim..]);
    drop(matrix);
    let projection = linear(weights, &name("attn.proj"), dim, dim)?;
    let norm2 = norm(weights, &name("norm2"), widths)?;
    let fc1 = linear(weights, &name("mlp.fc1"), dim, hidden)?;
    let fc2 = linear(weights, &name("mlp.fc2"), hidden, dim)?;
    let attention = Attention { heads, queries, keys_values, projection };
    Ok(Block { norm1, attention, norm2, fc1, fc2 })
}

/// The linear layer `name` of `inputs` to `outputs` values.
pub(crate) fn linear(weights: &mut TensorMap, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
    let matrix = take(weights, &format!("{name}.weight"), &[outputs, inputs])?;
    let bias = take(weights, &format!("{name}.bias"), &[outputs])?;
    Ok(Linear::new(&matrix, &bias))
}

/// The LayerNorm `name`.
pub(crate) fn norm(weights: &mut TensorMap, name: &str, widths: Widths) -> Result<Norm, ModelError> {
    let weight = take(weights, &format!("{name}.weight"), &[widths.dim])?;
    let bias = take(weights, &format!("{name}.bias"), &[widths.dim])?;
    Ok(Norm { weight, bias, eps: widths.eps })
}

/// The values of the tensor `name`, whose shape must be `shape`.
pub(crate) fn take(weights: &mut TensorMap, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
    weights.get(name, shape)?;
    Ok(weights.remove(name).map(|tensor| tensor.data).unwrap_or_default())
}
