//! Fixed-width integers in a stream of bits, least significant bit first, padded with zero bits to a whole byte.

use crate::HeError;

/// Appends the low `bits` bits of each value to `bytes`. `bits` is at most 56.
pub(crate) fn pack(values: impl IntoIterator<Item = u64>, bits: u32, bytes: &mut Vec<u8>) {
    let mask = (1u64 << bits) - 1;
    let mut pending = 0u64;
    let mut filled = 0;
    for value in values {
        // Fewer than 8 bits are pending here, so 56 more fit the word.
        pending |= (value & mask) << filled;
        filled += bits;
        while filled >= 8 {
            bytes.push(pending as u8);
            pending >>= 8;
            filled -= 8;
        }
    }
    if filled > 0 {
        bytes.push(pending as u8);
    }
}

/// Reads `count` values of `bits` bits from exactly the bytes that [`pack`] wrote for them.
///
/// # Errors
/// Another number of bytes, or padding that is not zero. Nothing is allocated before the length is checked.
pub(crate) fn unpack(what: &'static str, bytes: &[u8], count: usize, bits: u32) -> Result<Vec<u64>, HeError> {
    let expected = (count * bits as usize).div_ceil(8);
    if bytes.len() != expected {
        return Err(HeError::Length { what, expected, found: bytes.len() });
    }
    let mask = (1u64 << bits) - 1;
    let mut values = Vec::with_capacity(count);
    let mut pending = 0u64;
    let mut filled = 0;
    for &byte in bytes {
        pending |= u64::from(byte) << filled;
        filled += 8;
        if filled >= bits && values.len() < count {
            values.push(pending & mask);
            pending >>= bits;
            filled -= bits;
        }
    }
    if pending != 0 {
        return Err(HeError::Padding { what });
    }
    Ok(values)
}

/// The top `bits` bits of a word, rounded to nearest (modulo 2^bits).
pub(crate) fn round(word: u64, bits: u32) -> u64 {
    let dropped = 64 - bits;
    word.wrapping_add(1 << (dropped - 1)) >> dropped
}

/// The word that [`round`] left `bits` bits of.
pub(crate) fn widen(value: u64, bits: u32) -> u64 {
    value << (64 - bits)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::randomness::derive_mask;

    #[test]
    fn values_survive_packing_at_every_width() {
        for bits in 8..=56 {
            for count in [1, 2, 3, 7, 8, 100] {
                let values: Vec<u64> = derive_mask(&[bits as u8; 16], count).iter().map(|x| x >> (64 - bits)).collect();
                let mut bytes = Vec::new();
                pack(values.iter().copied(), bits, &mut bytes);
                assert_eq!(bytes.len(), (count * bits as usize).div_ceil(8));
                assert_eq!(unpack("test", &bytes, count, bits).unwrap(), values);
            }
        }
    }

    #[test]
    fn the_first_value_lies_in_the_lowest_bits() {
        let mut bytes = Vec::new();
        pack([0xABC, 0x123], 12, &mut bytes);
        assert_eq!(bytes, [0xBC, 0x3A, 0x12]);
    }

    #[test]
    fn another_length_and_set_padding_are_refused() {
        let length = |found| Err(HeError::Length { what: "test", expected: 2, found });
        assert_eq!(unpack("test", &[0], 1, 12), length(1));
        assert_eq!(unpack("test", &[0; 3], 1, 12), length(3));
        assert_eq!(unpack("test", &[0xFF, 0x0F], 1, 12), Ok(vec![0xFFF]));
        assert_eq!(unpack("test", &[0, 0x10], 1, 12), Err(HeError::Padding { what: "test" }));
    }

    #[test]
    fn rounding_goes_to_the_nearest_and_wraps() {
        assert_eq!(round(u64::MAX, 36), 0);
        assert_eq!(round((5 << 28) + (1 << 27), 36), 6);
        assert_eq!(round((5 << 28) + (1 << 27) - 1, 36), 5);
        assert_eq!(widen(5, 36), 5 << 28);
    }
}
