//! Membership inference on opened statistics: was this image in the sum?
//!
//! The attacker knows the target's token exactly, the number of images, and a population of its own. Four scores of a target t with
//! opened counts n, class sums S and second moments M become one by logistic regression, fitted on simulated rounds of the
//! attacker's own images:
//! - the product `(t − μ)ᵀ Σ⁻¹ (S/n − μ)` with the population's mean and covariance of the class, in units of its deviation for a
//!   stranger (Homer et al. 2008; Dwork et al. 2015), and its log-likelihood ratio under Gaussian tokens;
//! - the logarithm of the leverage `tᵀ (M + λI)⁻¹ t` at two λ. `M − t tᵀ` is positive semidefinite for a member, so without noise a leverage
//!   above 1 (a token outside the span, where fewer images than dimensions were summed) proves that t was not in the sum.
//!
//! Members and strangers come from different groups (source pictures), because a near-copy of a member is no clean stranger.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use federation::{
    privacy::{Noise, delta},
    statistics::Shape,
};
use nalgebra::{DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    context::{Context, Outcome},
    opened::{Opened, Pool, draw, noise},
    record::{Estimate, Inference},
    subjects::Part,
};
use crate::{
    fit::{self, Tokens},
    metrics,
};

/// Sites and images a site.
const COHORTS: [(usize, usize); 8] = [(1, 1), (3, 1), (10, 1), (50, 1), (10, 8), (10, 20), (50, 8), (50, 15)];
/// ε of the noisy rounds.
const EPSILONS: [f64; 3] = [8.0, 2.0, 0.5];
/// Strangers, and members at most, of a round that are targets.
const TARGETS: usize = 40;
/// λ of the leverages as a share of the mean eigenvalue of the opened moments.
const LEVELS: [f64; 2] = [1e-6, 1e-2];
/// Draws of the bootstrap over rounds.
const DRAWS: usize = 500;

/// Runs the attack for every cohort that the test split allows.
///
/// # Errors
/// Where tokens are degenerate or a noise is out of range.
pub fn run(context: &Context) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let quantiser = context.network.quantiser;
    let (own, attacked) = (Pool::new(&context.subjects.train, quantiser), Pool::new(&context.subjects.test, quantiser));
    let layout = &context.network.layout;
    let shape = Shape::new(layout.classes, layout.config.dim, own.clip_norm())?;
    let population = Population::of(&own, shape)?;
    for (sites, per_site) in COHORTS {
        let kinds = [(None, true), (None, false)].into_iter().chain(EPSILONS.map(|e| (Some(e), true)));
        for (epsilon, moments) in kinds {
            let noise = epsilon.map(|e| noise(shape, e)).transpose()?;
            let size = sites * per_site;
            let attack = Attack { shape, population: &population, noise: noise.map(|n| n.0), size, moments };
            let seed = context.options.seed ^ ((sites * 1000 + per_site) as u64) << 20;
            let Some((targets, auc, tpr)) = attack.run(&own, &attacked, context.options.rounds, seed)? else {
                continue;
            };
            let bound = noise.map(|(_, mu)| largest_auc(mu));
            outcome.membership.push(Inference { sites, per_site, moments, epsilon, bound, targets, auc, tpr });
        }
    }
    outcome.facts.insert("width of a token".into(), layout.config.dim as f64);
    outcome.facts.insert("clip norm in quantised steps".into(), f64::from(shape.clip_norm()));
    Ok(outcome)
}

/// Largest AUC against μ-Gaussian-differential privacy, Φ(μ/√2). At ε = 0 the δ of a mechanism of μ' is 2 Φ(μ'/2) − 1.
fn largest_auc(mu: f64) -> f64 {
    (1.0 + delta(std::f64::consts::SQRT_2 * mu, 0.0)) / 2.0
}

/// What the attacker knows of tokens at large: mean of each class and inverse covariance within classes.
pub struct Population {
    means: Vec<DVector<f64>>,
    precision: DMatrix<f64>,
}

impl Population {
    /// From the attacker's own tokens, clipped as contributed ones are.
    ///
    /// # Errors
    /// Where a class is empty or the covariance is singular.
    pub fn of(pool: &Pool, shape: Shape) -> Result<Self> {
        let (classes, d) = (shape.classes(), shape.dim());
        let mut means = Vec::new();
        for class in 0..classes {
            let members: Vec<DVector<f64>> =
                (0..pool.part.len()).filter(|i| pool.part.classes[*i] == class).map(|i| clipped(pool, i, shape)).collect();
            ensure!(!members.is_empty(), "the attacker's images lack class {class}");
            means.push(members.iter().fold(DVector::zeros(d), |sum, t| sum + t) / members.len() as f64);
        }
        let mut covariance = DMatrix::zeros(d, d);
        for i in 0..pool.part.len() {
            let centred = clipped(pool, i, shape) - &means[pool.part.classes[i]];
            covariance.ger(1.0 / pool.part.len() as f64, &centred, &centred, 1.0);
        }
        let level = 0.02 * covariance.trace() / d as f64;
        (0..d).for_each(|i| covariance[(i, i)] += level);
        let precision = covariance.cholesky().context("the attacker's tokens are degenerate")?.inverse();
        Ok(Self { means, precision })
    }
}

fn clipped(pool: &Pool, index: usize, shape: Shape) -> DVector<f64> {
    let token = federation::statistics::clip(&pool.integers[index], shape.clip_norm());
    DVector::from_iterator(token.len(), token.iter().map(|v| *v as f64))
}

/// One kind of round.
pub struct Attack<'a> {
    /// Shape of the statistics.
    pub shape: Shape,
    /// The attacker's knowledge.
    pub population: &'a Population,
    /// Noise of a round.
    pub noise: Option<Noise>,
    /// Images in the sum.
    pub size: usize,
    /// Whether second moments are opened.
    pub moments: bool,
}

/// Scores of the targets of many rounds.
#[derive(Default)]
struct Scored {
    features: Vec<Vec<f32>>,
    member: Vec<bool>,
    round: Vec<usize>,
}

impl Attack<'_> {
    /// Fits the score on rounds of `own` and measures it on rounds of `attacked`: number of targets, AUC, and true-positive rate at 1 %
    /// false positives. `None` where a split is too small for rounds of this size.
    ///
    /// # Errors
    /// Where the regression or the statistics fail.
    pub fn run(&self, own: &Pool, attacked: &Pool, rounds: usize, seed: u64) -> Result<Option<(usize, Estimate, Estimate)>> {
        let (Some(known), Some(unknown)) = (self.rounds(own, rounds, seed + 1)?, self.rounds(attacked, rounds, seed)?) else {
            return Ok(None);
        };
        let classes = known.member.iter().map(|m| usize::from(*m)).collect();
        let head = fit::logistic(&Tokens { rows: known.features, classes, count: 2 }, 1e-3)?;
        let score = |row: &Vec<f32>| {
            let logits = head.logits(row);
            logits[1] - logits[0]
        };
        let scores: Vec<f64> = unknown.features.iter().map(score).collect();
        let [auc, tpr] = bootstrap(&scores, &unknown.member, &unknown.round, rounds, seed);
        Ok(Some((scores.len(), auc, tpr)))
    }

    /// Simulates rounds: half of the groups (drawn anew for each round) may be members, the others are strangers.
    fn rounds(&self, pool: &Pool, rounds: usize, seed: u64) -> Result<Option<Scored>> {
        let mut scored = Scored::default();
        for round in 0..rounds {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(round as u64);
            let (inside, outside) = halves(pool.part, &mut rng);
            if inside.len() < self.size || outside.is_empty() {
                return Ok(None);
            }
            let members = draw(&inside, self.size, &mut rng);
            let strangers = draw(&outside, TARGETS, &mut rng);
            let opened = Opened::of(self.shape, pool, &members, self.noise.as_ref(), &mut rng)?;
            let inverses = if self.moments { leverages(&opened, self.noise.as_ref()) } else { Vec::new() };
            for (target, member) in members.iter().take(TARGETS).map(|i| (i, true)).chain(strangers.iter().map(|i| (i, false))) {
                let token = clipped(pool, *target, self.shape);
                scored.features.push(self.features(&opened, &inverses, &token, pool.part.classes[*target]));
                scored.member.push(member);
                scored.round.push(round);
            }
        }
        Ok(Some(scored))
    }

    fn features(&self, opened: &Opened, inverses: &[DMatrix<f64>], token: &DVector<f64>, class: usize) -> Vec<f32> {
        let n = opened.counts[class].max(1.0);
        let centre = &self.population.means[class];
        let direction = &self.population.precision * (token - centre);
        let size = direction.dot(&(token - centre)).max(1e-12);
        let product = direction.dot(&(opened.mean(class) - centre));
        let homer = product * (n / size).sqrt();
        let ratio = product - size / (2.0 * n);
        let leverage = |inverse: &DMatrix<f64>| (token.dot(&(inverse * token))).max(1e-12).ln();
        let bounded = |v: f64| v.clamp(-50.0, 50.0) as f32;
        let mut features = vec![bounded(homer), bounded(ratio / size)];
        features.extend(inverses.iter().map(|inverse| bounded(leverage(inverse))));
        features
    }
}

/// (M + λI)⁻¹ for each λ; noise raises λ to a bound on its own norm, so that the matrix stays positive.
fn leverages(opened: &Opened, noise: Option<&Noise>) -> Vec<DMatrix<f64>> {
    let d = opened.moments.nrows();
    let level = opened.moments.trace().abs().max(1.0) / d as f64;
    let floor = noise.map_or(0.0, |n| 2.2 * n.moments * (d as f64).sqrt());
    let inverse = |share: &f64| {
        let raised = &opened.moments + DMatrix::identity(d, d) * (share * level + floor);
        raised.cholesky().map_or_else(|| DMatrix::identity(d, d), |c| c.inverse())
    };
    LEVELS.iter().map(inverse).collect()
}

/// Indices of a random half of the groups, and of the other half.
fn halves(part: &Part, rng: &mut impl Rng) -> (Vec<usize>, Vec<usize>) {
    let groups: BTreeSet<&str> = part.groups.iter().map(String::as_str).collect();
    let groups: Vec<&str> = groups.into_iter().collect();
    let places: Vec<usize> = (0..groups.len()).collect();
    let chosen: BTreeSet<&str> = draw(&places, groups.len() / 2, rng).into_iter().map(|i| groups[i]).collect();
    (0..part.len()).partition(|i| chosen.contains(part.groups[*i].as_str()))
}

/// Share of members that score above 99 of 100 strangers.
fn tpr_at_one_percent(scores: &[f64], member: &[bool]) -> f64 {
    let of = |kind: bool| scores.iter().zip(member).filter(move |(_, m)| **m == kind).map(|(s, _)| *s);
    let mut strangers: Vec<f64> = of(false).collect();
    strangers.sort_by(f64::total_cmp);
    let Some(threshold) = strangers.len().checked_sub(1 + strangers.len() / 100).map(|i| strangers[i]) else {
        return 0.0;
    };
    let members = of(true).count().max(1);
    of(true).filter(|s| *s > threshold).count() as f64 / members as f64
}

/// AUC and true-positive rate with intervals by resampling whole rounds.
fn bootstrap(scores: &[f64], member: &[bool], round: &[usize], rounds: usize, seed: u64) -> [Estimate; 2] {
    let figures = |index: &[usize]| {
        let s: Vec<f64> = index.iter().map(|i| scores[*i]).collect();
        let m: Vec<bool> = index.iter().map(|i| member[*i]).collect();
        [metrics::auc(&s, &m).unwrap_or(0.5), tpr_at_one_percent(&s, &m)]
    };
    let mut of_round = vec![Vec::new(); rounds];
    (0..scores.len()).for_each(|i| of_round[round[i]].push(i));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn: Vec<[f64; 2]> = (0..DRAWS)
        .map(|_| figures(&(0..rounds).flat_map(|_| of_round[rng.random_range(0..rounds)].clone()).collect::<Vec<usize>>()))
        .collect();
    let mean = figures(&(0..scores.len()).collect::<Vec<usize>>());
    [0, 1].map(|k| {
        let mut values: Vec<f64> = drawn.iter().map(|f| f[k]).collect();
        values.sort_by(f64::total_cmp);
        Estimate { mean: mean[k], low: values[DRAWS / 40], high: values[DRAWS - 1 - DRAWS / 40] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::opened::tests::cloud;
    use models::ClsQuantiser;

    const QUANTISER: ClsQuantiser = ClsQuantiser { bits: 9, scale: 0.02 };

    fn auc(size: usize, epsilon: Option<f64>) -> (f64, f64) {
        let (own, attacked) = (cloud(400, 12, 1), cloud(400, 12, 2));
        let (own, attacked) = (Pool::new(&own, QUANTISER), Pool::new(&attacked, QUANTISER));
        let shape = Shape::new(2, 12, own.clip_norm()).unwrap();
        let population = Population::of(&own, shape).unwrap();
        let noise = epsilon.map(|e| noise(shape, e).unwrap().0);
        let attack = Attack { shape, population: &population, noise, size, moments: true };
        let (_, auc, tpr) = attack.run(&own, &attacked, 20, 7).unwrap().unwrap();
        (auc.mean, tpr.mean)
    }

    #[test]
    fn a_sum_of_one_image_gives_its_member_away() {
        let (auc, tpr) = auc(1, None);
        assert!(auc > 0.99 && tpr > 0.9, "{auc} {tpr}");
    }

    #[test]
    fn fewer_images_than_dimensions_give_all_members_away_and_many_do_not() {
        let (few, many) = (auc(8, None).0, auc(150, None).0);
        assert!(few > 0.99, "{few}");
        assert!(many < 0.85, "{many}");
    }

    #[test]
    fn strong_noise_leaves_a_guess() {
        let (auc, tpr) = auc(20, Some(0.1));
        assert!((auc - 0.5).abs() < 0.12 && tpr < 0.1, "{auc} {tpr}");
    }

    #[test]
    fn a_round_larger_than_the_split_is_left_out() {
        let part = cloud(20, 4, 1);
        let pool = Pool::new(&part, QUANTISER);
        let shape = Shape::new(2, 4, 500).unwrap();
        let population = Population::of(&pool, shape).unwrap();
        let attack = Attack { shape, population: &population, noise: None, size: 15, moments: true };
        assert!(attack.run(&pool, &pool, 2, 1).unwrap().is_none());
    }

    #[test]
    fn the_rate_counts_members_above_the_top_hundredth() {
        let scores: Vec<f64> = (0..100).map(f64::from).chain([99.5, 98.5]).collect();
        let member: Vec<bool> = (0..102).map(|i| i >= 100).collect();
        // The threshold is the second-largest stranger, 98: one in a hundred lies above.
        assert_eq!(tpr_at_one_percent(&scores, &member), 1.0);
        assert_eq!(tpr_at_one_percent(&[1.0, 0.0], &[true, false]), 1.0);
    }
}
