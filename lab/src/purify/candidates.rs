//! Networks, steps and noise levels tried on validation images, clean and attacked.

use anyhow::Result;
use models::detector::Filter;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    levels::Bin,
    purification::{Draw, Purification, Setting},
};
use crate::evasion::judge::Judge;

/// One image, as the pipeline sees it without a purifier.
pub struct Sample {
    /// CHW in [0, 1].
    pub image: Vec<f32>,
    /// True class.
    pub class: usize,
    /// The detector's score.
    pub score: f64,
    /// Whether it is answered rightly as it is.
    pub right: bool,
    /// Seed of its noise.
    pub seed: u64,
}

/// The same images clean and under several attacks.
pub struct Material {
    /// Name of the data set.
    pub data: String,
    /// Names of the attacks.
    pub attacks: Vec<String>,
    /// The images: clean first, then of each attack.
    pub kinds: Vec<Vec<Sample>>,
    /// Images of at least this score are flagged.
    pub threshold: f32,
    /// Images of each kind, taken evenly, on which settings are compared and walks of several steps are tried.
    pub few: usize,
}

impl Material {
    /// Images of a kind.
    pub fn count(&self) -> usize {
        self.kinds.first().map_or(0, Vec::len)
    }

    /// Whether an image is one of the few.
    pub(super) fn is_few(&self, image: usize) -> bool {
        let (count, few) = (self.count(), self.few.min(self.count()));
        (image * few).div_ceil(count) * count / few.max(1) == image
    }

    /// Share of a kind's images that `good` holds for, of those that it knows.
    pub(super) fn share(&self, kind: usize, good: impl Fn(usize) -> Option<bool>) -> f64 {
        let known: Vec<bool> = (0..self.kinds[kind].len()).filter_map(good).collect();
        known.iter().filter(|good| **good).count() as f64 / known.len().max(1) as f64
    }

    /// Right answers of each kind as it is, of all images.
    pub fn as_they_are(&self) -> Vec<f64> {
        (0..self.kinds.len()).map(|kind| self.share(kind, |i| Some(self.kinds[kind][i].right))).collect()
    }

    /// Right answers of each kind behind detector and purifier, of those images that walks of so many steps are tried on.
    ///
    /// # Errors
    /// Where the purifier refuses an image.
    pub fn defended(&self, judge: &Judge, purification: &Purification) -> Result<Vec<f64>> {
        let card = purification.card();
        let end = |sample: &Sample| match card.level(sample.score as f32) {
            Some(t) => answers(judge, purification, sample, Setting { t, steps: card.steps }),
            None => Ok(sample.right),
        };
        let tried = |image: usize| card.steps == 1 || self.is_few(image);
        let of_kind = |samples: &Vec<Sample>| -> Result<f64> {
            let chosen: Vec<&Sample> = samples.iter().enumerate().filter(|(i, _)| tried(*i)).map(|(_, s)| s).collect();
            let right: Vec<bool> = chosen.par_iter().map(|sample| end(sample)).collect::<Result<_>>()?;
            Ok(right.iter().filter(|right| **right).count() as f64 / right.len().max(1) as f64)
        };
        self.kinds.iter().map(of_kind).collect()
    }
}

/// One network at one number of steps and one level, on every image whether flagged or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Network.
    pub network: String,
    /// Steps of DDIM.
    pub steps: u8,
    /// Noise level.
    pub t: u16,
    /// Filter at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing: Option<Filter>,
    /// Images of each kind.
    pub images: usize,
    /// Right answers of purified clean images.
    pub clean: f64,
    /// Right answers of purified attacked images, of each attack.
    pub attacked: Vec<f64>,
}

/// A candidate with its answers.
pub struct Tried {
    /// Network.
    pub network: String,
    /// Steps and level.
    pub setting: Setting,
    /// Filter at the end.
    pub smoothing: Option<Filter>,
    /// Whether each image of each kind is answered rightly; unknown where it was not tried.
    pub(super) right: Vec<Vec<Option<bool>>>,
}

impl Tried {
    /// Purifies every image of the material, or the few where it takes more than one step.
    ///
    /// # Errors
    /// Where the purifier refuses an image.
    pub fn new(judge: &Judge, network: &str, purification: &Purification, setting: Setting, material: &Material) -> Result<Self> {
        let one = |(i, sample): (usize, &Sample)| {
            let wanted = setting.steps == 1 || material.is_few(i);
            wanted.then(|| answers(judge, purification, sample, setting)).transpose()
        };
        let of_kind = |samples: &Vec<Sample>| samples.par_iter().enumerate().map(one).collect::<Result<Vec<_>>>();
        let right = material.kinds.iter().map(of_kind).collect::<Result<_>>()?;
        Ok(Self { network: network.into(), setting, smoothing: purification.card().smoothing, right })
    }

    /// Its figures on everything it was tried on.
    pub fn candidate(&self, material: &Material) -> Candidate {
        let of_kind = |kind: usize| material.share(kind, |i| self.right[kind][i]);
        let shares: Vec<f64> = (0..self.right.len()).map(of_kind).collect();
        Candidate {
            network: self.network.clone(),
            steps: self.setting.steps,
            t: self.setting.t,
            smoothing: self.smoothing,
            images: self.right[0].iter().flatten().count(),
            clean: shares[0],
            attacked: shares[1..].to_vec(),
        }
    }
}

/// A filter at the end by its name in cards; `none` where there is none.
pub fn smoothing_name(smoothing: Option<Filter>) -> &'static str {
    match smoothing {
        None => "none",
        Some(Filter::Mean3) => "mean-3x3",
        Some(Filter::Mean5) => "mean-5x5",
        Some(Filter::Mean7) => "mean-7x7",
    }
}

fn answers(judge: &Judge, purification: &Purification, sample: &Sample, setting: Setting) -> Result<bool> {
    let purified = purification.purify(&sample.image, setting, Draw::defenders(sample.seed, 0))?;
    Ok(judge.judge(&purified)?.answer == sample.class)
}

/// Right answers of flagged images at each level, by ranges of scores that begin at `from`; clean images count `clean_weight` times as
/// much as all attacks together.
pub fn bins(from: &[f32], levels: &[&Tried], material: &Material, clean_weight: f64) -> Vec<Bin> {
    let bin = |(place, low): (usize, &f32)| {
        let inside = |score: f64| score as f32 >= *low && from.get(place + 1).is_none_or(|next| (score as f32) < *next);
        let right = |one: &&Tried| {
            let of_kind = |(kind, right): (usize, &Vec<Option<bool>>)| {
                let weight = if kind == 0 { clean_weight * material.attacks.len() as f64 } else { 1.0 };
                let hits = right.iter().zip(&material.kinds[kind]);
                weight * hits.filter(|(right, sample)| **right == Some(true) && inside(sample.score)).count() as f64
            };
            one.right.iter().enumerate().map(of_kind).sum()
        };
        Bin { from_score: *low, right: levels.iter().map(right).collect() }
    };
    from.iter().enumerate().map(bin).collect()
}
