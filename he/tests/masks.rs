//! A mask is what its seed says, on every platform.
#![allow(clippy::unwrap_used)]

use he::hazmat::derive_token_mask;
use he::{GLWE_2048_TU17, SealedToken};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_seed_expands_by_aes_128_in_counter_mode() {
    let mut bytes = vec![0; GLWE_2048_TU17.token_bytes(2)];
    for (i, byte) in bytes[..16].iter_mut().enumerate() {
        *byte = i as u8;
    }
    let token = SealedToken::from_bytes(&GLWE_2048_TU17, 2, &bytes).unwrap();
    let mask = derive_token_mask(&token);
    assert_eq!(mask.len(), 2048);
    // AES-128 of the blocks 0, 1 and 1023 under the seed, computed with OpenSSL.
    assert_eq!(mask[..2], [0x825b_8f87_373b_a1c6, 0x79d8_c8a1_6281_4f6f]);
    assert_eq!(mask[2..4], [0xa087_7cdd_63d3_7ce3, 0x829c_e060_3e0e_ff9a]);
    assert_eq!(mask[2046..], [0x1b8d_7f52_6849_0418, 0xc5c9_6bf0_c4b8_1924]);
}
