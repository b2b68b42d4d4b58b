//! Matrix products of the CPU engine: weights in column panels, activations in rows, a small block of sums in registers.

use super::{
    math::LANES,
    wide::{self, Kernel},
};

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
pub(super) fn multiply(input: Rows, weights: &Panels, bias: Option<&[f32]>, add: bool, output: Output) {
    wide::run(Product { input, weights, bias, add, output });
}

struct Product<'a> {
    input: Rows<'a>,
    weights: &'a Panels,
    bias: Option<&'a [f32]>,
    add: bool,
    output: Output<'a>,
}

impl Kernel for Product<'_> {
    type Output = ();

    /// A block of sums, the weights and a splat fit the sixteen registers: 6 rows of 2 vectors of eight, or 4 rows of 2 of four. The
    /// rows that are left over are summed by fours, then one by one.
    #[inline(always)]
    fn run<const WIDE: bool>(self) {
        if WIDE { self.blocks::<6, 2>() } else { self.blocks::<4, 1>() }
    }
}

impl Product<'_> {
    /// Sums blocks of `ROWS` rows and `PANELS` panels.
    #[inline(always)]
    fn blocks<const ROWS: usize, const PANELS: usize>(mut self) {
        let k = self.weights.k;
        for from in (0..k).step_by(RUN) {
            let run = from..k.min(from + RUN);
            for (i, group) in self.weights.data.chunks(PANELS * k).enumerate() {
                let column = i * PANELS * LANES;
                if group.len() == PANELS * k {
                    let panels = std::array::from_fn(|p| &group[p * k..][run.clone()]);
                    self.all_rows::<ROWS, PANELS>(Block { panels, column, from });
                } else {
                    for (p, panel) in group.chunks_exact(k).enumerate() {
                        self.all_rows::<ROWS, 1>(Block { panels: [&panel[run.clone()]], column: column + p * LANES, from });
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn all_rows<const ROWS: usize, const PANELS: usize>(&mut self, block: Block<PANELS>) {
        let row = self.rows_from::<ROWS, PANELS>(0, block);
        let row = self.rows_from::<4, PANELS>(row, block);
        self.rows_from::<1, PANELS>(row, block);
    }

    /// Sums whole blocks of `ROWS` rows from `row` on, and gives the first row that is left.
    #[inline(always)]
    fn rows_from<const ROWS: usize, const PANELS: usize>(&mut self, mut row: usize, block: Block<PANELS>) -> usize {
        while row + ROWS <= self.input.count {
            self.rows::<ROWS, PANELS>(row, block);
            row += ROWS;
        }
        row
    }

    #[inline(always)]
    fn rows<const ROWS: usize, const PANELS: usize>(&mut self, row: usize, block: Block<PANELS>) {
        let Block { panels, column, from } = block;
        let length = panels[0].len();
        let inputs: [&[f32]; ROWS] = std::array::from_fn(|i| {
            let start = (row + i) * self.input.stride + from;
            &self.input.data[start..start + length]
        });
        let bias = self.bias.filter(|_| from == 0);
        let bias = |panel: usize| bias.and_then(|bias| bias[column + panel * LANES..].first_chunk()).unwrap_or(&[0.0; LANES]);
        let mut sums = [std::array::from_fn(|panel| *bias(panel)); ROWS];
        products(&inputs, &panels, &mut sums);
        for (i, sums) in sums.iter().enumerate() {
            let start = (row + i) * self.output.stride + column;
            let width = (PANELS * LANES).min(self.weights.n - column);
            let target = &mut self.output.data[start..start + width];
            if self.add || from > 0 {
                target.iter_mut().zip(sums.as_flattened()).for_each(|(value, sum)| *value += sum);
            } else {
                target.copy_from_slice(&sums.as_flattened()[..width]);
            }
        }
    }
}

/// A run of products of neighbouring panels.
#[derive(Clone, Copy)]
struct Block<'a, const PANELS: usize> {
    panels: [&'a [[f32; LANES]]; PANELS],
    /// First column.
    column: usize,
    /// First row of the run.
    from: usize,
}

/// `sums[i][p][j] += Σ inputs[i][k] · panels[p][k][j]`, one after the other in k.
#[inline(always)]
fn products<const ROWS: usize, const PANELS: usize>(
    inputs: &[&[f32]; ROWS],
    panels: &[&[[f32; LANES]]; PANELS],
    sums: &mut [[[f32; LANES]; PANELS]; ROWS],
) {
    let length = panels[0].len();
    let inputs: [&[f32]; ROWS] = std::array::from_fn(|i| &inputs[i][..length]);
    let panels: [&[[f32; LANES]]; PANELS] = std::array::from_fn(|p| &panels[p][..length]);
    let mut block = *sums;
    for k in 0..length {
        for i in 0..ROWS {
            for p in 0..PANELS {
                for j in 0..LANES {
                    block[i][p][j] += inputs[i][k] * panels[p][k][j];
                }
            }
        }
    }
    *sums = block;
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Every width of vectors gives the bits of the definition: the bias, then products one after the other, in runs of 768.
    #[test]
    fn blocks_of_every_size_give_the_same_bits() {
        let (k, n, rows, stride) = (RUN + 30, 2 * LANES + 11, 9, RUN + 33);
        let value = |i: usize| (i * 7919 % 1013) as f32 / 1013.0 - 0.5;
        let weights = Panels::pack(k, n, |row, column| value(row * n + column));
        let bias: Vec<f32> = (0..n.next_multiple_of(LANES)).map(value).collect();
        let data: Vec<f32> = (0..rows * stride).map(|i| value(3 * i + 1)).collect();
        let input = Rows { data: &data, stride, count: rows };
        let run = |blocks: &dyn Fn(Product)| {
            let mut sums = vec![1.0; rows * n];
            let output = Output { data: &mut sums, stride: n };
            blocks(Product { input, weights: &weights, bias: Some(&bias), add: true, output });
            sums
        };
        let found = [run(&|p| p.blocks::<6, 2>()), run(&|p| p.blocks::<4, 1>()), run(&|p| wide::run(p))];
        for (i, first) in found[0].iter().enumerate() {
            let (row, column) = (i / n, i % n);
            let product = |sum: f32, at: usize| sum + data[row * stride + at] * value(at * n + column);
            let expected = 1.0 + (0..RUN).fold(bias[column], product) + (RUN..k).fold(0.0, product);
            assert_eq!(first.to_bits(), expected.to_bits());
        }
        assert!(found.iter().all(|sums| *sums == found[0]));
    }
}
