//! What purification does to clean images with a lesion: how alike they stay inside and outside it, whether a threshold still finds
//! it as large, and whether the answer changes.

use anyhow::{Context, Result, ensure};
use models::{Preprocess, decode};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    defence::{Defence, Place},
    lesion::{Alike, Lesion, area, dice},
    purification::{Draw, Setting},
};
use crate::{
    attack::{fidelity, record::Estimate},
    data::Split,
    evasion::{cases::seed_of, judge::Judgement},
    train::augment,
};

/// One image with its lesion.
pub struct Marked {
    /// CHW in [0, 1], as the encoder sees it.
    pub image: Vec<f32>,
    /// The lesion.
    pub lesion: Lesion,
    /// Independent unit.
    pub group: String,
    /// Seed of its noise.
    pub seed: u64,
}

/// Pairs images with the masks of the same rows of the index, both letterboxed to the model's size; rows with an empty mask are left out.
///
/// # Errors
/// Where a file is no image, or the splits are not of the same rows.
pub fn marked(preprocess: &Preprocess, images: &Split, masks: &Split, seed: u64) -> Result<Vec<Marked>> {
    ensure!(images.samples.len() == masks.samples.len(), "there are not as many masks as images");
    let pixels = images.pixels(preprocess)?;
    let mut found = Vec::new();
    for ((sample, pixels), mask) in images.samples.iter().zip(&pixels).zip(&masks.samples) {
        let picture = decode(&mask.bytes).with_context(|| format!("cannot decode {}", mask.file))?;
        let channels = preprocess.channels.count();
        let mask = preprocess.letterbox(&picture).pixels.iter().step_by(channels).map(|value| *value > 127).collect();
        let Some(lesion) = Lesion::new(mask, preprocess.size) else { continue };
        let image = augment::plain(pixels, preprocess.size);
        found.push(Marked { image, lesion, group: sample.group.clone(), seed: seed_of(&sample.file, seed) });
    }
    ensure!(!found.is_empty(), "no image of this split has a mask");
    Ok(found)
}

/// Figures at one level and number of steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FidelityRow {
    /// Noise level.
    pub t: u16,
    /// Steps of DDIM.
    pub steps: u8,
    /// Where.
    pub place: Place,
    /// PSNR and SSIM of the whole image.
    pub whole: [Estimate; 2],
    /// The same inside the lesion.
    pub inside: [Estimate; 2],
    /// The same outside.
    pub outside: [Estimate; 2],
    /// Size of the change of the lesion's area, relative to the area before, without its sign.
    pub area_change: Estimate,
    /// The same with its sign: below 0 where lesions shrink.
    pub area_drift: Estimate,
    /// Overlap (Dice) of the lesion before and after, as the threshold finds it.
    pub overlap: Estimate,
    /// Share of images whose answer changes.
    pub flips: Estimate,
    /// Images whose answer changes.
    pub flipped: usize,
}

/// One run of `lab fidelity`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FidelityRecord {
    /// Model.
    pub model: String,
    /// Version of the model.
    pub version: String,
    /// SHA-256 of the purifier.
    pub purifier: String,
    /// Data set.
    pub data: String,
    /// Split.
    pub split: String,
    /// Images.
    pub n: usize,
    /// Independent groups of images.
    pub groups: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// The command line.
    pub command: String,
    /// Pixels that a mask is grown by.
    pub margin: usize,
    /// Overlap (Dice) of what the threshold finds before purification with the mask: how good a segmenter it is.
    pub segmenter: Estimate,
    /// By level and steps.
    pub rows: Vec<FidelityRow>,
}

/// What purification does to one image.
struct Change {
    whole: Alike,
    inside: Alike,
    outside: Alike,
    area: f64,
    overlap: f64,
    flipped: bool,
}

/// Figures of purifying all `images` at level `t` by `defence`, of which the pipeline says `before`.
///
/// # Errors
/// Where purifier or pipeline refuse an image.
pub fn row(defence: &Defence, t: u16, images: &[Marked], before: &[Judgement]) -> Result<FidelityRow> {
    let setting = Setting { t, steps: defence.steps };
    let one = |(marked, before): (&Marked, &Judgement)| change(defence, setting, marked, before);
    let changes: Vec<Change> = images.par_iter().zip(before).map(one).collect::<Result<_>>()?;
    let groups: Vec<String> = images.iter().map(|marked| marked.group.clone()).collect();
    let of = |pick: &dyn Fn(&Change) -> f64| Estimate::of(&changes.iter().map(pick).collect::<Vec<f64>>(), &groups);
    let both = |pick: fn(&Change) -> Alike| [of(&|c| pick(c).psnr), of(&|c| pick(c).ssim)];
    Ok(FidelityRow {
        t,
        steps: defence.steps,
        place: defence.place,
        whole: both(|c| c.whole),
        inside: both(|c| c.inside),
        outside: both(|c| c.outside),
        area_change: of(&|c| c.area.abs()),
        area_drift: of(&|c| c.area),
        overlap: of(&|c| c.overlap),
        flips: of(&|c| f64::from(u8::from(c.flipped))),
        flipped: changes.iter().filter(|c| c.flipped).count(),
    })
}

fn change(defence: &Defence, setting: Setting, marked: &Marked, before: &Judgement) -> Result<Change> {
    let Marked { image, lesion, seed, .. } = marked;
    let purified = defence.purified(image, setting, Draw::defenders(*seed, 0))?;
    let (inside, outside) = lesion.compare(image, &purified);
    let (found, again) = (lesion.segment(image), lesion.segment(&purified));
    let side = defence.judge.pipeline.card.preprocess.size;
    Ok(Change {
        whole: Alike { psnr: fidelity::psnr(image, &purified), ssim: fidelity::ssim(image, &purified, side) },
        inside,
        outside,
        area: area(&again) as f64 / area(&found).max(1) as f64 - 1.0,
        overlap: dice(&found, &again),
        flipped: defence.judge.judge(&purified)?.answer != before.answer,
    })
}

/// How well the threshold finds the lesions of images as they are.
pub fn segmenter(images: &[Marked]) -> Estimate {
    let dices: Vec<f64> = images.iter().map(|marked| marked.lesion.dice(&marked.lesion.segment(&marked.image))).collect();
    Estimate::of(&dices, &images.iter().map(|marked| marked.group.clone()).collect::<Vec<_>>())
}
