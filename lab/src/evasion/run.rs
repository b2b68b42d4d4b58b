//! Attacks carried out on many images, as often as allowed, and judged by the real pipeline.

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::{
    attack::{Attack, Target},
    cases::Case,
    judge::{Judge, Judgement},
    objective::BATCH,
};

/// What an attack made of one image.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The attacked image, CHW in [0, 1].
    pub image: Vec<f32>,
    /// What the pipeline says of it.
    pub judgement: Judgement,
}

/// How attempts are counted.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// Most attempts at an image.
    pub restarts: usize,
    /// Whether the attacker wants a wrong answer that passes the detector; otherwise a wrong answer is enough.
    pub aware: bool,
}

/// Who decides whether an attempt succeeded.
pub trait Referee: Sync {
    /// How far an attacker got with `image` in place of the target's own, from 0 not at all to 2 all the way, and what the pipeline
    /// says of the image as it is.
    ///
    /// # Errors
    /// Where the pipeline refuses the image.
    fn success(&self, image: &[f32], target: &Target) -> Result<(f64, Judgement)>;
}

/// Attacks every case. An image is attempted again until an attempt succeeds, and only a better attempt replaces an earlier one, so
/// more restarts never help the defender. `progress` is called after each image.
///
/// # Errors
/// Where the pipeline refuses an image.
pub fn run(
    attack: &dyn Attack,
    referee: &dyn Referee,
    cases: &[Case],
    attempts: Attempts,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<Outcome>> {
    let chunk = |cases: &[Case]| {
        let outcomes = attempt_all(attack, referee, cases, attempts);
        cases.iter().for_each(|_| progress());
        outcomes
    };
    // Parts of the same size whatever the machine: a product of matrices may round by the number of its rows.
    let parts: Vec<Vec<Outcome>> = cases.par_chunks(BATCH).map(chunk).collect::<Result<_>>()?;
    Ok(parts.into_iter().flatten().collect())
}

fn attempt_all(attack: &dyn Attack, referee: &dyn Referee, cases: &[Case], attempts: Attempts) -> Result<Vec<Outcome>> {
    let enough = if attempts.aware { 2.0 } else { 1.0 };
    let mut best: Vec<Option<(f64, Outcome)>> = cases.iter().map(|_| None).collect();
    for restart in 0..attempts.restarts.max(1) {
        let open: Vec<usize> = (0..cases.len()).filter(|i| best[*i].as_ref().is_none_or(|b| b.0 < enough)).collect();
        if open.is_empty() {
            break;
        }
        let targets: Vec<Target> = open.iter().map(|i| cases[*i].target()).collect();
        let images = attack.attack(&targets, restart)?;
        for ((place, target), image) in open.into_iter().zip(&targets).zip(images) {
            let (success, judgement) = referee.success(&image, target)?;
            if best[place].as_ref().is_none_or(|b| success > b.0) {
                best[place] = Some((success, Outcome { image, judgement }));
            }
        }
    }
    best.into_iter().map(|b| Ok(b.context("an attack returned fewer images than it was given")?.1)).collect()
}

/// Judges every case as it is.
///
/// # Errors
/// Where the pipeline refuses an image.
pub fn judge_all(judge: &Judge, images: &[&[f32]]) -> Result<Vec<Judgement>> {
    images.par_iter().map(|image| judge.judge(image)).collect()
}
