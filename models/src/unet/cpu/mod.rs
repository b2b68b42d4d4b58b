//! The U-Net for inference on one CPU thread, on the kernels of [`crate::vit::cpu`]: the same bits natively and in WebAssembly.

mod block;
mod load;
mod planes;

use super::{UnetConfig, time};
use crate::{
    ModelError,
    vit::cpu::{Linear, Norm, Output, Rows, math::gelu},
};
use block::Block;
use planes::{Conv, Planes};

/// Most values at any place of the network of images that are worked on together, so that they stay in the caches.
const GROUP_LEN: usize = 1 << 17;

/// A U-Net, ready to run.
pub struct CpuUnet {
    config: UnetConfig,
    time: [Linear; 2],
    stem: Conv,
    /// Down, middle and up, in the order in which they run.
    blocks: Vec<Block>,
    norm: Norm,
    out: Conv,
}

impl CpuUnet {
    /// Sizes of the network.
    pub const fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// The noise `[C, H, W]` in an image `x` `[C, H, W]` of `side` [H, W] at noise level `t`, both in diffusion units.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where the side is not run or `x` has another length.
    pub fn noise(&self, x: &[f32], side: [usize; 2], t: u16) -> Result<Vec<f32>, ModelError> {
        self.noise_of_many(&[x], side, &[t]).map(|noises| noises.concat())
    }

    /// As [`Self::noise`] for many images of one size, each at its level `t`: weights are fetched once for all, and each gets the bits
    /// that it would get alone.
    ///
    /// # Errors
    /// As [`Self::noise`]; also where there are not as many levels as images.
    pub fn noise_of_many(&self, xs: &[&[f32]], side: [usize; 2], t: &[u16]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.config.check_batch(xs, side, t)?;
        let group = (GROUP_LEN / self.config.working_len(side)).max(1);
        let groups = xs.chunks(group).zip(t.chunks(group));
        Ok(groups.flat_map(|(xs, t)| self.run(xs, side, t)).collect())
    }

    fn run(&self, xs: &[&[f32]], side: [usize; 2], t: &[u16]) -> Vec<Vec<f32>> {
        let time = self.embed_time(t);
        let levels = self.config.levels();
        let mut blocks = self.blocks.iter();
        let mut values = self.stem.apply(&self.fold(xs, side));
        let mut kept = Vec::with_capacity(levels);
        for (level, block) in blocks.by_ref().take(levels).enumerate() {
            if level > 0 {
                values = values.halved();
            }
            values = block.run(&values, &time);
            kept.push(values.clone());
        }
        for block in blocks.by_ref().take(1) {
            values = block.run(&values, &time);
        }
        for (block, kept) in blocks.zip(kept.iter().rev()) {
            if values.side != kept.side {
                values = values.doubled();
            }
            values = block.run(&values.beside(kept), &time);
        }
        self.unfold(&self.out.apply(&values.activated(&self.norm)))
    }

    /// What the blocks see of the levels `t`: `[images, time_dim]`.
    fn embed_time(&self, t: &[u16]) -> Vec<f32> {
        let dim = self.config.time_dim;
        let mut values: Vec<f32> = t.iter().flat_map(|t| time::embedding(*t, dim)).collect();
        for layer in &self.time {
            let input = std::mem::replace(&mut values, vec![0.0; t.len() * dim]);
            let rows = Rows { data: &input, stride: dim, count: t.len() };
            layer.apply(rows, Output { data: &mut values, stride: dim });
            gelu(&mut values);
        }
        values
    }

    /// Images `[C, H, W]` with each block of `fold` x `fold` pixels as one place, its channels in the order of PyTorch's
    /// `pixel_unshuffle`.
    fn fold(&self, xs: &[&[f32]], side: [usize; 2]) -> Planes {
        let mut out = Planes::zeros(xs.len(), side.map(|side| side / self.config.fold), self.config.folded());
        let image_len = out.image_len();
        for (x, image) in xs.iter().zip(out.data.chunks_exact_mut(image_len)) {
            self.each_place(side, |pixel, place| image[place] = x[pixel]);
        }
        out
    }

    /// The reverse of [`Self::fold`].
    fn unfold(&self, planes: &Planes) -> Vec<Vec<f32>> {
        let side = planes.side.map(|side| side * self.config.fold);
        let unfold = |image: &[f32]| {
            let mut x = vec![0.0; image.len()];
            self.each_place(side, |pixel, place| x[pixel] = image[place]);
            x
        };
        planes.data.chunks_exact(planes.image_len()).map(unfold).collect()
    }

    /// Calls `pair` with the index of each value in an image `[C, H, W]` and in the folded one.
    fn each_place(&self, [height, width]: [usize; 2], mut pair: impl FnMut(usize, usize)) {
        let (fold, folded) = (self.config.fold, self.config.folded());
        for channel in 0..self.config.in_channels {
            for y in 0..height {
                let line = (y / fold) * (width / fold) * folded + (channel * fold + y % fold) * fold;
                let start = (channel * height + y) * width;
                (0..width).for_each(|x| pair(start + x, line + x / fold * folded + x % fold));
            }
        }
    }
}
