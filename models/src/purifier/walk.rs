//! From a noised image to a clean one in a few steps (DDIM, Song et al. 2021, arXiv 2010.02502, with η = 0: nothing is drawn).
//!
//! Values are in diffusion units: a pixel p of 0..=1 is 2p - 1.

use crate::{
    ModelError,
    unet::{MAX_T, Schedule},
};

/// Most steps of a walk.
pub const MAX_STEPS: u8 = 20;

/// `√ᾱ · (2p - 1) + √(1 - ᾱ) · noise` of each pixel p of 0..=1, in diffusion units; `noise` is standard normal and as long as `pixels`.
pub fn add_noise(schedule: Schedule, pixels: &[f32], noise: &[f32], t: u16) -> Vec<f32> {
    let [image, rest] = schedule.shares(t);
    pixels.iter().zip(noise).map(|(pixel, noise)| image * (2.0 * pixel - 1.0) + rest * noise).collect()
}

/// The clean image that noised values `x` at level `t` come from if `eps` is the noise in them: `(x - √(1 - ᾱ) · eps) / √ᾱ`, held
/// within ±1.
pub fn clean_estimate(schedule: Schedule, x: &[f32], eps: &[f32], t: u16) -> Vec<f32> {
    let [image, rest] = schedule.shares(t);
    x.iter().zip(eps).map(|(x, eps)| ((x - rest * eps) / image).clamp(-1.0, 1.0)).collect()
}

/// The noise levels of a walk: `t` first, evenly down, 0 last; one more than there are steps. No level comes twice, so there are
/// at most `t` steps.
pub fn ddim_levels(t: u16, steps: u8) -> Vec<u16> {
    let steps = u32::from(steps).min(u32::from(t));
    let level = |left: u32| ((u32::from(t) * left + steps / 2) / steps.max(1)) as u16;
    (0..=steps).rev().map(level).collect()
}

/// One image or tile on its way from noise to clean.
///
/// Where the noise is told from the image (the CPU engine, a GPU, a batch of many) is the caller's: ask for [`Self::pending`], hand the
/// answer to [`Self::advance`].
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    schedule: Schedule,
    values: Vec<f32>,
    levels: Vec<u16>,
    done: usize,
}

impl Walk {
    /// A walk from `values`, already noised to level `t`, in `steps` steps (fewer where `t` is smaller).
    ///
    /// # Errors
    /// [`ModelError::Purification`] where `t` is outside 1..=1000, `steps` outside 1..=20, or a value is not finite.
    pub fn new(schedule: Schedule, values: Vec<f32>, t: u16, steps: u8) -> Result<Self, ModelError> {
        if !(1..=MAX_T).contains(&t) || !(1..=MAX_STEPS).contains(&steps) {
            return Err(refuse(format!("noise level {t} or {steps} steps are outside 1..={MAX_T} and 1..={MAX_STEPS}")));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(refuse("a value is not finite".into()));
        }
        Ok(Self { schedule, values, levels: ddim_levels(t, steps), done: 0 })
    }

    /// Steps that were made.
    pub const fn done(&self) -> usize {
        self.done
    }

    /// Steps from start to end.
    pub fn total(&self) -> usize {
        self.levels.len() - 1
    }

    /// The values now, in diffusion units: after the last step the clean image, within ±1.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// What the network is to look at next: the values and their noise level; nothing after the last step.
    pub fn pending(&self) -> Option<(&[f32], u16)> {
        (self.done < self.total()).then(|| (self.values.as_slice(), self.levels[self.done]))
    }

    /// Makes the step for which the network answered `eps`; nothing after the last one.
    ///
    /// The noise is taken anew from the clamped clean image (as Dhariwal & Nichol 2021 do), so that values stay in range.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where `eps` has another length or a value that is not finite.
    pub fn advance(&mut self, eps: &[f32]) -> Result<(), ModelError> {
        self.check_answer(eps)?;
        let [Some(from), Some(to)] = [self.levels.get(self.done), self.levels.get(self.done + 1)] else { return Ok(()) };
        let clean = clean_estimate(self.schedule, &self.values, eps, *from);
        let ([image, rest], [next_image, next_rest]) = (self.schedule.shares(*from), self.schedule.shares(*to));
        for (value, clean) in self.values.iter_mut().zip(&clean) {
            let noise = (*value - image * clean) / rest;
            *value = next_image * clean + next_rest * noise;
        }
        self.done += 1;
        Ok(())
    }

    fn check_answer(&self, eps: &[f32]) -> Result<(), ModelError> {
        if eps.len() != self.values.len() || eps.iter().any(|value| !value.is_finite()) {
            return Err(refuse("the network's answer has another length or a value that is not finite".into()));
        }
        Ok(())
    }

    /// The values as pixels, within 0..=1.
    pub fn into_pixels(self) -> Vec<f32> {
        self.values.into_iter().map(|value| ((value + 1.0) / 2.0).clamp(0.0, 1.0)).collect()
    }
}

/// Makes the next step of every walk that is not at its end, with one call of `predict`: values and noise levels to the noise in each.
/// The number of walks that moved; 0 where all are at their end.
///
/// # Errors
/// Those of `predict`; [`ModelError::Purification`] where its answer does not fit. No walk has moved then.
pub fn step_together(
    walks: &mut [Walk],
    mut predict: impl FnMut(&[&[f32]], &[u16]) -> Result<Vec<Vec<f32>>, ModelError>,
) -> Result<usize, ModelError> {
    let (values, levels): (Vec<&[f32]>, Vec<u16>) = walks.iter().filter_map(Walk::pending).unzip();
    if values.is_empty() {
        return Ok(0);
    }
    let (asked, answers) = (values.len(), predict(&values, &levels)?);
    if answers.len() != asked {
        return Err(refuse(format!("the network answered for {} of {asked} images", answers.len())));
    }
    let mut moving: Vec<&mut Walk> = walks.iter_mut().filter(|walk| walk.pending().is_some()).collect();
    // All are looked at before the first moves, so that a batch that failed can be tried again.
    moving.iter().zip(&answers).try_for_each(|(walk, eps)| walk.check_answer(eps))?;
    moving.iter_mut().zip(&answers).try_for_each(|(walk, eps)| walk.advance(eps))?;
    Ok(asked)
}

/// Walks many tiles to their end, all in one batch a step; as [`step_together`].
///
/// # Errors
/// As [`step_together`].
pub fn walk_tiles(
    walks: &mut [Walk],
    mut predict: impl FnMut(&[&[f32]], &[u16]) -> Result<Vec<Vec<f32>>, ModelError>,
) -> Result<(), ModelError> {
    while step_together(walks, &mut predict)? > 0 {}
    Ok(())
}

fn refuse(reason: String) -> ModelError {
    ModelError::Purification { reason }
}
