//! Products in Z[X]/(X^N + 1), modulo 2^64, with one factor small: number-theoretic transforms modulo three primes.

use tfhe_ntt::{native_binary64, native64};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The ring of one parameter set.
///
/// The three primes multiply to 2^89.9. A product of a 64-bit polynomial with one whose coefficients sum (in magnitude)
/// to S stays below S·2^64, and S ≤ 2048·255 < 2^19 for weights and 2^11 for bits, so nothing wraps before the reduction to 2^64.
pub(crate) struct Ring {
    /// Transforms 64-bit polynomials and puts residues together again.
    plan: native_binary64::Plan32,
    /// The same primes one by one: what the plan above does not give out.
    primes: native64::Plan32,
}

/// A polynomial in the transformed domain: N residues modulo each prime. Wiped on drop, since some are secret.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Spectrum([Vec<u32>; 3]);

impl Spectrum {
    fn zero(size: usize) -> Self {
        Self([vec![0; size], vec![0; size], vec![0; size]])
    }
}

impl Ring {
    /// The ring of polynomials of `size` coefficients, a power of two.
    pub fn new(size: usize) -> Self {
        // The primes are 1 modulo 2^17: they have the roots for every size of a parameter set.
        let plan = native_binary64::Plan32::try_new(size).expect("the primes split X^N + 1");
        let primes = native64::Plan32::try_new(size).expect("the primes split X^N + 1");
        Self { plan, primes }
    }

    fn size(&self) -> usize {
        self.plan.ntt_size()
    }

    fn primes(&self) -> [&tfhe_ntt::prime32::Plan; 3] {
        [self.primes.ntt_0(), self.primes.ntt_1(), self.primes.ntt_2()]
    }

    /// Transforms a polynomial of N words modulo 2^64.
    pub fn transform(&self, polynomial: &[u64]) -> Spectrum {
        let mut spectrum = Spectrum::zero(self.size());
        let [p0, p1, p2] = &mut spectrum.0;
        self.plan.fwd(polynomial, p0, p1, p2);
        spectrum
    }

    /// Transforms a polynomial of N bits, one a word.
    pub fn transform_bits(&self, polynomial: &[u64]) -> Spectrum {
        let mut spectrum = Spectrum::zero(self.size());
        let [p0, p1, p2] = &mut spectrum.0;
        self.plan.fwd_binary(polynomial, p0, p1, p2);
        spectrum
    }

    /// Transforms a polynomial of N small signed integers.
    pub fn transform_small(&self, polynomial: &[i16]) -> Spectrum {
        let mut spectrum = Spectrum::zero(self.size());
        for (plan, residues) in self.primes().into_iter().zip(&mut spectrum.0) {
            for (residue, &value) in residues.iter_mut().zip(polynomial) {
                *residue = i64::from(value).rem_euclid(plan.modulus().into()) as u32;
            }
            plan.fwd(residues);
        }
        spectrum
    }

    /// The product of two transformed polynomials, N words modulo 2^64. One of them must be small, see [`Ring`].
    pub fn multiply(&self, large: &Spectrum, small: &Spectrum) -> Zeroizing<Vec<u64>> {
        let mut product = Spectrum(large.0.clone());
        for ((plan, left), right) in self.primes().into_iter().zip(&mut product.0).zip(&small.0) {
            plan.mul_assign_normalize(left, right);
        }
        let mut words = Zeroizing::new(vec![0; self.size()]);
        let [p0, p1, p2] = &mut product.0;
        self.plan.inv(&mut words, p0, p1, p2);
        words
    }
}

/// The row r with (p·s)_n = Σ r_j s_j for every s: turns coefficient n of a product into a dot product ("sample extraction").
pub(crate) fn derive_row(polynomial: &[u64], n: usize) -> Vec<u64> {
    let (low, high) = polynomial.split_at(n + 1);
    low.iter().rev().copied().chain(high.iter().rev().map(|x| x.wrapping_neg())).collect()
}

/// Σ row_j·bit_j modulo 2^64, without a branch on a bit.
pub(crate) fn dot_bits(row: &[u64], bits: &[u64]) -> u64 {
    row.iter().zip(bits).fold(0, |sum: u64, (x, bit)| sum.wrapping_add(x & bit.wrapping_neg()))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::randomness::{derive_mask, make_bits, make_seed};

    const N: usize = 2048;

    /// The definition of the product, modulo 2^64.
    fn schoolbook(a: &[u64], b: &[u64]) -> Vec<u64> {
        let mut product = vec![0u64; N];
        for (i, &x) in a.iter().enumerate() {
            for (j, &y) in b.iter().enumerate() {
                let term = x.wrapping_mul(y);
                let at = &mut product[(i + j) % N];
                *at = if i + j < N { at.wrapping_add(term) } else { at.wrapping_sub(term) };
            }
        }
        product
    }

    #[test]
    fn products_equal_the_definition_up_to_the_largest_factors() {
        let ring = Ring::new(N);
        let random = derive_mask(&make_seed().unwrap(), N);
        let mixed: Vec<i16> = random.iter().map(|x| (x % 511) as i16 - 255).collect();
        for large in [&random, &vec![u64::MAX; N], &vec![1 << 63; N]] {
            for small in [&mixed, &vec![255; N], &vec![-255; N]] {
                let words: Vec<u64> = small.iter().map(|&x| x as u64).collect();
                let product = ring.multiply(&ring.transform(large), &ring.transform_small(small));
                assert!(*product == schoolbook(large, &words));
            }
            let bits = make_bits(N).unwrap();
            let product = ring.multiply(&ring.transform(large), &ring.transform_bits(&bits));
            assert!(*product == schoolbook(large, &bits));
        }
    }

    #[test]
    fn a_row_gives_one_coefficient_of_the_product() {
        let a = derive_mask(&[3; 16], N);
        let bits = make_bits(N).unwrap();
        let product = schoolbook(&a, &bits);
        for n in [0, 1, 767, N - 1] {
            assert_eq!(dot_bits(&derive_row(&a, n), &bits), product[n]);
        }
    }
}
