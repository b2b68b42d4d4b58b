//! Element-wise arithmetic of the CPU engine: additions, products, quotients and roots only, so that every platform
//! computes the same bits, and in loops of eight so that compilers use vector instructions.

use super::wide::{self, Kernel};

/// Values that are worked on together: two 128-bit vectors or one of 256.
pub(super) const LANES: usize = 8;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts: the first has few bits, so that its product with a small integer is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// e^x for x ≤ 0, relative error below 2e-7; below -87 it gives e^-87.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = x * LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    // Coefficients of Cephes' expf (public domain).
    let mut power = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        power = power * rest + coefficient;
    }
    let power = power * (rest * rest) + rest + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    power * f32::from_bits(exponent)
}

/// The error function, absolute error below 4e-7: the rational approximation that Eigen uses.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let x = if x > 4.0 { 4.0 } else { x };
    let x = if x < -4.0 { -4.0 } else { x };
    let square = x * x;
    let mut top = -2.726_142_3e-10;
    for coefficient in [2.770_681_4e-8, -2.101_024e-6, -5.692_506_5e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2] {
        top = top * square + coefficient;
    }
    let mut bottom = -1.456_607_2e-5;
    for coefficient in [-2.133_740_6e-4, -1.682_827_e-3, -7.373_329_e-3, -1.426_474_e-2] {
        bottom = bottom * square + coefficient;
    }
    x * top / bottom
}

/// Exact GELU, x · Φ(x), in place.
pub(crate) fn gelu(values: &mut [f32]) {
    wide::run(Gelu(values));
}

struct Gelu<'a>(&'a mut [f32]);

impl Kernel for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WIDE: bool>(self) {
        let gelu = |x: f32| 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
        let (chunks, tail) = self.0.as_chunks_mut::<LANES>();
        for value in chunks.as_flattened_mut() {
            *value = gelu(*value);
        }
        tail.iter_mut().for_each(|value| *value = gelu(*value));
    }
}

/// softmax(scale · row) in place over the first `count` values of a row; the rest becomes 0.
pub(super) fn softmax(row: &mut [f32], count: usize, scale: f32) {
    wide::run(Softmax { row, count, scale });
}

struct Softmax<'a> {
    row: &'a mut [f32],
    count: usize,
    scale: f32,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WIDE: bool>(self) {
        let Self { row, count, scale } = self;
        let (row, padding) = row.split_at_mut(count);
        padding.fill(0.0);
        let largest = max(row);
        let (chunks, tail) = row.as_chunks_mut::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in chunks {
            for (value, sum) in chunk.iter_mut().zip(&mut sums) {
                *value = exp((*value - largest) * scale);
                *sum += *value;
            }
        }
        let mut sum = add_up(&sums);
        for value in tail {
            *value = exp((*value - largest) * scale);
            sum += *value;
        }
        let share = 1.0 / sum;
        row.iter_mut().for_each(|value| *value *= share);
    }
}

/// `weight · (x - mean) / sqrt(variance + eps) + bias` of each row of `input`, written to `output`.
pub(super) fn layer_norm(input: &[f32], output: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    wide::run(LayerNorm { input, output, weight, bias, eps });
}

struct LayerNorm<'a> {
    input: &'a [f32],
    output: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const WIDE: bool>(self) {
        let Self { input, output, weight, bias, eps } = self;
        let width = weight.len();
        for (row, normal) in input.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
            let mean = fold(row, |sum, value| sum + value) / width as f32;
            let variance = fold(row, |sum, value| sum + (value - mean) * (value - mean)) / width as f32;
            let scale = 1.0 / (variance + eps).sqrt();
            let parameters = weight.iter().zip(bias);
            for ((value, result), (weight, bias)) in row.iter().zip(normal).zip(parameters) {
                *result = (*value - mean) * scale * weight + bias;
            }
        }
    }
}

/// The mean of `(a - b)²`, summed as [`fold`] does.
pub(crate) fn mean_square(a: &[f32], b: &[f32]) -> f32 {
    let (count, square) = (a.len(), |a: f32, b: f32| (a - b) * (a - b));
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|lane| lanes[lane] += square(a[lane], b[lane]));
    }
    let tail = a_tail.iter().zip(b_tail);
    tail.fold(add_up(&lanes), |sum, (a, b)| sum + square(*a, *b)) / count as f32
}

#[inline(always)]
fn max(row: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let (chunks, tail) = row.as_chunks::<LANES>();
    let mut lanes = [f32::MIN; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(most, value)| *most = larger(*most, *value));
    }
    lanes.iter().chain(tail).fold(f32::MIN, |most, value| larger(most, *value))
}

/// Folds eight interleaved partial sums and adds them up, in an order that no platform changes.
#[inline(always)]
pub(crate) fn fold(row: &[f32], step: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, tail) = row.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(sum, value)| *sum = step(*sum, *value));
    }
    tail.iter().fold(add_up(&lanes), |sum, value| step(sum, *value))
}

#[inline(always)]
fn add_up(lanes: &[f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = *lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// The Maclaurin series in f64: exact to 1e-12 for |x| ≤ 4.
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn erf_is_within_a_millionth() {
        let worst = (-4000..=4000)
            .map(|step| f64::from(step) / 1000.0)
            .map(|x| (f64::from(erf(x as f32)) - exact_erf(f64::from(x as f32))).abs())
            .fold(0.0, f64::max);
        assert!(worst <= 1e-6, "worst error {worst}");
        assert!((erf(30.0) - 1.0).abs() <= 1e-6 && (erf(-30.0) + 1.0).abs() <= 1e-6);
    }

    #[test]
    fn exp_is_within_a_millionth_of_its_value() {
        let worst = (0..=86_000)
            .map(|step| -step as f32 / 1000.0)
            .map(|x| (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs())
            .fold(0.0, f64::max);
        assert!(worst <= 1e-6, "worst relative error {worst}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 1e-37);
    }

    #[test]
    fn gelu_is_the_exact_one() {
        let inputs: Vec<f32> = (-800..=800).map(|step| step as f32 / 100.0).collect();
        let mut outputs = inputs.clone();
        gelu(&mut outputs);
        for (x, y) in inputs.iter().zip(&outputs) {
            let x = f64::from(*x);
            let phi = if x.abs() > 5.6 { f64::from(u8::from(x > 0.0)) } else { 0.5 * (1.0 + exact_erf(x / 2f64.sqrt())) };
            assert!((f64::from(*y) - x * phi).abs() < 2e-6, "gelu({x}) = {y}");
        }
    }

    #[test]
    fn softmax_sums_to_one_and_leaves_padding_at_zero() {
        let mut row: Vec<f32> = (0..16).map(|i| (i * 7 % 13) as f32 - 300.0).collect();
        let exact: Vec<f64> = row[..13].iter().map(|x| (f64::from(*x) * 0.125).exp()).collect();
        let sum: f64 = exact.iter().sum();
        softmax(&mut row, 13, 0.125);
        for (value, exact) in row.iter().zip(&exact) {
            assert!((f64::from(*value) - exact / sum).abs() < 1e-7);
        }
        assert_eq!(row[13..], [0.0; 3]);
    }

    #[test]
    fn layer_norm_has_zero_mean_and_unit_variance() {
        let row: Vec<f32> = (0..20).map(|i| (i * i % 17) as f32).collect();
        let mut normal = vec![0.0; 20];
        layer_norm(&row, &mut normal, &[1.0; 20], &[0.0; 20], 1e-6);
        let mean = normal.iter().sum::<f32>() / 20.0;
        let variance = normal.iter().map(|x| x * x).sum::<f32>() / 20.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
    }
}
