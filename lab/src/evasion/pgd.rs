//! Projected gradient descent (Madry et al. 2018), its single-step form FGSM (Goodfellow et al. 2015), and its form with momentum
//! that transfers best to other networks (MI-FGSM, Dong et al. 2018).

use anyhow::Result;

use super::{
    attack::{Attack, Target, classes, views},
    ball::{Ball, Norm, rng},
    objective::Objective,
};

/// Steps of a fixed size along the slope; the last point is the attacked image.
pub struct Pgd<'a> {
    /// What is climbed.
    pub objective: &'a dyn Objective,
    /// How far.
    pub ball: Ball,
    /// Steps.
    pub steps: usize,
    /// Size of a step.
    pub size: f64,
    /// Whether it begins at a random point of the ball; the image itself otherwise.
    pub random_start: bool,
    /// Share of the earlier slopes that is kept.
    pub momentum: f32,
}

impl<'a> Pgd<'a> {
    /// One step of the size of the ball from the image itself.
    pub fn fgsm(objective: &'a dyn Objective, ball: Ball) -> Self {
        Self { objective, ball, steps: 1, size: ball.radius, random_start: false, momentum: 0.0 }
    }

    /// The settings of MedFedPure's paper: L∞ 7 steps of ε/5, L2 10 steps of ε/10, from a random point.
    pub fn paper(objective: &'a dyn Objective, ball: Ball) -> Self {
        let (steps, part) = match ball.norm {
            Norm::Linf => (7, 5.0),
            Norm::L2 => (10, 10.0),
        };
        Self { objective, ball, steps, size: ball.radius / part, random_start: true, momentum: 0.0 }
    }

    /// With momentum, for another network than the one that is climbed: 20 steps of ε/10.
    pub fn momentum(objective: &'a dyn Objective, ball: Ball) -> Self {
        Self { objective, ball, steps: 20, size: ball.radius / 10.0, random_start: true, momentum: 1.0 }
    }
}

impl Attack for Pgd<'_> {
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>> {
        let classes = classes(targets);
        let mut points: Vec<Vec<f32>> = targets.iter().map(|t| start(&self.ball, t, restart, self.random_start)).collect();
        let mut climbs = vec![Vec::new(); targets.len()];
        for _ in 0..self.steps {
            let slopes = self.objective.slopes(&views(&points), &classes);
            for (((point, slope), climb), target) in points.iter_mut().zip(slopes).zip(&mut climbs).zip(targets) {
                accumulate(climb, slope.gradient, self.momentum);
                *point = self.ball.climb(target.image, point, climb, self.size);
            }
        }
        Ok(points)
    }
}

/// Where an attempt begins. Later attempts always begin at random, or they would repeat the first.
pub(super) fn start(ball: &Ball, target: &Target, restart: usize, random: bool) -> Vec<f32> {
    if random || restart > 0 { ball.random(target.image, &mut rng(target.seed, restart)) } else { target.image.to_vec() }
}

/// `climb = keep · climb + slope / mean |slope|`; without momentum the slope itself.
fn accumulate(climb: &mut Vec<f32>, slope: Vec<f32>, keep: f32) {
    if keep == 0.0 {
        *climb = slope;
        return;
    }
    let size = slope.iter().map(|s| s.abs()).sum::<f32>().max(1e-30) / slope.len() as f32;
    climb.resize(slope.len(), 0.0);
    climb.iter_mut().zip(slope).for_each(|(c, s)| *c = keep * *c + s / size);
}
