//! Weights with timm's names to burn modules.

use burn::{
    module::Param,
    nn::{LayerNorm, Linear, conv::Conv2d},
    tensor::{Device, Tensor as BurnTensor, TensorData},
};

use super::module::Block;
use crate::{ModelError, TensorMap};

/// Where the tensors come from and where they go.
pub(crate) struct Loader<'a> {
    pub(crate) map: &'a TensorMap,
    pub(crate) device: &'a Device,
}

impl Loader<'_> {
    /// The blocks `name.0`, `name.1` and so on, of tokens of `d` values and MLPs of `m`.
    pub(crate) fn blocks(&self, blocks: &mut [Block], name: &str, d: usize, m: usize) -> Result<(), ModelError> {
        for (i, block) in blocks.iter_mut().enumerate() {
            let name = |part: &str| format!("{name}.{i}.{part}");
            self.norm(&mut block.norm1, &name("norm1"), d)?;
            self.linear(&mut block.qkv, &name("attn.qkv"), &[3 * d, d], [d, 3 * d])?;
            self.linear(&mut block.proj, &name("attn.proj"), &[d, d], [d, d])?;
            self.norm(&mut block.norm2, &name("norm2"), d)?;
            self.linear(&mut block.mlp.fc1, &name("mlp.fc1"), &[m, d], [d, m])?;
            self.linear(&mut block.mlp.fc2, &name("mlp.fc2"), &[d, m], [m, d])?;
        }
        Ok(())
    }

    /// The tensor `name`.
    pub(crate) fn param<const N: usize>(&self, name: &str, shape: &[usize; N]) -> Result<Param<BurnTensor<N>>, ModelError> {
        let tensor = self.map.get(name, shape)?;
        let data = TensorData::new(tensor.data.clone(), *shape);
        Ok(Param::from_tensor(BurnTensor::from_data(data, self.device)))
    }

    /// The linear layer `name`, whose matrix PyTorch keeps as [out, in…], burn as [in, out].
    pub(crate) fn linear(
        &self,
        layer: &mut Linear,
        name: &str,
        shape: &[usize],
        [d_in, d_out]: [usize; 2],
    ) -> Result<(), ModelError> {
        let weight = &self.map.get(&format!("{name}.weight"), shape)?.data;
        let mut turned = vec![0.0; weight.len()];
        for (o, row) in weight.chunks_exact(d_in).enumerate() {
            for (i, value) in row.iter().enumerate() {
                turned[i * d_out + o] = *value;
            }
        }
        let data = TensorData::new(turned, [d_in, d_out]);
        layer.weight = Param::from_tensor(BurnTensor::from_data(data, self.device));
        layer.bias = Some(self.param(&format!("{name}.bias"), &[d_out])?);
        Ok(())
    }

    /// The convolution `name`, kept as PyTorch keeps it.
    pub(crate) fn conv(&self, layer: &mut Conv2d, name: &str) -> Result<(), ModelError> {
        let shape = layer.weight.dims();
        layer.weight = self.param(&format!("{name}.weight"), &shape)?;
        layer.bias = Some(self.param(&format!("{name}.bias"), &[shape[0]])?);
        Ok(())
    }

    /// The LayerNorm `name`.
    pub(crate) fn norm(&self, layer: &mut LayerNorm, name: &str, d: usize) -> Result<(), ModelError> {
        layer.gamma = self.param(&format!("{name}.weight"), &[d])?;
        layer.beta = Some(self.param(&format!("{name}.bias"), &[d])?);
        Ok(())
    }
}
