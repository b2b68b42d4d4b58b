//! A lesion: the mask that a person drew around it, and what a threshold finds there.

use crate::attack::fidelity::{self, WINDOW};

/// Pixels that mask and box are grown by: the border of a lesion belongs to it.
pub const MARGIN: usize = 3;
/// Bins of the histogram that the threshold is found on.
const BINS: usize = 256;

/// A lesion in an image of `side` × `side` pixels.
#[derive(Clone, Debug)]
pub struct Lesion {
    side: usize,
    /// The mask, grown by [`MARGIN`].
    inside: Vec<bool>,
    /// The mask's tight box, grown by [`MARGIN`].
    in_box: Vec<bool>,
    mask: Vec<bool>,
}

/// How alike two images are in a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike {
    /// PSNR of the region's pixels in dB.
    pub psnr: f64,
    /// Mean SSIM of the windows whose centre lies in the region.
    pub ssim: f64,
}

impl Lesion {
    /// A lesion from its mask, one value a pixel; none where the mask is empty.
    pub fn new(mask: Vec<bool>, side: usize) -> Option<Self> {
        let marked = || (0..mask.len()).filter(|i| mask[*i]);
        let (left, right) = (marked().map(|i| i % side).min()?, marked().map(|i| i % side).max()?);
        let (top, bottom) = (marked().map(|i| i / side).min()?, marked().map(|i| i / side).max()?);
        let near = |at: usize, low: usize, high: usize| (low.saturating_sub(MARGIN)..=high + MARGIN).contains(&at);
        let in_box = (0..mask.len()).map(|i| near(i % side, left, right) && near(i / side, top, bottom)).collect();
        Some(Self { side, inside: grown(&mask, side, MARGIN), in_box, mask })
    }

    /// How alike two images (CHW in [0, 1]) are inside the grown mask, and outside it.
    pub fn compare(&self, before: &[f32], after: &[f32]) -> (Alike, Alike) {
        let map = fidelity::ssim_map(before, after, self.side);
        let outside: Vec<bool> = self.inside.iter().map(|inside| !inside).collect();
        let alike = |region: &[bool]| Alike {
            psnr: fidelity::psnr(&self.pick(before, region), &self.pick(after, region)),
            ssim: mean_in(&map, region, self.side),
        };
        (alike(&self.inside), alike(&outside))
    }

    /// The brighter side of Otsu's threshold (1979) over the grown box of one channel of the image.
    pub fn segment(&self, image: &[f32]) -> Vec<bool> {
        let plane = &image[..self.side * self.side];
        let threshold = otsu(&self.pick(plane, &self.in_box));
        plane.iter().zip(&self.in_box).map(|(value, in_box)| *in_box && *value > threshold).collect()
    }

    /// Overlap of a segmentation with the mask (Dice).
    pub fn dice(&self, found: &[bool]) -> f64 {
        dice(found, &self.mask)
    }

    /// The values of a region, channel by channel.
    fn pick(&self, image: &[f32], region: &[bool]) -> Vec<f32> {
        let planes = image.chunks_exact(self.side * self.side);
        planes.flat_map(|plane| plane.iter().zip(region).filter(|(_, inside)| **inside).map(|(value, _)| *value)).collect()
    }
}

/// Twice the common area over the sum of the areas; 1 where both are empty.
pub fn dice(a: &[bool], b: &[bool]) -> f64 {
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as f64;
    let sum = (area(a) + area(b)) as f64;
    if sum > 0.0 { 2.0 * both / sum } else { 1.0 }
}

/// Pixels of a segmentation.
pub fn area(found: &[bool]) -> usize {
    found.iter().filter(|f| **f).count()
}

/// The mask with every pixel that lies within `by` of it, along lines, columns or both.
fn grown(mask: &[bool], side: usize, by: usize) -> Vec<bool> {
    let near = |at: usize| at.saturating_sub(by)..=(at + by).min(side - 1);
    let touched = |i: usize| near(i / side).any(|row| near(i % side).any(|column| mask[row * side + column]));
    (0..mask.len()).map(touched).collect()
}

/// Mean of the map's windows whose centre lies in the region; where there is none, of all.
fn mean_in(map: &[f64], region: &[bool], side: usize) -> f64 {
    let (inner, half) = (side - WINDOW + 1, WINDOW / 2);
    let centre = |i: usize| (i / inner + half) * side + i % inner + half;
    let chosen: Vec<f64> = (0..map.len()).filter(|i| region[centre(*i)]).map(|i| map[i]).collect();
    let values = if chosen.is_empty() { map } else { &chosen };
    values.iter().sum::<f64>() / values.len() as f64
}

/// The threshold that parts values in [0, 1] into two classes of the largest variance between them (Otsu 1979).
fn otsu(values: &[f32]) -> f32 {
    let mut counts = [0.0f64; BINS];
    values.iter().for_each(|v| counts[((v.clamp(0.0, 1.0) * BINS as f32) as usize).min(BINS - 1)] += 1.0);
    let total: f64 = counts.iter().sum();
    let all: f64 = counts.iter().enumerate().map(|(bin, count)| bin as f64 * count).sum();
    let (mut below, mut sum, mut best, mut threshold) = (0.0, 0.0, -1.0, 0);
    for (bin, count) in counts.iter().enumerate() {
        below += count;
        sum += bin as f64 * count;
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let between = below * above * (sum / below - (all - sum) / above).powi(2);
        if between > best {
            (best, threshold) = (between, bin);
        }
    }
    (threshold + 1) as f32 / BINS as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 32;

    fn square(from: usize, to: usize) -> Vec<bool> {
        (0..SIDE * SIDE).map(|i| (from..to).contains(&(i % SIDE)) && (from..to).contains(&(i / SIDE))).collect()
    }

    /// A bright square on a grey ground.
    fn image(from: usize, to: usize) -> Vec<f32> {
        square(from, to).iter().enumerate().map(|(i, lit)| if *lit { 0.8 } else { 0.3 + (i % 5) as f32 / 100.0 }).collect()
    }

    #[test]
    fn the_threshold_finds_a_bright_lesion_and_notices_that_it_grew() {
        let lesion = Lesion::new(square(12, 20), SIDE).unwrap();
        let before = lesion.segment(&image(12, 20));
        assert_eq!((area(&before), lesion.dice(&before)), (64, 1.0));
        let after = lesion.segment(&image(11, 20));
        assert_eq!(area(&after), 81);
        assert!((dice(&before, &after) - 128.0 / 145.0).abs() < 1e-12);
    }

    #[test]
    fn a_change_inside_is_not_seen_outside() {
        let lesion = Lesion::new(square(12, 20), SIDE).unwrap();
        let (before, mut after) = (image(12, 20), image(12, 20));
        after[15 * SIDE + 15] = 0.1;
        let (inside, outside) = lesion.compare(&before, &after);
        assert!(inside.psnr < 30.0 && inside.ssim < 0.99, "{inside:?}");
        assert!(outside.psnr == 100.0 && outside.ssim > inside.ssim, "{outside:?}");
        // A pixel beyond the mask and within the margin belongs to the lesion.
        let mut border = before.clone();
        border[15 * SIDE + 11] = 0.9;
        assert!(lesion.compare(&before, &border).0.psnr < 40.0);
    }

    #[test]
    fn an_empty_mask_is_no_lesion() {
        assert!(Lesion::new(vec![false; SIDE * SIDE], SIDE).is_none());
    }
}
