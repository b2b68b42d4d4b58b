//! Matrix products and the row-wise kernels of a transformer, forward and backward, on plain `f32` slices.
//!
//! The element-wise loops run through [`pulp::Arch`], which picks AVX2 or AVX-512 at run time: the same binary is fast on a
//! new machine and correct on an old one.

use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder, linalg::general_mat_mul};
use pulp::Arch;

/// A read-only matrix inside a slice: `rows` × `cols`, each row `stride` values after the one before.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    stride: usize,
    transposed: bool,
}

impl<'a> View<'a> {
    /// The whole of `data` as `data.len() / cols` rows.
    pub fn new(data: &'a [f32], cols: usize) -> Self {
        Self::strided(data, data.len() / cols, cols, cols)
    }

    /// `rows` × `cols` values that start at the head of `data`, with `stride` values from row to row.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        Self { data, rows, cols, stride, transposed: false }
    }

    /// The transpose, without moving a value.
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn array(&self) -> ArrayView2<'a, f32> {
        let shape = (self.rows, self.cols).strides((self.stride, 1));
        let view = ArrayView2::from_shape(shape, self.data).expect("a matrix view lies inside its slice");
        if self.transposed { view.reversed_axes() } else { view }
    }
}

/// `c = alpha · a · b + beta · c`, where `c` has `stride` values from row to row.
///
/// # Panics
/// Where the shapes do not fit: that is a mistake in this program, not in its input.
pub fn gemm(alpha: f32, a: View, b: View, beta: f32, c: &mut [f32], stride: usize) {
    let (a, b) = (a.array(), b.array());
    let shape = (a.nrows(), b.ncols()).strides((stride, 1));
    let mut c = ArrayViewMut2::from_shape(shape, c).expect("the product lies inside its slice");
    general_mat_mul(alpha, &a, &b, beta, &mut c);
}

/// Adds `bias` to every row of `x`.
pub fn add_bias(x: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(|| {
        for row in x.chunks_exact_mut(bias.len()) {
            for (value, b) in row.iter_mut().zip(bias) {
                *value += b;
            }
        }
    });
}

/// Adds the column sums of `dy` to `grad`: the gradient of a bias.
pub fn add_column_sums(dy: &[f32], grad: &mut [f32]) {
    Arch::new().dispatch(|| {
        for row in dy.chunks_exact(grad.len()) {
            for (g, d) in grad.iter_mut().zip(row) {
                *g += d;
            }
        }
    });
}

/// `x += scale · y`.
pub fn add_scaled(x: &mut [f32], y: &[f32], scale: f32) {
    Arch::new().dispatch(|| {
        for (a, b) in x.iter_mut().zip(y) {
            *a += scale * b;
        }
    });
}

/// Layer normalisation of each row of `x` [n, d]: writes the normalised rows, `1/σ` of each row and `x̂·γ + β`.
pub fn layer_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f32,
    normalised: &mut [f32],
    inverse_std: &mut [f32],
    out: &mut [f32],
) {
    let d = gamma.len();
    Arch::new().dispatch(|| {
        for (i, row) in x.chunks_exact(d).enumerate() {
            let mean = sum(row) / d as f32;
            let hat = &mut normalised[i * d..(i + 1) * d];
            for (h, v) in hat.iter_mut().zip(row) {
                *h = v - mean;
            }
            let inverse = 1.0 / (dot(hat, hat) / d as f32 + eps).sqrt();
            inverse_std[i] = inverse;
            let out = &mut out[i * d..(i + 1) * d];
            for (((h, o), g), b) in hat.iter_mut().zip(out).zip(gamma).zip(beta) {
                *h *= inverse;
                *o = *h * g + b;
            }
        }
    });
}

/// Backward of [`layer_norm`]: adds to `dx`.
pub fn layer_norm_backward(dy: &[f32], gamma: &[f32], normalised: &[f32], inverse_std: &[f32], dx: &mut [f32]) {
    let d = gamma.len();
    let mut dhat = vec![0.0; d];
    Arch::new().dispatch(|| {
        for (i, inverse) in inverse_std.iter().enumerate() {
            let range = i * d..(i + 1) * d;
            let (dy, hat) = (&dy[range.clone()], &normalised[range.clone()]);
            for ((dhat, dy), gamma) in dhat.iter_mut().zip(dy).zip(gamma) {
                *dhat = dy * gamma;
            }
            let mean = sum(&dhat) / d as f32;
            let slope = dot(&dhat, hat) / d as f32;
            for ((x, g), h) in dx[range].iter_mut().zip(&dhat).zip(hat) {
                *x += inverse * (g - mean - h * slope);
            }
        }
    });
}

/// The rest of the backward pass of [`layer_norm`]: adds to `d_gamma` and `d_beta`.
pub fn layer_norm_parameters(dy: &[f32], normalised: &[f32], d_gamma: &mut [f32], d_beta: &mut [f32]) {
    let d = d_gamma.len();
    Arch::new().dispatch(|| {
        for (dy, hat) in dy.chunks_exact(d).zip(normalised.chunks_exact(d)) {
            for ((gamma, dy), hat) in d_gamma.iter_mut().zip(dy).zip(hat) {
                *gamma += dy * hat;
            }
            for (beta, dy) in d_beta.iter_mut().zip(dy) {
                *beta += dy;
            }
        }
    });
}

/// Softmax of each row of `x` [n, cols], in place.
pub fn softmax_rows(x: &mut [f32], cols: usize) {
    Arch::new().dispatch(|| {
        for row in x.chunks_exact_mut(cols) {
            let top = row.iter().fold(f32::MIN, |a, b| a.max(*b));
            for value in row.iter_mut() {
                *value = exp(*value - top);
            }
            let scale = 1.0 / sum(row);
            for value in row.iter_mut() {
                *value *= scale;
            }
        }
    });
}

/// Backward of [`softmax_rows`] times `scale`: `dp` becomes the gradient of the scores before softmax and scaling.
pub fn softmax_backward(dp: &mut [f32], p: &[f32], cols: usize, scale: f32) {
    Arch::new().dispatch(|| {
        for (dp, p) in dp.chunks_exact_mut(cols).zip(p.chunks_exact(cols)) {
            let mean = dot(dp, p);
            for (d, p) in dp.iter_mut().zip(p) {
                *d = scale * p * (*d - mean);
            }
        }
    });
}

/// GELU (exact form) of `x` into `y`; `x` becomes the derivative, which is what the backward pass needs of it.
pub fn gelu(x: &mut [f32], y: &mut [f32]) {
    Arch::new().dispatch(|| {
        for (x, y) in x.iter_mut().zip(y) {
            let v = *x;
            let bell = exp(-0.5 * v * v);
            let area = 0.5 * (1.0 + erf_with(v * std::f32::consts::FRAC_1_SQRT_2, bell));
            *y = v * area;
            *x = area + v * bell * 0.398_942_3;
        }
    });
}

/// `x *= y`.
pub fn multiply(x: &mut [f32], y: &[f32]) {
    Arch::new().dispatch(|| {
        for (a, b) in x.iter_mut().zip(y) {
            *a *= b;
        }
    });
}

/// Euclidean norm.
pub fn norm(x: &[f32]) -> f32 {
    // Sums of 4096 squares in f32, the sums of those in f64: five million terms lose digits otherwise.
    let parts = x.chunks(4096).map(|part| f64::from(Arch::new().dispatch(|| dot(part, part))));
    parts.sum::<f64>().sqrt() as f32
}

/// `x = keep · x + (1 − keep) · y`.
pub fn blend(x: &mut [f32], y: &[f32], keep: f32) {
    Arch::new().dispatch(|| {
        for (a, b) in x.iter_mut().zip(y) {
            *a = keep * *a + (1.0 - keep) * b;
        }
    });
}

/// erf by Abramowitz and Stegun 7.1.26 (|error| ≤ 1.5e-7), given `bell = exp(-x²)`.
#[inline(always)]
fn erf_with(x: f32, bell: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = t * (0.254_829_6 + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
    let positive = 1.0 - series * bell;
    if x < 0.0 { -positive } else { positive }
}

/// exp to about 2 ulp by a power of two and a polynomial: no call, so that loops around it become vector code.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_6e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    let power = (shifted.to_bits().wrapping_add(127)) << 23;
    p * f32::from_bits(power)
}

/// Sum in sixteen lanes, so that the compiler may use vector registers.
#[inline(always)]
fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += v;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Dot product in sixteen lanes.
#[inline(always)]
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (a, b) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_exp_follows_the_library_one() {
        for i in -8000..800 {
            let x = i as f32 * 0.01;
            let relative = (exp(x) / x.exp() - 1.0).abs();
            assert!(relative < 4e-7, "exp({x}): {relative}");
        }
    }

    #[test]
    fn gelu_has_its_known_values_and_derivative() {
        // x·Φ(x) and Φ(x) + x·φ(x), from scipy.stats.norm.
        let known = [
            (-2.0, -0.045_500_26, -0.085_231_81),
            (-0.5, -0.154_268_77, 0.132_505_3),
            (0.0, 0.0, 0.5),
            (1.0, 0.841_344_8, 1.083_315_5),
        ];
        for (x, value, slope) in known {
            let (mut x, mut y) = ([x], [0.0]);
            gelu(&mut x, &mut y);
            assert!((y[0] - value).abs() < 1e-6, "{} {value}", y[0]);
            assert!((x[0] - slope).abs() < 1e-6, "{} {slope}", x[0]);
        }
    }

    #[test]
    fn gemm_multiplies_transposed_and_strided_views() {
        let a = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0];
        let b = [5.0, 6.0, 7.0, 8.0];
        let mut c = [1.0; 4];
        let a = View::strided(&a, 2, 2, 3);
        gemm(1.0, a, View::new(&b, 2).t(), 1.0, &mut c, 2);
        assert_eq!(c, [18.0, 24.0, 40.0, 54.0]);
    }
}
