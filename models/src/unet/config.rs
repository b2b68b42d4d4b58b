//! Sizes of the purifier's U-Net.

use serde::{Deserialize, Serialize};

use super::{MAX_SIDE, MAX_T};
use crate::{ModelError, config};

/// Most levels of resolution.
const MAX_LEVELS: usize = 6;
/// Widest level.
const MAX_WIDTH: usize = 1024;
/// Widest time embedding.
const MAX_TIME_DIM: usize = 1024;
/// Most values of an image at any place of the network: a standard network takes images of 1024 x 1024 pixels.
const MAX_WORKING_LEN: usize = 1 << 26;
/// Largest block of pixels that becomes one place of the network.
const MAX_FOLD: usize = 8;

/// Sizes of a U-Net that tells the noise in an image from the image (DDPM's ε, Ho et al. 2020, arXiv 2006.11239).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnetConfig {
    /// Channels of the image: 1 or 3.
    pub in_channels: usize,
    /// Side of the block of pixels that becomes one place of the network.
    pub fold: usize,
    /// Channels of each level, from the finest to the coarsest; each level has half the side of the one before.
    pub widths: Vec<usize>,
    /// Width of the time embedding, even.
    pub time_dim: usize,
}

/// One residual block: its name among the weights and how its channels change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockShape {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl UnetConfig {
    /// The network of the shipped purifiers, for greyscale (1) or RGB (3) images: three levels of 24, 48 and 64 channels.
    pub fn standard(channels: usize) -> Self {
        Self { in_channels: channels, fold: 2, widths: vec![24, 48, 64], time_dim: 128 }
    }

    /// Levels of resolution.
    pub fn levels(&self) -> usize {
        self.widths.len()
    }

    /// Both sides of an image must be multiples of this number of pixels: `fold · 2^(levels - 1)`.
    pub fn multiple(&self) -> usize {
        self.fold << (self.levels() - 1)
    }

    /// Channels of a folded image: `in_channels · fold²`.
    pub const fn folded(&self) -> usize {
        self.in_channels * self.fold * self.fold
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        self.shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Name and shape of every tensor of the network, in the order in which it runs.
    ///
    /// # Panics
    /// Where there are no widths; [`Self::validate`] refuses that.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let (first, folded, time) = (self.widths[0], self.folded(), self.time_dim);
        let mut all = Vec::new();
        let mut pair = |name: &str, shape: &[usize]| {
            all.push((format!("{name}.weight"), shape.to_vec()));
            all.push((format!("{name}.bias"), vec![shape[0]]));
        };
        pair("time.fc1", &[time, time]);
        pair("time.fc2", &[time, time]);
        pair("stem", &[first, folded, 3, 3]);
        for BlockShape { name, inputs, outputs } in self.blocks() {
            let name = |part: &str| format!("{name}.{part}");
            pair(&name("norm1"), &[inputs]);
            pair(&name("conv1"), &[outputs, inputs, 3, 3]);
            pair(&name("time"), &[outputs, time]);
            pair(&name("norm2"), &[outputs]);
            pair(&name("conv2"), &[outputs, outputs, 3, 3]);
            if inputs != outputs {
                pair(&name("skip"), &[outputs, inputs, 1, 1]);
            }
        }
        pair("out.norm", &[first]);
        pair("out.conv", &[folded, first, 3, 3]);
        all
    }

    /// The blocks in the order in which they run: down, middle, up.
    pub(crate) fn blocks(&self) -> Vec<BlockShape> {
        let block = |name: String, inputs, outputs| BlockShape { name, inputs, outputs };
        let (widths, last) = (&self.widths, self.levels() - 1);
        let down = (0..=last).map(|level| block(format!("down.{level}"), widths[level.saturating_sub(1)], widths[level]));
        let middle = block("mid".into(), widths[last], widths[last]);
        let below = |level: usize| widths[last.min(level + 1)];
        let up = (0..=last).rev().map(|level| block(format!("up.{level}"), below(level) + widths[level], widths[level]));
        down.chain([middle]).chain(up).collect()
    }

    /// Checks that the sizes fit together and are small enough to run.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] names the first size that does not fit. A card is checked by it before anything is allocated.
    pub fn validate(&self) -> Result<(), ModelError> {
        if !matches!(self.in_channels, 1 | 3) {
            return config::bad(format!("in_channels is {} and must be 1 or 3", self.in_channels));
        }
        config::check_range("fold", self.fold, MAX_FOLD)?;
        config::check_range("the number of widths", self.levels(), MAX_LEVELS)?;
        self.widths.iter().try_for_each(|width| config::check_range("a width", *width, MAX_WIDTH))?;
        config::check_range("time_dim", self.time_dim, MAX_TIME_DIM)?;
        if !self.time_dim.is_multiple_of(2) {
            return config::bad(format!("time_dim is {} and must be even", self.time_dim));
        }
        config::check_parameters(self.parameters())
    }

    /// The side of a square image of `count` values.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where there is no such image.
    pub fn square_side(&self, count: usize) -> Result<usize, ModelError> {
        let side = (count / self.in_channels).isqrt();
        check(side * side * self.in_channels == count, || {
            format!("{count} values are no square image of {} channels", self.in_channels)
        })?;
        Ok(side)
    }

    /// Checks that an image of this height and width is run.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where a side is 0, larger than [`super::MAX_SIDE`] or no multiple of [`Self::multiple`], or the
    /// network is too wide for it.
    pub fn check_side(&self, side: [usize; 2]) -> Result<(), ModelError> {
        let ([height, width], multiple) = (side, self.multiple());
        let fits = |side: &usize| (1..=MAX_SIDE).contains(side) && side.is_multiple_of(multiple);
        check(side.iter().all(fits), || {
            format!("its sides {height} x {width} are not multiples of {multiple} up to {MAX_SIDE}")
        })?;
        check(self.working_len(side) <= MAX_WORKING_LEN, || {
            format!("{height} x {width} pixels need more memory than so wide a network is given")
        })
    }

    /// Bound of the values of an image of a checked side at any place of the network.
    pub(crate) fn working_len(&self, side: [usize; 2]) -> usize {
        let widest = self.blocks().iter().map(|block| block.inputs).max().unwrap_or(0).max(self.folded());
        side.iter().map(|side| side / self.fold).product::<usize>() * widest
    }

    /// Checks a batch of images `[C, H, W]` and their noise levels.
    pub(crate) fn check_batch(&self, xs: &[&[f32]], side: [usize; 2], t: &[u16]) -> Result<(), ModelError> {
        self.check_side(side)?;
        let expected = self.in_channels * side[0] * side[1];
        check(xs.len() == t.len(), || format!("{} noise levels were given for {} images", t.len(), xs.len()))?;
        check(xs.iter().all(|x| x.len() == expected), || format!("an image has not the {expected} values that its sides say"))?;
        check(t.iter().all(|t| *t <= MAX_T), || format!("a noise level is beyond {MAX_T}"))
    }
}

fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Purification { reason: reason() }) }
}
