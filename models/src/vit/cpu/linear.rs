//! Matrix products of the CPU engine: weights in column panels, activations in rows, a small block of sums in registers.

use super::math::LANES;

/// Rows of a block of sums: 4 x 8 sums, two weight vectors and a splat fit 16 vector registers.
const ROWS: usize = 4;
/// Longest run of products that is summed before the sums are put down: keeps a panel of weights in the first cache.
const RUN: usize = 768;

/// A matrix `[k, n]` in panels of eight columns, `[n / 8, k, 8]`, filled up with zeros.
pub(super) struct Panels {
    pub(super) k: usize,
    pub(super) n: usize,
    data: Vec<[f32; LANES]>,
}

impl Panels {
    /// Packs the matrix whose element (row, column) is `element(row, column)`.
    pub(super) fn pack(k: usize, n: usize, element: impl Fn(usize, usize) -> f32) -> Self {
        let mut panels = Self { k, n, data: vec![[0.0; LANES]; k * n.div_ceil(LANES)] };
        panels.fill(element);
        panels
    }

    /// Packs another matrix of the same size in place.
    pub(super) fn fill(&mut self, element: impl Fn(usize, usize) -> f32) {
        for (panel, rows) in self.data.chunks_exact_mut(self.k).enumerate() {
            let first = panel * LANES;
            let columns = LANES.min(self.n - first);
            for (row, values) in rows.iter_mut().enumerate() {
                let values = values.iter_mut().take(columns).enumerate();
                values.for_each(|(column, value)| *value = element(row, first + column));
            }
        }
    }
}

/// A strided view of rows: row r begins at `r · stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

/// Where the sums go: row r of the result begins at `r · stride`.
pub(crate) struct Output<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
}

/// A linear layer `y = x · W + b`.
pub(crate) struct Linear {
    weights: Panels,
    bias: Vec<f32>,
}

impl Linear {
    /// A layer from row-major weights `[n, k]`, as PyTorch keeps them, and bias `[n]`.
    pub(crate) fn new(weights: &[f32], bias: &[f32]) -> Self {
        let n = bias.len();
        let k = weights.len() / n;
        let mut padded = bias.to_vec();
        padded.resize(n.next_multiple_of(LANES), 0.0);
        Self { weights: Panels::pack(k, n, |row, column| weights[column * k + row]), bias: padded }
    }

    /// `output = input · W + b`.
    pub(crate) fn apply(&self, input: Rows, output: Output) {
        multiply(input, &self.weights, Some(&self.bias), false, output);
    }

    /// `output += input · W + b`.
    pub(crate) fn add(&self, input: Rows, output: Output) {
        multiply(input, &self.weights, Some(&self.bias), true, output);
    }
}

/// `output = [output +] input · weights [+ bias]`.
pub(super) fn multiply(input: Rows, weights: &Panels, bias: Option<&[f32]>, add: bool, mut output: Output) {
    for first in (0..weights.k).step_by(RUN) {
        let run = first..weights.k.min(first + RUN);
        for (panel, columns) in weights.data.chunks_exact(weights.k).enumerate() {
            let column = panel * LANES;
            let bias = bias.filter(|_| first == 0).and_then(|bias| bias[column..].first_chunk());
            let block = Block {
                columns: &columns[run.clone()],
                bias: *bias.unwrap_or(&[0.0; LANES]),
                add: add || first > 0,
                column,
                width: LANES.min(weights.n - column),
                from: first,
            };
            block.all_rows(input, &mut output);
        }
    }
}

/// One panel's run of products against every row.
struct Block<'a> {
    columns: &'a [[f32; LANES]],
    bias: [f32; LANES],
    add: bool,
    column: usize,
    width: usize,
    from: usize,
}

impl Block<'_> {
    fn all_rows(&self, input: Rows, output: &mut Output) {
        let whole = input.count / ROWS * ROWS;
        for row in (0..whole).step_by(ROWS) {
            self.rows::<ROWS>(row, input, output);
        }
        for row in whole..input.count {
            self.rows::<1>(row, input, output);
        }
    }

    #[inline(always)]
    fn rows<const N: usize>(&self, row: usize, input: Rows, output: &mut Output) {
        let length = self.columns.len();
        let inputs: [&[f32]; N] = std::array::from_fn(|i| {
            let start = (row + i) * input.stride + self.from;
            &input.data[start..start + length]
        });
        let mut sums = [self.bias; N];
        products(&inputs, self.columns, &mut sums);
        for (i, sums) in sums.iter().enumerate() {
            let start = (row + i) * output.stride + self.column;
            let target = &mut output.data[start..start + self.width];
            if self.add {
                target.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
            } else {
                target.copy_from_slice(&sums[..self.width]);
            }
        }
    }
}

/// `sums[i][j] += Σ inputs[i][k] · columns[k][j]`, one after the other in k.
#[inline(always)]
fn products<const N: usize>(inputs: &[&[f32]; N], columns: &[[f32; LANES]], sums: &mut [[f32; LANES]; N]) {
    let length = columns.len();
    let inputs: [&[f32]; N] = std::array::from_fn(|i| &inputs[i][..length]);
    let mut block = *sums;
    for k in 0..length {
        for i in 0..N {
            for j in 0..LANES {
                block[i][j] += inputs[i][k] * columns[k][j];
            }
        }
    }
    *sums = block;
}
