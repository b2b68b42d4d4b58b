//! How much a purified image differs from the one it was made of.

use serde::Serialize;

/// How many times over [`Change::picture`] shows a difference.
const GAIN: f32 = 8.0;

/// The difference between two images, in pixels of 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Peak signal to noise ratio in decibels; nothing where the images are equal.
    pub psnr: Option<f64>,
    /// The largest change of one value, 0 to 1.
    pub max: f32,
}

impl Change {
    /// The change from one image to another of the same length.
    pub fn between(before: &[f32], after: &[f32]) -> Self {
        let changes = || before.iter().zip(after).map(|(before, after)| (after - before).abs());
        let squares: f64 = changes().map(|change| f64::from(change).powi(2)).sum();
        let psnr = (squares > 0.0).then(|| 10.0 * (before.len() as f64 / squares).log10());
        Self { psnr, max: changes().fold(0.0, f32::max) }
    }

    /// What a person sees of the change: each value's difference, eight-fold, as a pixel of 0 to 1.
    pub fn picture(before: &[f32], after: &[f32]) -> Vec<f32> {
        before.iter().zip(after).map(|(before, after)| (GAIN * (after - before).abs()).min(1.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_decibels_and_by_its_largest_value() {
        let change = Change::between(&[0.5, 0.5, 0.5, 0.5], &[0.5, 0.5, 0.5, 0.3]);
        // The mean square is 0.01: 20 dB.
        assert!((change.psnr.unwrap() - 20.0).abs() < 1e-4 && (change.max - 0.2).abs() < 1e-6, "{change:?}");
        assert_eq!(Change::between(&[0.25], &[0.25]), Change { psnr: None, max: 0.0 });
        assert_eq!(Change::picture(&[0.5, 0.5, 0.5], &[0.5, 0.5625, 0.25]), [0.0, 0.5, 1.0]);
    }
}
