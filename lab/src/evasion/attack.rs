//! What an attack is: images in, changed images out, inside a ball.

use anyhow::Result;

/// One image to attack.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// CHW in [0, 1].
    pub image: &'a [f32],
    /// Its true class.
    pub class: usize,
    /// Seed of all that is random about this image.
    pub seed: u64,
}

/// An attack, ready to run.
pub trait Attack: Sync {
    /// Changed images in the order of the targets. `restart` counts from 0; each is an attempt of its own.
    ///
    /// # Errors
    /// Where the attacked pipeline refuses an image.
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>>;
}

/// The classes of targets.
pub(super) fn classes(targets: &[Target]) -> Vec<usize> {
    targets.iter().map(|t| t.class).collect()
}

/// Borrowed points, as objectives take them.
pub(super) fn views(points: &[Vec<f32>]) -> Vec<&[f32]> {
    points.iter().map(Vec::as_slice).collect()
}
