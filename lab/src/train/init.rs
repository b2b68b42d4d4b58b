//! Fits weights of another geometry to an encoder: fewer input channels, another number of patches, fewer blocks.

use anyhow::{Context, Result, ensure};
use models::{
    config::VitConfig,
    weights::{Tensor, TensorMap},
};

/// `source` (timm names, patch embedding for any number of channels, any square grid of positions) as weights for `config`.
///
/// Channels are summed where the encoder takes one: a grey image repeated over channels of equal mean and deviation gives
/// the same embedding. Positions are interpolated bicubically. Where the source is deeper, `layers` names its blocks to
/// keep, one for each block of the encoder.
///
/// # Errors
/// Where a tensor is missing or its shape cannot be fitted.
pub fn adapt(source: &TensorMap, config: &VitConfig, layers: &[usize]) -> Result<TensorMap> {
    ensure!(layers.len() == config.depth, "{} layers are named for an encoder of depth {}", layers.len(), config.depth);
    let mut out = TensorMap::default();
    for (name, tensor) in source.iter().filter(|(name, _)| !name.starts_with("blocks.")) {
        out.insert(name, tensor.clone());
    }
    for (to, from) in layers.iter().enumerate() {
        let prefix = format!("blocks.{from}.");
        let block = source.iter().filter_map(|(name, t)| Some((name.strip_prefix(&prefix)?, t)));
        let before = out.len();
        for (rest, tensor) in block {
            out.insert(format!("blocks.{to}.{rest}"), tensor.clone());
        }
        ensure!(out.len() > before, "the weights have no block {from}");
    }
    let patch = source.find("patch_embed.proj.weight").context("the weights have no patch embedding")?;
    out.insert("patch_embed.proj.weight", fold_channels(patch, config.in_channels)?);
    let pos = source.find("pos_embed").context("the weights have no positions")?;
    out.insert("pos_embed", interpolate_positions(pos, config.image_size / config.patch_size)?);
    Ok(out)
}

/// Sums the input channels of a patch embedding [d, c, p, p] where one is wanted.
fn fold_channels(weight: &Tensor, channels: usize) -> Result<Tensor> {
    let [d, c, p, q] = weight.shape[..] else {
        anyhow::bail!("the patch embedding has shape {:?}", weight.shape);
    };
    if c == channels {
        return Ok(weight.clone());
    }
    ensure!(channels == 1, "a patch embedding of {c} channels cannot become one of {channels}");
    let area = p * q;
    let mut data = vec![0.0; d * area];
    for (i, plane) in weight.data.chunks_exact(area).enumerate() {
        let out = &mut data[i / c * area..(i / c + 1) * area];
        out.iter_mut().zip(plane).for_each(|(o, v)| *o += v);
    }
    Ok(Tensor { shape: vec![d, 1, p, q], data })
}

/// Bicubic interpolation (a = -0.75, half-pixel centres: PyTorch's) of positions [1, 1 + g², d] to `grid`².
fn interpolate_positions(pos: &Tensor, grid: usize) -> Result<Tensor> {
    let [1, tokens, d] = pos.shape[..] else {
        anyhow::bail!("the positions have shape {:?}", pos.shape);
    };
    let old = (tokens.saturating_sub(1) as f64).sqrt().round() as usize;
    ensure!(old > 0 && old * old + 1 == tokens, "{tokens} positions are not a square grid and a CLS token");
    if old == grid {
        return Ok(pos.clone());
    }
    let taps = cubic_taps(old, grid);
    let mut data = pos.data[..d].to_vec();
    for row in &taps {
        for column in &taps {
            let mut token = vec![0.0f32; d];
            for (y, wy) in row {
                for (x, wx) in column {
                    let from = &pos.data[(1 + y * old + x) * d..][..d];
                    token.iter_mut().zip(from).for_each(|(t, v)| *t += wy * wx * v);
                }
            }
            data.extend(token);
        }
    }
    Ok(Tensor { shape: vec![1, 1 + grid * grid, d], data })
}

/// For each of `new` outputs: the four inputs (clamped at the border) and their weights.
fn cubic_taps(old: usize, new: usize) -> Vec<[(usize, f32); 4]> {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let one = |i: usize| {
        let at = (i as f32 + 0.5) * old as f32 / new as f32 - 0.5;
        let (base, t) = (at.floor() as i64, at - at.floor());
        let weights = [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)];
        std::array::from_fn(|k| {
            let index = (base + k as i64 - 1).clamp(0, old as i64 - 1);
            (index as usize, weights[k])
        })
    };
    (0..new).map(one).collect()
}

/// Blocks to keep of `from` where `keep` are wanted: evenly spread, the first and the last among them.
pub fn spread_layers(from: usize, keep: usize) -> Vec<usize> {
    if keep < 2 {
        return (0..keep).collect();
    }
    (0..keep).map(|i| (i as f64 * (from - 1) as f64 / (keep - 1) as f64).round() as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_summed() {
        let data = (0..12).map(|v| v as f32).collect();
        let folded = fold_channels(&Tensor { shape: vec![2, 3, 1, 2], data }, 1).unwrap();
        assert_eq!(folded.shape, [2, 1, 1, 2]);
        assert_eq!(folded.data, [6.0, 9.0, 24.0, 27.0]);
    }

    #[test]
    fn positions_are_interpolated_as_pytorch_does() {
        // torch.nn.functional.interpolate(arange(9.).view(1, 1, 3, 3), size=(2, 2), mode="bicubic", align_corners=False)
        let data = std::iter::once(9.0).chain((0..9).map(|v| v as f32)).collect();
        let out = interpolate_positions(&Tensor { shape: vec![1, 10, 1], data }, 2).unwrap();
        let expected = [9.0, 0.765_625, 2.382_812_5, 5.617_187_5, 7.234_375];
        for (a, b) in out.data.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{:?}", out.data);
        }
    }

    #[test]
    fn a_pruned_encoder_keeps_first_and_last_blocks() {
        assert_eq!(spread_layers(12, 6), [0, 2, 4, 7, 9, 11]);
        assert_eq!(spread_layers(12, 12), (0..12).collect::<Vec<_>>());
    }
}
