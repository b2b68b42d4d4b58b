//! Images cut into rows of patches and put together again: the embedding's view of an image (channel, row, column inside a
//! patch, as a convolution's kernel has it).

use models::config::VitConfig;

/// Patch rows [images × patches, channels × p × p] of normalised CHW images.
pub fn cut(c: &VitConfig, input: &[f32], patches: &mut Vec<f32>) {
    patches.resize(input.len(), 0.0);
    for (from, to) in lines(c, input.len()) {
        patches[to..to + c.patch_size].copy_from_slice(&input[from..from + c.patch_size]);
    }
}

/// The inverse of [`cut`].
pub fn join(c: &VitConfig, patches: &[f32]) -> Vec<f32> {
    let mut images = vec![0.0; patches.len()];
    for (to, from) in lines(c, patches.len()) {
        images[to..to + c.patch_size].copy_from_slice(&patches[from..from + c.patch_size]);
    }
    images
}

/// Where each line of p pixels lies: in the images, and in the patch rows.
fn lines(c: &VitConfig, len: usize) -> impl Iterator<Item = (usize, usize)> {
    let (p, side, grid, width) = (c.patch_size, c.image_size, c.grid(), c.patch_len());
    let (per_image, patches) = (c.input_len(), c.tokens() - 1);
    (0..len / p).map(move |line| {
        let (row, inner) = (line / (width / p), line % (width / p));
        let (image, index) = (row / patches, row % patches);
        let (channel, y) = (inner / p, index / grid * p + inner % p);
        (image * per_image + (channel * side + y) * side + index % grid * p, line * p)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_cut_row_by_row_and_joined_again() {
        let c = VitConfig { in_channels: 3, patch_size: 2, ..VitConfig::tiny16(4) };
        let input: Vec<f32> = (0..2 * c.input_len()).map(|v| v as f32).collect();
        let mut patches = Vec::new();
        cut(&c, &input, &mut patches);
        assert_eq!(patches[..12], [0.0, 1.0, 4.0, 5.0, 16.0, 17.0, 20.0, 21.0, 32.0, 33.0, 36.0, 37.0]);
        assert_eq!(patches[12..14], [2.0, 3.0]);
        assert_eq!(join(&c, &patches), input);
    }
}
