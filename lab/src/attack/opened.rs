//! What a round opens: the sum of the statistics of a cohort, with or without noise.

use anyhow::Result;
use federation::{
    privacy::{Noise, Shares, mu},
    statistics::{Shape, Statistics},
};
use models::ClsQuantiser;
use nalgebra::{DMatrix, DVector};
use rand::Rng;

use super::subjects::Part;
use crate::train::params::normal;

/// δ of every noisy round.
pub const DELTA: f64 = 1e-5;

/// Tokens of a split as sites would add them up.
pub struct Pool<'a> {
    /// The split.
    pub part: &'a Part,
    /// Tokens in integers.
    pub integers: Vec<Vec<i16>>,
}

impl<'a> Pool<'a> {
    /// Quantises the tokens of `part`.
    pub fn new(part: &'a Part, quantiser: ClsQuantiser) -> Self {
        Self { part, integers: part.tokens.iter().map(|t| quantiser.quantise(t)).collect() }
    }

    /// The norm, in quantised steps, that 99 of 100 tokens do not exceed.
    pub fn clip_norm(&self) -> u32 {
        let norm = |t: &Vec<i16>| t.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let mut norms: Vec<f64> = self.integers.iter().map(norm).collect();
        norms.sort_by(f64::total_cmp);
        norms[(norms.len() - 1) * 99 / 100].ceil() as u32
    }
}

/// Opened statistics as numbers.
pub struct Opened {
    /// Images of each class.
    pub counts: Vec<f64>,
    /// Sum of the tokens of each class, in quantised steps.
    pub sums: Vec<DVector<f64>>,
    /// Σ x xᵀ over all classes.
    pub moments: DMatrix<f64>,
}

impl Opened {
    /// The opened sum of these images. How they lie on sites changes nothing: the aggregation is exact.
    ///
    /// # Errors
    /// Where a token does not fit the shape.
    pub fn of(shape: Shape, pool: &Pool, members: &[usize], noise: Option<&Noise>, rng: &mut impl Rng) -> Result<Self> {
        let mut statistics = Statistics::new(shape);
        for i in members {
            statistics.add(pool.part.classes[*i], &pool.integers[*i])?;
        }
        let (classes, d) = (shape.classes(), shape.dim());
        let mut draw = |deviation: fn(&Noise) -> f64| noise.map_or(0.0, |n| deviation(n) * f64::from(normal(rng)));
        let counts = statistics.counts().iter().map(|c| *c as f64 + draw(|n| n.counts).round()).collect();
        let sums = (0..classes)
            .map(|class| DVector::from_iterator(d, statistics.sums(class).iter().map(|s| *s as f64 + draw(|n| n.sums).round())))
            .collect();
        let mut moments = DMatrix::zeros(d, d);
        for i in 0..d {
            for j in i..d {
                let noise = if i == j { draw(|n| n.moments * std::f64::consts::SQRT_2) } else { draw(|n| n.moments) };
                let value = statistics.moment(i, j) as f64 + noise.round();
                (moments[(i, j)], moments[(j, i)]) = (value, value);
            }
        }
        Ok(Self { counts, sums, moments })
    }

    /// Images in all; noise may make it less than one, which is read as one.
    pub fn total(&self) -> f64 {
        self.counts.iter().sum::<f64>().max(1.0)
    }

    /// Mean token of a class, in quantised steps; of all classes where noise left the class without a count.
    pub fn mean(&self, class: usize) -> DVector<f64> {
        if self.counts[class] >= 1.0 {
            return &self.sums[class] / self.counts[class];
        }
        let all = self.sums.iter().fold(DVector::zeros(self.sums[class].len()), |sum, s| sum + s);
        all / self.total()
    }

    /// The `count` leading principal directions of the tokens, each as long as their deviation along it.
    pub fn directions(&self, count: usize) -> Vec<DVector<f64>> {
        let n = self.total();
        let mean = self.sums.iter().fold(DVector::zeros(self.moments.nrows()), |sum, s| sum + s) / n;
        let covariance = &self.moments / n - &mean * mean.transpose();
        let parts = covariance.symmetric_eigen();
        let mut order: Vec<usize> = (0..parts.eigenvalues.len()).collect();
        order.sort_by(|a, b| parts.eigenvalues[*b].total_cmp(&parts.eigenvalues[*a]));
        let direction = |i: &usize| parts.eigenvectors.column(*i) * parts.eigenvalues[*i].max(0.0).sqrt();
        order.iter().take(count).map(direction).collect()
    }
}

/// Noise for a whole round of (ε, [`DELTA`])-privacy, and its μ.
///
/// # Errors
/// Where ε is out of range.
pub fn noise(shape: Shape, epsilon: f64) -> Result<(Noise, f64)> {
    let mu = mu(epsilon, DELTA)?;
    Ok((Noise::derive(shape, mu, Shares::EVEN, 1)?, mu))
}

/// `count` different indices of `from`, in random order.
pub fn draw(from: &[usize], count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut order = from.to_vec();
    for i in 0..count.min(order.len()) {
        let other = rng.random_range(i..order.len());
        order.swap(i, other);
    }
    order.truncate(count);
    order
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Tokens of two Gaussian classes, each its own group.
    pub fn cloud(count: usize, d: usize, seed: u64) -> Part {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut part = Part::default();
        for i in 0..count {
            let shift = if i % 2 == 0 { -0.3 } else { 0.3 };
            part.tokens.push((0..d).map(|_| shift + normal(&mut rng)).collect());
            part.classes.push(i % 2);
            part.groups.push(format!("{seed}-{i}"));
            part.images.push(vec![0.0]);
        }
        part
    }

    #[test]
    fn an_opened_sum_of_one_image_is_its_token_and_noise_hides_it() {
        let part = cloud(10, 6, 1);
        let pool = Pool::new(&part, ClsQuantiser { bits: 9, scale: 0.02 });
        let shape = Shape::new(2, 6, 1000).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let token = DVector::from_iterator(6, pool.integers[3].iter().map(|v| f64::from(*v)));
        let opened = Opened::of(shape, &pool, &[3], None, &mut rng).unwrap();
        assert_eq!(opened.mean(1), token);
        assert_eq!(opened.moments, &token * token.transpose());
        let (noise, _) = noise(shape, 1.0).unwrap();
        let opened = Opened::of(shape, &pool, &[3], Some(&noise), &mut rng).unwrap();
        assert!((&opened.sums[1] - &token).norm() > token.norm());
    }

    #[test]
    fn drawn_indices_differ() {
        let mut drawn = draw(&[1, 2, 3, 4, 5], 4, &mut ChaCha8Rng::seed_from_u64(3));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 4);
    }
}
