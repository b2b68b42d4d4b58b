//! The copies that the encoder's token is compared with.

use serde::{Deserialize, Serialize};

/// How the copy is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Filter {
    /// The mean of each value and its eight neighbours; beyond the border the nearest value stands.
    #[default]
    #[serde(rename = "mean-3x3")]
    Mean3,
}

impl Filter {
    /// The filtered copy of an input `[channels, size, size]`, channel by channel.
    pub fn apply(self, input: &[f32], size: usize) -> Vec<f32> {
        let filter = match self {
            Self::Mean3 => mean3,
        };
        input.chunks_exact(size * size).flat_map(|plane| filter(plane, size)).collect()
    }
}

fn mean3(plane: &[f32], size: usize) -> Vec<f32> {
    let lines: Vec<f32> =
        plane.chunks_exact(size).flat_map(|line| (0..size).map(|column| three(line, column, 1, size))).collect();
    let columns = |row: usize| (0..size).map(move |column| (row, column));
    (0..size).flat_map(columns).map(|(row, column)| three(&lines[column..], row, size, size) / 9.0).collect()
}

/// The sum of value `index` and its two neighbours among `count` values that are `stride` apart.
fn three(values: &[f32], index: usize, stride: usize, count: usize) -> f32 {
    let [before, after] = [index.saturating_sub(1), (index + 1).min(count - 1)];
    values[before * stride] + values[index * stride] + values[after * stride]
}
