//! PNG and JPEG files to 8-bit pictures, with every size checked before it is allocated.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits,
    codecs::{jpeg::JpegDecoder, png::PngDecoder},
    error::ImageError,
};

use super::Channels;
use crate::ModelError;

/// Largest file that is read.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
/// Largest side of a picture.
pub const MAX_SIDE: u32 = 12_000;
/// Most pixels of a picture.
pub const MAX_PIXELS: u64 = 64_000_000;
/// Most memory of a decoded picture: 64 million pixels of four bytes.
const MAX_DECODED_BYTES: u64 = 256_000_000;

/// A decoded picture, upright, 8 bits a channel, without transparency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Colours.
    pub channels: Channels,
    /// Pixels `[height, width, channels]`.
    pub pixels: Vec<u8>,
}

/// Decodes a PNG or JPEG file, told apart by content.
///
/// The EXIF orientation is applied, transparency is laid over black, 16 bits become 8 by rounding.
///
/// # Errors
/// Each says what to do: an empty file, another format, a damaged file, or one over the limits
/// (64 MiB, 12000 pixels a side, 64 million pixels).
pub fn decode(bytes: &[u8]) -> Result<Picture, ModelError> {
    if bytes.is_empty() {
        return Err(ModelError::EmptyFile);
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(ModelError::FileTooLarge { bytes: bytes.len(), limit: MAX_FILE_BYTES });
    }
    let cursor = Cursor::new(bytes);
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        let limits = limits();
        let decoder = PngDecoder::with_limits(cursor, limits).map_err(|error| refuse("PNG", &error, bytes))?;
        return read("PNG", decoder, bytes);
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        if !jpeg_is_complete(bytes) {
            return Err(ModelError::DamagedImage { format: "JPEG", detail: "its end is missing".into() });
        }
        let decoder = JpegDecoder::new(cursor).map_err(|error| refuse("JPEG", &error, bytes))?;
        return read("JPEG", decoder, bytes);
    }
    Err(ModelError::NotAnImage { found: guess(bytes) })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    limits
}

fn read(format: &'static str, mut decoder: impl ImageDecoder, bytes: &[u8]) -> Result<Picture, ModelError> {
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes())?;
    if width == 0 || height == 0 {
        return Err(ModelError::DamagedImage { format, detail: "it has no pixels".into() });
    }
    let refused = |error: ImageError| refuse(format, &error, bytes);
    decoder.set_limits(limits()).map_err(refused)?;
    let orientation = decoder.orientation().map_err(refused)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(refused)?;
    image.apply_orientation(orientation);
    Ok(flatten(image))
}

fn check_size(width: u32, height: u32, bytes: u64) -> Result<(), ModelError> {
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS || bytes > MAX_DECODED_BYTES {
        return Err(ModelError::PictureTooLarge { width, height });
    }
    Ok(())
}

fn refuse(format: &'static str, error: &ImageError, bytes: &[u8]) -> ModelError {
    if let (ImageError::Limits(_), Some((width, height))) = (error, png_size(bytes)) {
        return ModelError::PictureTooLarge { width, height };
    }
    ModelError::DamagedImage { format, detail: error.to_string() }
}

/// The size that a PNG's first chunk declares.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let field = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some((field(16)?, field(20)?))
}

/// Whether a JPEG's segments and scans reach its end marker. Decoders paint what is missing grey, which must not be diagnosed.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2).and_then(|pair| pair.first_chunk()) {
        let segment = matches!(marker, 0xc0..=0xcf | 0xda..=0xfe);
        match (first, marker) {
            (0xff, 0xd9) => return true,
            (0xff, _) if segment => {
                let Some(length) = bytes.get(at + 2..at + 4).and_then(|field| field.first_chunk()) else { return false };
                at += 2 + usize::from(u16::from_be_bytes(*length)).max(2);
            }
            // Compressed data, stuffed bytes, restart markers and filling.
            _ => at += 1,
        }
    }
    false
}

fn flatten(image: DynamicImage) -> Picture {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (channels, pixels) = match image {
        DynamicImage::ImageLuma8(grey) => (Channels::Grey, grey.into_raw()),
        DynamicImage::ImageRgb8(rgb) => (Channels::Rgb, rgb.into_raw()),
        DynamicImage::ImageLumaA8(grey) => (Channels::Grey, over_black::<2, 1>(grey.as_raw())),
        DynamicImage::ImageRgba8(rgba) => (Channels::Rgb, over_black::<4, 3>(rgba.as_raw())),
        DynamicImage::ImageLuma16(grey) => (Channels::Grey, eight_bits(grey.as_raw())),
        DynamicImage::ImageLumaA16(grey) => (Channels::Grey, over_black::<2, 1>(&eight_bits(grey.as_raw()))),
        DynamicImage::ImageRgb16(rgb) => (Channels::Rgb, eight_bits(rgb.as_raw())),
        DynamicImage::ImageRgba16(rgba) => (Channels::Rgb, over_black::<4, 3>(&eight_bits(rgba.as_raw()))),
        other => (Channels::Rgb, other.into_rgb8().into_raw()),
    };
    Picture { width, height, channels, pixels }
}

fn eight_bits(values: &[u16]) -> Vec<u8> {
    values.iter().map(|value| ((u32::from(*value) + 128) / 257) as u8).collect()
}

/// `colour · alpha / 255`, rounded, for each pixel of `N` values of which the last is alpha.
fn over_black<const N: usize, const M: usize>(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<N>();
    let mut flat = Vec::with_capacity(pixels.len() * M);
    for pixel in pixels {
        let alpha = u32::from(pixel[N - 1]);
        flat.extend(pixel[..M].iter().map(|colour| ((u32::from(*colour) * alpha + 127) / 255) as u8));
    }
    flat
}

fn guess(bytes: &[u8]) -> &'static str {
    let begins = |magic: &[u8]| bytes.starts_with(magic);
    if begins(b"GIF8") {
        "a GIF"
    } else if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        "a WebP image"
    } else if begins(b"BM") {
        "a BMP image"
    } else if begins(b"II*\0") || begins(b"MM\0*") {
        "a TIFF image"
    } else if begins(b"%PDF") {
        "a PDF"
    } else if begins(b"PK\x03\x04") {
        "a ZIP archive"
    } else if bytes.get(128..132) == Some(b"DICM") {
        "a DICOM file"
    } else if bytes.get(4..8) == Some(b"ftyp") {
        "a HEIC or AVIF image"
    } else if bytes.iter().take(512).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        "a text file"
    } else {
        "a file of an unknown kind"
    }
}
