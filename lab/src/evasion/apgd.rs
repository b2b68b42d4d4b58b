//! Auto-PGD (Croce and Hein 2020): gradient ascent with momentum whose step halves where it stops to help. Nothing is tuned by hand.

use anyhow::Result;

use super::{
    attack::{Attack, Target, classes, views},
    ball::Ball,
    objective::{Objective, Slope},
    pgd::start,
};

/// Share of the new step that momentum keeps, α of the paper.
const NEW: f32 = 0.75;
/// Share of steps since the last checkpoint that must have raised the value, ρ of the paper.
const ENOUGH: f64 = 0.75;

/// The attack. Attempts go through the objectives in turn.
pub struct Apgd<'a> {
    /// What is climbed, one for each attempt in turn.
    pub objectives: Vec<&'a dyn Objective>,
    /// How far.
    pub ball: Ball,
    /// Steps.
    pub steps: usize,
}

/// The state of one image.
struct Climber {
    point: Vec<f32>,
    before: Vec<f32>,
    slope: Vec<f32>,
    value: f64,
    best: Best,
    size: f64,
    /// Steps since the last checkpoint that raised the value.
    raised: usize,
    best_at_checkpoint: f64,
    size_at_checkpoint: f64,
}

/// The best point seen, and its slope: where the walk goes back to.
struct Best {
    point: Vec<f32>,
    slope: Vec<f32>,
    value: f64,
    /// The best point among those that succeed, as far as the objective can tell.
    success: Option<(f64, Vec<f32>)>,
}

impl Attack for Apgd<'_> {
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>> {
        let objective = self.objectives[restart % self.objectives.len()];
        let classes = classes(targets);
        let starts: Vec<Vec<f32>> = targets.iter().map(|t| start(&self.ball, t, restart, true)).collect();
        let slopes = objective.slopes(&views(&starts), &classes);
        let mut climbers: Vec<Climber> =
            starts.into_iter().zip(slopes).map(|(point, slope)| Climber::new(point, slope, 2.0 * self.ball.radius)).collect();
        let checkpoints = checkpoints(self.steps);
        let mut last = 0;
        for step in 1..=self.steps {
            for (climber, target) in climbers.iter_mut().zip(targets) {
                climber.walk(&self.ball, target.image, step == 1);
            }
            let points: Vec<&[f32]> = climbers.iter().map(|c| c.point.as_slice()).collect();
            let slopes = objective.slopes(&points, &classes);
            climbers.iter_mut().zip(slopes).for_each(|(climber, slope)| climber.look(slope));
            if checkpoints.contains(&step) {
                climbers.iter_mut().for_each(|climber| climber.check(step - last));
                last = step;
            }
        }
        Ok(climbers.into_iter().map(|c| c.best.success.map_or(c.best.point, |(_, point)| point)).collect())
    }
}

impl Climber {
    fn new(point: Vec<f32>, slope: Slope, size: f64) -> Self {
        let success = (slope.slack > 0.0).then(|| (slope.value, point.clone()));
        Self {
            before: point.clone(),
            best: Best { point: point.clone(), slope: slope.gradient.clone(), value: slope.value, success },
            point,
            slope: slope.gradient,
            value: slope.value,
            size,
            raised: 0,
            best_at_checkpoint: slope.value,
            size_at_checkpoint: size,
        }
    }

    /// One step with momentum, except the first.
    fn walk(&mut self, ball: &Ball, centre: &[f32], first: bool) {
        let stepped = ball.climb(centre, &self.point, &self.slope, self.size);
        let mut next = stepped;
        if !first {
            let old = self.point.iter().zip(&self.before);
            next.iter_mut().zip(old).for_each(|(n, (p, b))| *n = p + NEW * (*n - p) + (1.0 - NEW) * (p - b));
            ball.project(centre, &mut next);
        }
        self.before = std::mem::replace(&mut self.point, next);
    }

    /// Takes in value and slope at the new point.
    fn look(&mut self, slope: Slope) {
        self.raised += usize::from(slope.value > self.value);
        self.value = slope.value;
        if slope.slack > 0.0 && self.best.success.as_ref().is_none_or(|(value, _)| slope.value > *value) {
            self.best.success = Some((slope.value, self.point.clone()));
        }
        if slope.value > self.best.value {
            self.best.value = slope.value;
            self.best.point.clone_from(&self.point);
            self.best.slope.clone_from(&slope.gradient);
        }
        self.slope = slope.gradient;
    }

    /// Halves the step and goes back to the best point, where too few of the last `steps` helped or nothing has changed since.
    fn check(&mut self, steps: usize) {
        let too_few = (self.raised as f64) < ENOUGH * steps as f64;
        let stuck = self.size == self.size_at_checkpoint && self.best.value <= self.best_at_checkpoint;
        self.size_at_checkpoint = self.size;
        self.best_at_checkpoint = self.best.value;
        self.raised = 0;
        if too_few || stuck {
            self.size /= 2.0;
            self.point.clone_from(&self.best.point);
            self.before.clone_from(&self.best.point);
            self.slope.clone_from(&self.best.slope);
            self.value = self.best.value;
        }
    }
}

/// Steps after which the step may be halved: 22 % of all, then ever closer, never closer than 6 %.
fn checkpoints(steps: usize) -> Vec<usize> {
    let (mut before, mut at) = (0.0f64, 0.22f64);
    let mut found = Vec::new();
    while at <= 1.0 {
        // A sum such as 0.5700000001 is 57 of 100 steps, not 58.
        found.push((at * steps as f64 - 1e-6).ceil() as usize);
        let next = at + (at - before - 0.03).max(0.06);
        (before, at) = (at, next);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_those_of_the_paper() {
        // 100 steps: intervals of 22, 19, 16, 13, 10, 7, then 6.
        assert_eq!(checkpoints(100), [22, 41, 57, 70, 80, 87, 93, 99]);
    }
}
