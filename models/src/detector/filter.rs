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
    let mut sums = vec![0.0; plane.len()];
    for (line, sums) in plane.chunks_exact(size).zip(sums.chunks_exact_mut(size)) {
        for (sum, three) in sums[1..size.max(2) - 1].iter_mut().zip(line.windows(3)) {
            *sum = three[0] + three[1] + three[2];
        }
        sums[0] = line[0] + line[0] + line[1.min(size - 1)];
        sums[size - 1] = line[size.max(2) - 2] + line[size - 1] + line[size - 1];
    }
    let mut means = Vec::with_capacity(plane.len());
    let line = |row: usize| &sums[row * size..(row + 1) * size];
    for row in 0..size {
        let [above, here, below] = [line(row.saturating_sub(1)), line(row), line((row + 1).min(size - 1))];
        means.extend(above.iter().zip(here).zip(below).map(|((above, here), below)| (above + here + below) / 9.0));
    }
    means
}
