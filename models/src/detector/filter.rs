//! Means over squares: the copies that the encoder's token is compared with, and the end of a purification.

use serde::{Deserialize, Serialize};

/// How an image is filtered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// The mean of each value and its eight neighbours; beyond the border the nearest value stands.
    #[default]
    #[serde(rename = "mean-3x3")]
    Mean3,
    /// The mean over 5 × 5 values.
    #[serde(rename = "mean-5x5")]
    Mean5,
    /// The mean over 7 × 7 values: what is left is coarse, so that a change which survives it must be coarse too.
    #[serde(rename = "mean-7x7")]
    Mean7,
}

impl Filter {
    /// The filtered copy of an input `[channels, size, size]`, channel by channel.
    pub fn apply(self, input: &[f32], size: usize) -> Vec<f32> {
        input.chunks_exact(size * size).flat_map(|plane| mean(plane, size, self.reach())).collect()
    }

    /// How many neighbours on each side a mean is taken over.
    pub const fn reach(self) -> usize {
        match self {
            Self::Mean3 => 1,
            Self::Mean5 => 2,
            Self::Mean7 => 3,
        }
    }
}

/// The mean over squares, as sums along lines and then along columns; beyond an end the last value stands.
fn mean(plane: &[f32], size: usize, reach: usize) -> Vec<f32> {
    let area = ((2 * reach + 1) * (2 * reach + 1)) as f32;
    let near = |at: usize| (0..=2 * reach).map(move |step| (at + step).saturating_sub(reach).min(size - 1));
    let mut lines = vec![0.0; plane.len()];
    let mut padded = Vec::with_capacity(size + 2 * reach);
    for (line, sums) in plane.chunks_exact(size).zip(lines.chunks_exact_mut(size)) {
        padded.clear();
        padded.extend((0..size + 2 * reach).map(|at| line[at.saturating_sub(reach).min(size - 1)]));
        (0..=2 * reach).for_each(|shift| add(sums, &padded[shift..]));
    }
    let mut means = vec![0.0; plane.len()];
    for (row, sums) in means.chunks_exact_mut(size).enumerate() {
        near(row).for_each(|from| add(sums, &lines[from * size..]));
        sums.iter_mut().for_each(|sum| *sum /= area);
    }
    means
}

fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
