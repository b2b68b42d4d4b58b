//! Contact sheets: attacked images beside what was rebuilt of them.

use anyhow::{Context, Result};
use image::{DynamicImage, GrayImage, RgbImage, codecs::png};

/// Pixels between images.
const GAP: usize = 4;

/// Columns of images of one side and number of channels.
#[derive(Default)]
pub struct Columns {
    /// Title and images (CHW in 0..=1) of each column.
    pub columns: Vec<(String, Vec<Vec<f32>>)>,
}

impl Columns {
    /// Adds a column.
    pub fn push(&mut self, title: &str, images: Vec<Vec<f32>>) {
        self.columns.push((title.into(), images));
    }

    /// Titles in order.
    pub fn titles(&self) -> Vec<String> {
        self.columns.iter().map(|(title, _)| title.clone()).collect()
    }

    /// The sheet as a PNG file, white between the images.
    ///
    /// # Errors
    /// Where there is no column, or the PNG cannot be written.
    pub fn to_png(&self, side: usize, channels: usize) -> Result<Vec<u8>> {
        let rows = self.columns.iter().map(|(_, images)| images.len()).max().context("a sheet needs a column")?;
        let extent = |count: usize| count * side + count.saturating_sub(1) * GAP;
        let (width, height) = (extent(self.columns.len()), extent(rows));
        let mut pixels = vec![255u8; width * height * channels];
        for (column, (_, images)) in self.columns.iter().enumerate() {
            for (row, image) in images.iter().enumerate() {
                let (left, top) = (column * (side + GAP), row * (side + GAP));
                for (i, value) in image.iter().enumerate() {
                    let (channel, y, x) = (i / (side * side), i / side % side, i % side);
                    pixels[((top + y) * width + left + x) * channels + channel] = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
                }
            }
        }
        let size = (width as u32, height as u32);
        let picture = if channels == 1 {
            GrayImage::from_raw(size.0, size.1, pixels).map(DynamicImage::from)
        } else {
            RgbImage::from_raw(size.0, size.1, pixels).map(DynamicImage::from)
        };
        let mut file = Vec::new();
        let encoder = png::PngEncoder::new_with_quality(&mut file, png::CompressionType::Best, png::FilterType::Adaptive);
        picture.context("the sheet has another size than its pixels")?.write_with_encoder(encoder)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_in_rows_and_columns() {
        let mut sheet = Columns::default();
        sheet.push("first", vec![vec![0.0; 4], vec![0.5; 4]]);
        sheet.push("second", vec![vec![1.0; 4], vec![0.25; 4]]);
        let picture = image::load_from_memory(&sheet.to_png(2, 1).unwrap()).unwrap().to_luma8();
        assert_eq!(picture.dimensions(), (8, 8));
        let at = |x, y| picture.get_pixel(x, y).0[0];
        assert_eq!([at(0, 0), at(1, 7), at(7, 0), at(6, 7), at(3, 3)], [0, 128, 255, 64, 255]);
    }
}
