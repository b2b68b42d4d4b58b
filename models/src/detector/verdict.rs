//! What a detector says about an image.

/// What a detector says about an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The higher, the less the image looks like the clean images; it is flagged from the card's threshold on.
    pub score: f32,
    /// The features' values before they are standardised, in the card's order.
    pub features: Vec<f32>,
    /// Error of each patch in deviations of clean images `[grid, grid]`.
    pub map: Vec<f32>,
    /// Share of the clean validation images with at least this score.
    pub clean_share: f64,
}

/// The share of the images behind ascending `quantiles` (0 %, …, 100 %) whose score is at least `score`, linear in between.
pub(super) fn share_above(quantiles: &[f32], score: f32) -> f64 {
    let below = quantiles.partition_point(|quantile| *quantile < score);
    let steps = quantiles.len() - 1;
    let Some(low) = below.checked_sub(1).map(|index| quantiles[index]) else { return 1.0 };
    let Some(high) = quantiles.get(below) else { return 0.0 };
    let part = f64::from(score - low) / f64::from(high - low);
    1.0 - ((below - 1) as f64 + part) / steps as f64
}
