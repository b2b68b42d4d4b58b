//! Images as rows of patches, and what a masked autoencoder is to draw.

use crate::{ModelError, VitConfig};

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
    let (size, side) = (config.image_size, config.patch_size);
    let mut patches = Vec::with_capacity(input.len());
    for patch in 0..config.grid() * config.grid() {
        let (top, left) = (patch / config.grid() * side, patch % config.grid() * side);
        for pixel in 0..side * side {
            let place = (top + pixel / side) * size + left + pixel % side;
            patches.extend((0..config.in_channels).map(|channel| input[channel * size * size + place]));
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
    let mean = patch.iter().sum::<f32>() / count;
    let squares = patch.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>();
    let variance = squares / (count - 1.0).max(1.0);
    let scale = 1.0 / (variance + VARIANCE_FLOOR).sqrt();
    patch.iter_mut().for_each(|value| *value = (*value - mean) * scale);
}
