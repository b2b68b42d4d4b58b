//! Detection and purification together: what a user's device answers in the end.

use anyhow::Result;

use super::purification::{Draw, Purification, Setting};
use crate::evasion::{
    attack::Target,
    judge::{Judge, Judgement},
    run::Referee,
};

/// Where an image is purified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On the device, as a whole.
    Device,
    /// By relays, as tiles.
    Relays,
}

/// The whole defence: detector, purifier, classifier.
#[derive(Clone, Copy)]
pub struct Defence<'a> {
    /// Classifier and detector.
    pub judge: Judge<'a>,
    /// Purifier.
    pub purification: &'a Purification,
    /// Steps of DDIM.
    pub steps: u8,
    /// Where.
    pub place: Place,
}

impl Defence<'_> {
    /// What is said of the purified image, whose score was `score` before.
    ///
    /// # Errors
    /// Where the purifier or the pipeline refuses the image.
    pub fn judge_purified(&self, image: &[f32], score: Option<f64>, draw: Draw) -> Result<Judgement> {
        self.judge.judge(&self.purified(image, self.setting(score), draw)?)
    }

    /// How an image of this score is purified.
    pub fn setting(&self, score: Option<f64>) -> Setting {
        Setting { t: self.purification.level(score), steps: self.steps }
    }

    /// The purified image.
    ///
    /// # Errors
    /// Where the purifier refuses image or setting.
    pub fn purified(&self, image: &[f32], setting: Setting, draw: Draw) -> Result<Vec<f32>> {
        match self.place {
            Place::Device => self.purification.purify(image, setting, draw),
            Place::Relays => self.purification.purify_tiles(image, setting, draw),
        }
    }

    /// What is said of the image in the end: as it is where it is not flagged, else purified.
    ///
    /// # Errors
    /// As [`Self::judge_purified`].
    pub fn answer(&self, image: &[f32], first: &Judgement, draw: Draw) -> Result<Judgement> {
        if first.flagged { self.judge_purified(image, first.score, draw) } else { Ok(first.clone()) }
    }
}

/// The attacker's own trial of an image against the whole defence, with noise of the attacker's own: the defender's comes later.
pub struct Trial<'a> {
    /// What is tried.
    pub defence: Defence<'a>,
    /// Draws of the noise.
    pub draws: u64,
}

impl Referee for Trial<'_> {
    /// Twice the share of draws that end in a wrong answer.
    fn success(&self, image: &[f32], target: &Target) -> Result<(f64, Judgement)> {
        let first = self.defence.judge.judge(image)?;
        let draws = if first.flagged { self.draws } else { 1 };
        let mut wrong = 0;
        for draw in 0..draws {
            let last = self.defence.answer(image, &first, Draw::attackers(target.seed, draw))?;
            wrong += u64::from(last.answer != target.class);
        }
        Ok((2.0 * wrong as f64 / draws as f64, first))
    }
}
