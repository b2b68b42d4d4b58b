//! The classifier as it stands behind the purifier, over the noise that the defender may draw.

use models::purifier::add_noise;
use sha2::{Digest, Sha256};

use super::walk::WalkSlope;
use crate::{
    evasion::{
        attack::views,
        filters::back_through,
        objective::{Objective, Slope},
    },
    purify::{
        defence::Defence,
        purification::{Draw, Setting},
    },
};

/// How an attacker takes slopes back through the purifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// As if the purifier changed nothing (backward pass differentiable approximation, Athalye et al. 2018).
    Identity,
    /// Through every step of its walk.
    Full,
}

/// The mean of the classifier's objective over draws of the noise (expectation over transformation, Athalye et al. 2018). For an image
/// that is not flagged, and so not purified, that of the image as it is comes on top.
pub struct Behind<'a> {
    /// The classifier.
    pub classifier: &'a dyn Objective,
    /// What stands before it.
    pub defence: Defence<'a>,
    /// The purifier as something that can be gone back through.
    pub walk: &'a WalkSlope,
    /// The way back.
    pub back: Back,
    /// Draws of the noise at each point.
    pub draws: u64,
}

impl Behind<'_> {
    fn one(&self, image: &[f32], class: usize) -> Slope {
        let judgement = self.defence.judge.judge(image).ok();
        let flagged = judgement.as_ref().is_some_and(|j| j.flagged);
        let setting = self.defence.setting(judgement.and_then(|j| j.score));
        let mut sum = self.purified(image, class, setting);
        if !flagged {
            let plain = self.classifier.slopes(&[image], &[class]).remove(0);
            sum.value += plain.value;
            sum.gradient.iter_mut().zip(plain.gradient).for_each(|(s, g)| *s += g);
            sum.slack = sum.slack.min(plain.slack);
        }
        sum
    }

    /// Mean over the draws; the slack is that of the draw that is worst for the attacker.
    fn purified(&self, image: &[f32], class: usize, setting: Setting) -> Slope {
        let (len, draws) = (image.len(), self.draws as usize);
        let card = self.defence.purification.card();
        let schedule = card.schedule;
        // Other noise at every point, and the same whenever the run is repeated.
        let seed = seed_of(image);
        let noised = (0..self.draws).flat_map(|draw| {
            let noise = Draw::attackers(seed, draw).noise(len);
            add_noise(schedule, image, &noise, setting.t)
        });
        let walked = self.walk.forward(noised.collect(), draws, setting);
        let pixels = |clean: &[f32]| card.smooth(clean.iter().map(|v| (v + 1.0) / 2.0).collect(), setting.t);
        let pixels: Vec<Vec<f32>> = walked.clean.chunks_exact(len).map(pixels).collect();
        let slopes = self.classifier.slopes(&views(&pixels), &vec![class; draws]);
        let mut gradients: Vec<f32> = slopes.iter().flat_map(|s| s.gradient.iter().copied()).collect();
        if self.back == Back::Full {
            if let Some(filter) = card.smoothing_at(setting.t) {
                let side = (len / card.architecture.in_channels).isqrt();
                gradients = gradients.chunks_exact(len).flat_map(|slope| back_through(filter, slope, side)).collect();
            }
            // Pixels are half of the clean values, and enter the noised ones as √ᾱ (2p − 1).
            let share = schedule.shares(setting.t)[0];
            gradients = self.walk.backward(walked, gradients).into_iter().map(|g| share * g).collect();
        }
        let mut gradient = vec![0.0; len];
        for part in gradients.chunks_exact(len) {
            gradient.iter_mut().zip(part).for_each(|(sum, g)| *sum += g / draws as f32);
        }
        Slope {
            value: slopes.iter().map(|s| s.value).sum::<f64>() / draws as f64,
            gradient,
            slack: slopes.iter().map(|s| s.slack).fold(f64::MAX, f64::min),
        }
    }
}

impl Objective for Behind<'_> {
    fn slopes(&self, images: &[&[f32]], classes: &[usize]) -> Vec<Slope> {
        images.iter().zip(classes).map(|(image, class)| self.one(image, *class)).collect()
    }
}

fn seed_of(image: &[f32]) -> u64 {
    let mut hash = Sha256::new();
    image.iter().for_each(|value| hash.update(value.to_le_bytes()));
    hash.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}
