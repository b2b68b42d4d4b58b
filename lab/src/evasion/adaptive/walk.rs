//! Selective and orthogonal steps (Bryniarski, Hingun, Pachuca, Wang, Carlini 2022): never a compromise of two slopes, but one at a time.

use anyhow::Result;

use super::{
    DetectorSlope, ScoreSlope,
    joint::{BELOW, ENOUGH},
};
use crate::evasion::{
    attack::{Attack, Target, classes, views},
    ball::Ball,
    objective::{Objective, Slope},
    pgd::start,
};

/// Steps along the slope of what is still missing; their size falls from ε/4 to almost nothing.
pub(super) struct Walk<'a> {
    pub classifier: &'a dyn Objective,
    pub detector: &'a dyn DetectorSlope,
    pub ball: Ball,
    pub steps: usize,
    pub orthogonal: bool,
}

impl Attack for Walk<'_> {
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>> {
        let classes = classes(targets);
        let mut points: Vec<Vec<f32>> = targets.iter().map(|t| start(&self.ball, t, restart, true)).collect();
        let mut best: Vec<(f64, Vec<f32>)> = points.iter().map(|p| (f64::MIN, p.clone())).collect();
        for step in 0..=self.steps {
            let size = self.ball.radius / 4.0 * (1.0 - step as f64 / (self.steps + 1) as f64);
            let margins = self.classifier.slopes(&views(&points), &classes);
            let scores = self.detector.slopes(&views(&points));
            for (i, (margin, score)) in margins.iter().zip(&scores).enumerate() {
                let excess = score.score - self.detector.threshold() + BELOW;
                let slack = margin.slack.min(BELOW - excess);
                if slack > best[i].0 {
                    best[i] = (slack, points[i].clone());
                }
                let slope = self.choose(margin, score, excess);
                points[i] = self.ball.climb(targets[i].image, &points[i], &slope, size);
            }
        }
        Ok(best.into_iter().map(|(_, point)| point).collect())
    }
}

impl Walk<'_> {
    fn choose(&self, margin: &Slope, score: &ScoreSlope, excess: f64) -> Vec<f32> {
        let down: Vec<f32> = score.gradient.iter().map(|g| -g).collect();
        let right = margin.value < ENOUGH;
        let flagged = excess > 0.0;
        match (right, flagged) {
            (true, true) if self.orthogonal => without(&margin.gradient, &down),
            (true, _) => margin.gradient.clone(),
            (false, true) if self.orthogonal => without(&down, &margin.gradient),
            (false, true) => down,
            // Both reached: nothing is missing, so the point may stay.
            (false, false) => vec![0.0; down.len()],
        }
    }
}

/// The part of `slope` that is orthogonal to `other`.
fn without(slope: &[f32], other: &[f32]) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let share = (dot(slope, other) / dot(other, other).max(1e-30)) as f32;
    slope.iter().zip(other).map(|(s, o)| s - share * o).collect()
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn what_is_left_is_orthogonal() {
        let left = without(&[1.0, 2.0, 3.0], &[0.5, -1.0, 2.0]);
        assert!((0.5 * left[0] - left[1] + 2.0 * left[2]).abs() < 1e-6, "{left:?}");
    }
}
