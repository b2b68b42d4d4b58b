//! Weights by their names to the order in which the engine reads them.

use super::{CpuUnet, block::Block, planes::Conv};
use crate::{
    ModelError, TensorMap, UnetConfig,
    unet::{EPS, config::BlockShape},
    vit::cpu::{Linear, Norm, load},
};

impl CpuUnet {
    /// Takes the network's tensors ([`UnetConfig::shapes`]) out of `weights` one by one, so that they are hardly ever held twice.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] for sizes that are not run; [`ModelError::MissingTensor`] or [`ModelError::WrongShape`]
    /// where the weights are of another architecture.
    pub fn load(config: &UnetConfig, mut weights: TensorMap) -> Result<Self, ModelError> {
        config.validate()?;
        let (first, time, folded) = (config.widths[0], config.time_dim, config.folded());
        let blocks = config.blocks();
        let blocks = blocks.iter().map(|shape| block(&mut weights, shape, time)).collect::<Result<_, _>>()?;
        Ok(Self {
            time: [load::linear(&mut weights, "time.fc1", time, time)?, load::linear(&mut weights, "time.fc2", time, time)?],
            stem: conv(&mut weights, "stem", folded, first)?,
            blocks,
            norm: norm(&mut weights, "out.norm", first)?,
            out: conv(&mut weights, "out.conv", first, folded)?,
            config: config.clone(),
        })
    }
}

fn block(weights: &mut TensorMap, shape: &BlockShape, time: usize) -> Result<Block, ModelError> {
    let BlockShape { name, inputs, outputs } = shape;
    let name = |part: &str| format!("{name}.{part}");
    let skip = (inputs != outputs).then(|| pointwise(weights, &name("skip"), *inputs, *outputs)).transpose()?;
    Ok(Block {
        norm1: norm(weights, &name("norm1"), *inputs)?,
        conv1: conv(weights, &name("conv1"), *inputs, *outputs)?,
        time: load::linear(weights, &name("time"), time, *outputs)?,
        norm2: norm(weights, &name("norm2"), *outputs)?,
        conv2: conv(weights, &name("conv2"), *outputs, *outputs)?,
        skip,
    })
}

fn norm(weights: &mut TensorMap, name: &str, channels: usize) -> Result<Norm, ModelError> {
    let weight = load::take(weights, &format!("{name}.weight"), &[channels])?;
    let bias = load::take(weights, &format!("{name}.bias"), &[channels])?;
    Ok(Norm { weight, bias, eps: EPS })
}

/// A 1 x 1 convolution, which is a linear layer of each pixel.
fn pointwise(weights: &mut TensorMap, name: &str, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
    let matrix = load::take(weights, &format!("{name}.weight"), &[outputs, inputs, 1, 1])?;
    let bias = load::take(weights, &format!("{name}.bias"), &[outputs])?;
    Ok(Linear::new(&matrix, &bias))
}

fn conv(weights: &mut TensorMap, name: &str, inputs: usize, outputs: usize) -> Result<Conv, ModelError> {
    let kernel = load::take(weights, &format!("{name}.weight"), &[outputs, inputs, 3, 3])?;
    let bias = load::take(weights, &format!("{name}.bias"), &[outputs])?;
    let mut turned = vec![0.0; kernel.len()];
    for (from, to) in kernel.chunks_exact(9 * inputs).zip(turned.chunks_exact_mut(9 * inputs)) {
        for (channel, places) in from.chunks_exact(9).enumerate() {
            to.iter_mut().skip(channel).step_by(inputs).zip(places).for_each(|(to, from)| *to = *from);
        }
    }
    Ok(Conv { linear: Linear::new(&turned, &bias), inputs, outputs })
}
