//! The noise level as the network sees it.

/// The embedding `[dim]` of noise level `t`: the cosines, then the sines, of `t · 10000^(-i / (dim / 2))` (Ho et al. 2020, appendix B;
/// Vaswani et al. 2017). Computed in f64, the same bits natively and in WebAssembly.
pub(crate) fn embedding(t: u16, dim: usize) -> Vec<f32> {
    let half = dim / 2;
    let angle = |i: usize| f64::from(t) * libm::pow(10_000.0, -(i as f64) / half as f64);
    let cosines = (0..half).map(|i| libm::cos(angle(i)) as f32);
    cosines.chain((0..half).map(|i| libm::sin(angle(i)) as f32)).collect()
}
