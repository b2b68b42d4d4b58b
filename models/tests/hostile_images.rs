//! Files that are no images, or are meant to do harm: a clear error each, never a panic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use models::{ModelError, decode};

const PNG: &[u8] = include_bytes!("../goldens/images/rgb.png");
const JPEG: &[u8] = include_bytes!("../goldens/images/rgb_420.jpg");

fn says(bytes: &[u8], code: &str, words: &str) {
    let error = decode(bytes).expect_err("it must be refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// A PNG whose header declares `width` x `height` pixels of 16-bit RGBA, its checksum right.
fn declaring(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([16, 6, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    file.extend(&header);
    file.extend(crc32(&header).to_be_bytes());
    file.extend(&PNG[33..]);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[test]
fn files_that_are_no_images_are_named_and_refused() {
    says(b"", "wrong-file", "empty");
    says(b"GIF89a\x01\0\x01\0", "wrong-file", "a GIF");
    says(b"name,age\nA,3\n", "wrong-file", "a text file");
    says(b"%PDF-1.7", "wrong-file", "a PDF");
    says(&[0xEE; 64], "wrong-file", "unknown kind");
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM\x02\0");
    says(&dicom, "wrong-file", "a DICOM file");
}

#[test]
fn every_error_says_what_to_do() {
    for bytes in [&b""[..], b"GIF89a", &PNG[..60], &JPEG[..20]] {
        let text = decode(bytes).unwrap_err().to_string();
        assert!(["choose", "export", "copy"].iter().any(|word| text.contains(word)), "{text}");
    }
}

#[test]
fn truncated_images_are_called_incomplete() {
    for cut in [8, 20, 40, PNG.len() / 2] {
        says(&PNG[..cut], "wrong-file", "damaged or incomplete");
    }
    for cut in [3, 10, 200] {
        says(&JPEG[..cut], "wrong-file", "damaged or incomplete");
    }
    says(&JPEG[..JPEG.len() * 3 / 4], "wrong-file", "damaged or incomplete");
}

#[test]
fn pictures_that_declare_huge_sizes_are_refused_before_they_are_allocated() {
    for (width, height) in [(12_001, 1), (1, 12_001), (u32::MAX >> 1, u32::MAX >> 1), (12_000, 12_000), (7_000, 7_000)] {
        let error = decode(&declaring(width, height)).unwrap_err();
        assert!(matches!(error, ModelError::PictureTooLarge { .. }), "{width} x {height}: {error}");
        assert_eq!(error.code(), "too-large");
    }
    let mut jpeg = JPEG.to_vec();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    says(&jpeg, "too-large", "65535 x 65535");
}

#[test]
fn pictures_without_pixels_are_refused() {
    says(&declaring(0, 5), "wrong-file", "damaged");
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use proptest::prelude::*;

    use super::{JPEG, PNG, decode};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..3usize) {
            let start: &[u8] = [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b""][kind];
            prop_assert!(decode(&[start, &bytes].concat()).is_err());
        }

        #[test]
        fn changed_images_never_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            cut in any::<prop::sample::Index>(),
            is_png in any::<bool>(),
        ) {
            let mut bytes = if is_png { PNG.to_vec() } else { JPEG.to_vec() };
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() * 2).max(3));
            if let Ok(picture) = decode(&bytes) {
                prop_assert_eq!(picture.pixels.len(), picture.width * picture.height * picture.channels.count());
            }
        }
    }
}
