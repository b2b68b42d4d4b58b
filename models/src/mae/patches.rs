//! Images as rows of patches, and what a masked autoencoder is to draw.

use crate::{ModelError, VitConfig, vit::cpu::math::fold};

/// Added to a patch's variance, so that a patch of one colour becomes zeros.
pub const VARIANCE_FLOOR: f32 = 1e-6;

/// An input `[channels, size, size]` as patches `[patches, patch_len]`, each (row, column, channel) with the channel innermost, as the
/// `patchify` of the authors of MAE and of Hugging Face orders them.
///
/// # Errors
/// [`ModelError::InputLength`] where the input has another length.
pub fn patchify(input: &[f32], config: &VitConfig) -> Result<Vec<f32>, ModelError> {
    if input.len() != config.input_len() {
        return Err(ModelError::InputLength { expected: config.input_len(), found: input.len() });
    }
    let (size, side, channels) = (config.image_size, config.patch_size, config.in_channels);
    let mut patches = vec![0.0; input.len()];
    for (patch, values) in patches.chunks_exact_mut(config.patch_len()).enumerate() {
        let (top, left) = (patch / config.grid() * side, patch % config.grid() * side);
        for (row, line) in values.chunks_exact_mut(side * channels).enumerate() {
            for (channel, plane) in input.chunks_exact(size * size).enumerate() {
                let pixels = &plane[(top + row) * size + left..][..side];
                line.iter_mut().skip(channel).step_by(channels).zip(pixels).for_each(|(value, pixel)| *value = *pixel);
            }
        }
    }
    Ok(patches)
}

/// What the decoder is to draw: the patches of [`patchify`], each as `(x - mean) / sqrt(variance + 1e-6)`. The variance is PyTorch's,
/// with n - 1 in the denominator.
///
/// # Errors
/// [`ModelError::InputLength`] where the input has another length.
pub fn targets(input: &[f32], config: &VitConfig) -> Result<Vec<f32>, ModelError> {
    let mut patches = patchify(input, config)?;
    patches.chunks_exact_mut(config.patch_len()).for_each(normalise);
    Ok(patches)
}

fn normalise(patch: &mut [f32]) {
    let count = patch.len() as f32;
    let mean = fold(patch, |sum, value| sum + value) / count;
    let squares = fold(patch, |sum, value| sum + (value - mean) * (value - mean));
    let variance = squares / (count - 1.0).max(1.0);
    let scale = 1.0 / (variance + VARIANCE_FLOOR).sqrt();
    patch.iter_mut().for_each(|value| *value = (*value - mean) * scale);
}
