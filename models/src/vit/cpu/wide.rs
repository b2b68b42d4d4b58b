//! Loops for the widest vectors of the processor they run on, chosen at run time.
//!
//! Only the width changes: products and sums are rounded one by one in the same order, never fused, so every width gives the
//! same bits.

/// A loop that compilers turn into vector instructions.
pub(super) trait Kernel {
    /// What it comes to.
    type Output;

    /// Runs it; to be inlined. `WIDE`: a vector register holds eight values or more, and there are at least sixteen of them.
    fn run<const WIDE: bool>(self) -> Self::Output;
}

/// Runs `kernel`, compiled for this processor.
#[cfg(target_arch = "x86_64")]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    struct Dispatched<K>(K);
    impl<K: Kernel> pulp::WithSimd for Dispatched<K> {
        type Output = K::Output;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> K::Output {
            if S::F32_LANES < super::math::LANES { self.0.run::<false>() } else { self.0.run::<true>() }
        }
    }
    pulp::Arch::new().dispatch(Dispatched(kernel))
}

/// Runs `kernel`; every processor of this kind has the vectors that all code is compiled for.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<false>()
}
