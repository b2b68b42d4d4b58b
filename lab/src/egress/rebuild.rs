//! From placed tiles to an image: denoise, paste, fill what is missing.

use anyhow::Result;
use models::{
    CpuMae, Mask, Preprocess, Purifier,
    mae::patchify,
    purifier::{Walk, walk_tiles},
};

use super::{
    jigsaw::Placement,
    prior::Prior,
    traffic::{Origin, Traffic},
};

/// Weight from which a pixel counts as shown by a tile.
const SHOWN: f32 = 0.01;

/// What stands where no tile lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Nothing.
    Black,
    /// The median training image.
    Median,
    /// The image that the tiles let expect, by principal components.
    Components,
    /// What the pack's masked autoencoder draws.
    Mae,
}

impl Fill {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Black, Self::Median, Self::Components, Self::Mae];

    /// Its name in a record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::Median => "median image",
            Self::Components => "principal components",
            Self::Mae => "masked autoencoder",
        }
    }
}

/// The tiles as the purifier cleans them in so many steps, still turned, `[C, side, side]` in 0 to 1.
///
/// # Errors
/// Where the purifier refuses them.
pub fn purified(purifier: &Purifier, traffic: &Traffic, side: usize, steps: u8) -> Result<Vec<Vec<f32>>> {
    let schedule = purifier.card.schedule;
    let [image, _] = schedule.shares(traffic.t);
    let walk = |values: &[f32]| Walk::new(schedule, values.iter().map(|v| (2.0 * v - 1.0) * image).collect(), traffic.t, steps);
    let mut walks: Vec<Walk> = traffic.tiles.iter().map(|seen| walk(&seen.values)).collect::<Result<_, _>>()?;
    walk_tiles(&mut walks, |values, levels| purifier.unet.noise_of_many(values, [side, side], levels))?;
    Ok(walks.into_iter().map(Walk::into_pixels).collect())
}

/// The tiles as the Gaussian of the place where each is thought to lie cleans them, turned upright.
pub fn filtered(prior: &Prior, noise: f32, upright: &[Vec<f32>], placement: &Placement) -> Vec<Vec<f32>> {
    let clean = |(values, origin): (&Vec<f32>, &Option<Origin>)| {
        let gaussian = origin.map_or(&prior.decoy, |(place, _)| &prior.places[place]);
        gaussian.denoise(values, noise)
    };
    upright.iter().zip(placement).map(clean).collect()
}

/// Upright tiles at their places, and how much of each pixel they show, both CHW; pixels that no tile shows are 0.
pub struct Pasted {
    image: Vec<f32>,
    weight: Vec<f32>,
}

impl Pasted {
    /// Pastes the tiles; those without a place are left out.
    pub fn new(prior: &Prior, tiles: &[Vec<f32>], placement: &Placement) -> Self {
        let (grid, channels) = (&prior.grid, prior.channels);
        let values = channels * grid.tile() * grid.tile();
        let (nothing, all) = (vec![0.0; values], vec![1.0; values]);
        let (mut shown, mut known) = (vec![nothing.as_slice(); grid.places()], vec![nothing.as_slice(); grid.places()]);
        for (tile, origin) in tiles.iter().zip(placement) {
            if let Some((place, _)) = origin {
                (shown[*place], known[*place]) = (tile.as_slice(), all.as_slice());
            }
        }
        let (mut image, weight) = (grid.blend(channels, shown), grid.blend(channels, known));
        let whole = |(value, weight): (&mut f32, &f32)| *value = if *weight > SHOWN { *value / weight } else { 0.0 };
        image.iter_mut().zip(&weight).for_each(whole);
        Self { image, weight }
    }

    /// The image with `fill` where no tile lies.
    pub fn over(&self, fill: &[f32]) -> Vec<f32> {
        let values = self.image.iter().zip(&self.weight).zip(fill);
        values.map(|((value, weight), fill)| if *weight > SHOWN { *value } else { *fill }.clamp(0.0, 1.0)).collect()
    }

    /// The image with what the masked autoencoder draws where less than half of a patch is shown. It draws patches without brightness
    /// and contrast; those are taken from `guess`, which also completes the patches that it sees.
    ///
    /// # Errors
    /// Where the network takes images of another size.
    pub fn inpainted(&self, mae: &CpuMae, preprocess: &Preprocess, guess: &[f32]) -> Result<Vec<f32>> {
        let config = &mae.config().encoder;
        let filled = self.over(guess);
        let shown = |patch: &[f32]| patch.iter().filter(|weight| **weight > SHOWN).count() * 2 >= patch.len();
        let weights = patchify(&self.weight, config)?;
        let shown = weights.chunks_exact(config.patch_len()).enumerate().filter(|(_, patch)| shown(patch));
        let visible: Vec<usize> = shown.map(|(index, _)| index).collect();
        let mask = Mask::seeing(&visible, weights.len() / config.patch_len());
        if mask.visible.is_empty() || mask.masked.is_empty() {
            return Ok(filled);
        }
        let drawn = mae.reconstruct(&preprocess.input_of(&filled), &mask)?;
        let mut fill = filled.clone();
        for (patch, values) in mask.masked.iter().zip(drawn.chunks_exact(config.patch_len())) {
            lay(&mut fill, values, *patch, config);
        }
        Ok(self.over(&fill))
    }
}

/// Puts a drawn patch into an image, with the brightness and contrast that the image has there.
fn lay(image: &mut [f32], drawn: &[f32], patch: usize, config: &models::VitConfig) {
    let (size, side, channels) = (config.image_size, config.patch_size, config.in_channels);
    let (top, left) = (patch / config.grid() * side, patch % config.grid() * side);
    let at = |index: usize| {
        let (pixel, channel) = (index / channels, index % channels);
        channel * size * size + (top + pixel / side) * size + left + pixel % side
    };
    let count = drawn.len() as f32;
    let mean = (0..drawn.len()).map(|i| image[at(i)]).sum::<f32>() / count;
    let contrast = ((0..drawn.len()).map(|i| (image[at(i)] - mean).powi(2)).sum::<f32>() / count).sqrt();
    drawn.iter().enumerate().for_each(|(i, value)| image[at(i)] = (mean + contrast * value).clamp(0.0, 1.0));
}
