//! Matrix products with overlapping rows on the left: a convolution over padded pixels is one, with no copy of its windows.
//!
//! A block of rows times a panel of columns stays in vector registers while it is summed up; the right side lies packed in
//! panels. Products of a few dozen columns, of which a U-Net is full, so come close to the processor's peak.

use pulp::{Arch, Simd, WithSimd};

/// The left side. Its values in row `r` and column `k` lie at `start + r · step + k` where it is `upright`, at
/// `start + k · step + r` where it is not: then it is a transpose.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// Where the values lie.
    pub data: &'a [f32],
    /// Place of the first one.
    pub start: usize,
    /// From one row, or of a transpose from one column, to the next; they may overlap.
    pub step: usize,
    /// No transpose.
    pub upright: bool,
}

/// Columns of a panel.
const PANEL: usize = 32;

/// The right side: `depth` rows in panels of 32 columns, the last one filled up with zeros.
#[derive(Default)]
pub struct Panels {
    data: Vec<f32>,
    depth: usize,
    columns: usize,
}

impl Panels {
    /// Packs a matrix of `depth` × `columns` values: row `k` begins at `start(k)` and has its values `stride` apart.
    pub fn pack(&mut self, values: &[f32], [depth, columns]: [usize; 2], stride: usize, start: impl Fn(usize) -> usize) {
        (self.depth, self.columns) = (depth, columns);
        self.data.clear();
        self.data.resize(columns.div_ceil(PANEL) * PANEL * depth, 0.0);
        for (panel, rows) in self.data.chunks_exact_mut(depth * PANEL).enumerate() {
            let width = PANEL.min(columns - panel * PANEL);
            for (k, row) in rows.chunks_exact_mut(PANEL).enumerate() {
                let from = values[start(k) + panel * PANEL * stride..].iter().step_by(stride);
                row[..width].iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

/// Adds `left` × `right` to the rows of `out`, as many as it has.
///
/// # Panics
/// Where `left` does not reach over all rows and columns: a mistake in this program, not in its input.
pub fn add_product(left: Left, right: &Panels, out: &mut [f32]) {
    Arch::new().dispatch(Product { left, right, out });
}

struct Product<'a> {
    left: Left<'a>,
    right: &'a Panels,
    out: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many sums as the registers hold: with sixteen lanes there are 32 of them, otherwise 16.
        if S::F32_LANES == 16 { run::<S, 12>(simd, self) } else { run::<S, 6>(simd, self) }
    }
}

#[inline(always)]
fn run<S: Simd, const ROWS: usize>(simd: S, product: Product) {
    let Product { left, right, out } = product;
    let columns = right.columns;
    for (panel, packed) in right.data.chunks_exact(right.depth * PANEL).enumerate() {
        let from = panel * PANEL;
        let width = PANEL.min(columns - from);
        for (block, out) in out.chunks_mut(ROWS * columns).enumerate() {
            let (first, count) = (block * ROWS, out.len() / columns);
            let mut sums = [[0.0; PANEL]; ROWS];
            for pair in 0..PANEL / (2 * S::F32_LANES) {
                if left.upright {
                    upright::<S, ROWS>(simd, left, packed, [first, count], pair, &mut sums);
                } else {
                    transposed::<S, ROWS>(simd, left, packed, first, pair, &mut sums);
                }
            }
            for (row, sums) in out.chunks_exact_mut(columns).zip(&sums) {
                row[from..from + width].iter_mut().zip(sums).for_each(|(cell, sum)| *cell += sum);
            }
        }
    }
}

/// The products of rows `first..first + count` with one pair of vectors of the panel's columns; rows beyond repeat the last.
#[inline(always)]
fn upright<S: Simd, const ROWS: usize>(
    simd: S,
    left: Left,
    panel: &[f32],
    [first, count]: [usize; 2],
    pair: usize,
    out: &mut [[f32; PANEL]; ROWS],
) {
    let depth = panel.len() / PANEL;
    let rows: [&[f32]; ROWS] = std::array::from_fn(|r| {
        let start = left.start + (first + r.min(count - 1)) * left.step;
        &left.data[start..start + depth]
    });
    let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
    for k in 0..depth {
        let b = right::<S>(panel, k, pair);
        for (sums, row) in sums.iter_mut().zip(&rows) {
            add(simd, row[k], b, sums);
        }
    }
    store::<S, ROWS>(&sums, pair, out);
}

/// As [`upright`], of a transpose; values beyond its end count as zeros.
#[inline(always)]
fn transposed<S: Simd, const ROWS: usize>(
    simd: S,
    left: Left,
    panel: &[f32],
    first: usize,
    pair: usize,
    out: &mut [[f32; PANEL]; ROWS],
) {
    let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
    for k in 0..panel.len() / PANEL {
        let b = right::<S>(panel, k, pair);
        let rest = &left.data[left.start + first + k * left.step..];
        let column = rest.first_chunk::<ROWS>().copied();
        let column = column.unwrap_or_else(|| std::array::from_fn(|r| rest.get(r).copied().unwrap_or(0.0)));
        for (sums, a) in sums.iter_mut().zip(column) {
            add(simd, a, b, sums);
        }
    }
    store::<S, ROWS>(&sums, pair, out);
}

/// A pair of vectors of row `k`.
#[inline(always)]
fn right<S: Simd>(panel: &[f32], k: usize, pair: usize) -> [S::f32s; 2] {
    let at = k * (PANEL / S::F32_LANES) + 2 * pair;
    let (vectors, _) = S::as_simd_f32s(panel);
    [vectors[at], vectors[at + 1]]
}

#[inline(always)]
fn add<S: Simd>(simd: S, a: f32, b: [S::f32s; 2], sums: &mut [S::f32s; 2]) {
    let a = simd.splat_f32s(a);
    for (sum, b) in sums.iter_mut().zip(b) {
        *sum = simd.mul_add_e_f32s(a, b, *sum);
    }
}

#[inline(always)]
fn store<S: Simd, const ROWS: usize>(sums: &[[S::f32s; 2]; ROWS], pair: usize, out: &mut [[f32; PANEL]; ROWS]) {
    for (out, sums) in out.iter_mut().zip(sums) {
        S::as_mut_simd_f32s(out).0[2 * pair..2 * pair + 2].copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 7 rows of 5 values that overlap by 2, times 5 × 35.
    #[test]
    fn products_are_those_of_the_definition() {
        let data: Vec<f32> = (0..40).map(|i| (i * 7 % 11) as f32).collect();
        let values: Vec<f32> = (0..5 * 35).map(|i| (i * 5 % 13) as f32).collect();
        let mut panels = Panels::default();
        panels.pack(&values, [5, 35], 1, |k| k * 35);
        for upright in [true, false] {
            let mut out = vec![1.0; 7 * 35];
            add_product(Left { data: &data, start: 2, step: 3, upright }, &panels, &mut out);
            for (i, found) in out.iter().enumerate() {
                let (r, c) = (i / 35, i % 35);
                let a = |k: usize| if upright { data[2 + r * 3 + k] } else { data[2 + k * 3 + r] };
                assert_eq!(*found, 1.0 + (0..5).map(|k| a(k) * values[k * 35 + c]).sum::<f32>());
            }
        }
    }
}
