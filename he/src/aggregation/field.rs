//! The field of 509 elements, and polynomials over it.
//!
//! 509 is the largest prime below 2^9: a share element packs into nine bits, and a sum of 63 keys (within ±252) is unique.

/// The prime.
pub(crate) const PRIME: u32 = 509;

/// Bits of a packed element.
pub(crate) const ELEMENT_BITS: u32 = 9;

/// The element that stands for a small signed integer.
pub(crate) fn from_signed(value: i16) -> u16 {
    i32::from(value).rem_euclid(PRIME as i32) as u16
}

/// The integer within ±254 that an element stands for.
pub(crate) fn to_signed(element: u16) -> i16 {
    if u32::from(element) > PRIME / 2 { element as i16 - PRIME as i16 } else { element as i16 }
}

pub(crate) fn add(a: u16, b: u16) -> u16 {
    ((u32::from(a) + u32::from(b)) % PRIME) as u16
}

/// Σ aᵢ·bᵢ. Sums of up to 2^14 products fit the accumulator.
pub(crate) fn dot(a: impl IntoIterator<Item = u16>, b: impl IntoIterator<Item = u16>) -> u16 {
    let sum = a.into_iter().zip(b).fold(0u32, |sum, (a, b)| sum + u32::from(a) * u32::from(b));
    (sum % PRIME) as u16
}

/// The inverse of an element other than zero: a^(p − 2).
fn invert(element: u32) -> u32 {
    let (mut power, mut base, mut exponent) = (1, element, PRIME - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power * base % PRIME;
        }
        base = base * base % PRIME;
        exponent >>= 1;
    }
    power
}

/// The row λ with q(x) = Σ λᵢ·q(nodesᵢ) for every polynomial q of degree below the number of nodes. Nodes are distinct.
pub(crate) fn derive_lagrange(nodes: &[u16], x: u16) -> Vec<u16> {
    let difference = |a: u16, b: u16| (u32::from(a) + PRIME - u32::from(b)) % PRIME;
    let coefficient = |&node: &u16| {
        let others = || nodes.iter().filter(move |&&other| other != node);
        let above = others().fold(1, |product, &other| product * difference(x, other) % PRIME);
        let below = others().fold(1, |product, &other| product * difference(node, other) % PRIME);
        (above * invert(below) % PRIME) as u16
    };
    nodes.iter().map(coefficient).collect()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_element_has_its_inverse() {
        assert!((1..PRIME).all(|x| x * invert(x) % PRIME == 1));
    }

    #[test]
    fn signed_integers_survive() {
        assert!((-254..=254).all(|x| to_signed(from_signed(x)) == x));
    }

    #[test]
    fn interpolation_finds_every_value_of_a_polynomial() {
        let polynomial = |x: u16| dot([3, 500, 77, 1], [0, 1, 2, 3].map(|power| (u32::from(x).pow(power) % PRIME) as u16));
        let nodes = [1, 7, 130, 508];
        for x in 0..509 {
            assert_eq!(dot(derive_lagrange(&nodes, x), nodes.map(polynomial)), polynomial(x), "at {x}");
        }
    }
}
