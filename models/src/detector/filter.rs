//! The copies that the encoder's token is compared with.

use serde::{Deserialize, Serialize};

/// How the copy is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// The mean of each value and its eight neighbours; beyond the border the nearest value stands.
    #[default]
    #[serde(rename = "mean-3x3")]
    Mean3,
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
            Self::Mean7 => 3,
        }
    }
}

fn mean(plane: &[f32], size: usize, reach: usize) -> Vec<f32> {
    let lines: Vec<f32> =
        plane.chunks_exact(size).flat_map(|line| (0..size).map(move |column| sum(line, column, 1, size, reach))).collect();
    let area = ((2 * reach + 1) * (2 * reach + 1)) as f32;
    let places = (0..size).flat_map(|row| (0..size).map(move |column| (row, column)));
    places.map(|(row, column)| sum(&lines[column..], row, size, size, reach) / area).collect()
}

/// The sum of value `index` and of `reach` neighbours on each side, among `count` values that are `stride` apart; beyond an end the last
/// value stands.
fn sum(values: &[f32], index: usize, stride: usize, count: usize, reach: usize) -> f32 {
    (0..=2 * reach).map(|step| values[(index + step).saturating_sub(reach).min(count - 1) * stride]).sum()
}
