//! Images dealt to sites by whole groups, evenly or with a Dirichlet skew of the classes.

use std::{collections::BTreeMap, fmt, str::FromStr};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::train::params::normal;

/// How groups are dealt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Deal {
    /// The same share of each class to each site: a Dirichlet law of infinite concentration.
    Even,
    /// Shares of each class drawn from a symmetric Dirichlet law of this concentration (Hsu, Qi, Brown 2019): small ones leave sites
    /// with few classes.
    Dirichlet(f64),
}

impl FromStr for Deal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is no way to split; write even, dirichlet:0.4 or dirichlet:inf");
        if text == "even" {
            return Ok(Self::Even);
        }
        let number = text.strip_prefix("dirichlet:").ok_or_else(refuse)?;
        match number.parse::<f64>() {
            Ok(alpha) if alpha == f64::INFINITY => Ok(Self::Even),
            Ok(alpha) if (1e-3..=1e6).contains(&alpha) => Ok(Self::Dirichlet(alpha)),
            _ => Err(refuse()),
        }
    }
}

impl TryFrom<String> for Deal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Deal> for String {
    fn from(deal: Deal) -> Self {
        deal.to_string()
    }
}

impl fmt::Display for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even => f.write_str("dirichlet:inf"),
            Self::Dirichlet(alpha) => write!(f, "dirichlet:{alpha}"),
        }
    }
}

/// The site of each image. A group is never at two sites; a site without any image is dealt again.
pub fn deal(groups: &[String], classes: &[usize], sites: usize, how: Deal, seed: u64) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // A group's class is that of its first image.
    let mut class_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (group, class) in groups.iter().zip(classes) {
        class_of.entry(group).or_insert(*class);
    }
    let mut by_class: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (group, class) in &class_of {
        by_class.entry(*class).or_default().push(group);
    }
    loop {
        let mut site_of: BTreeMap<&str, usize> = BTreeMap::new();
        for members in by_class.values_mut() {
            members.shuffle(&mut rng);
            let shares = shares(sites, how, &mut rng);
            site_of.extend(members.iter().zip(cut(&shares, members.len())).map(|(group, site)| (*group, site)));
        }
        let dealt: Vec<usize> = groups.iter().map(|group| site_of[group.as_str()]).collect();
        if (0..sites).all(|site| dealt.contains(&site)) || class_of.len() < sites {
            return dealt;
        }
    }
}

/// The sites of `count` groups in proportion to `shares`.
fn cut(shares: &[f64], count: usize) -> Vec<usize> {
    let bounds = shares.iter().scan(0.0, |sum, share| {
        *sum += share;
        Some((*sum * count as f64).round() as usize)
    });
    let bounds: Vec<usize> = bounds.collect();
    (0..count).map(|i| bounds.iter().position(|bound| i < *bound).unwrap_or(shares.len() - 1)).collect()
}

fn shares(sites: usize, how: Deal, rng: &mut impl Rng) -> Vec<f64> {
    let Deal::Dirichlet(alpha) = how else {
        return vec![1.0 / sites as f64; sites];
    };
    let logs: Vec<f64> = (0..sites).map(|_| log_gamma_draw(alpha, rng)).collect();
    let top = logs.iter().copied().fold(f64::MIN, f64::max);
    let draws: Vec<f64> = logs.iter().map(|log| (log - top).exp()).collect();
    let sum: f64 = draws.iter().sum();
    draws.into_iter().map(|draw| draw / sum).collect()
}

/// Logarithm of a Gamma(alpha, 1) number (Marsaglia, Tsang 2000); in logarithms, since small alphas underflow.
fn log_gamma_draw(alpha: f64, rng: &mut impl Rng) -> f64 {
    if alpha < 1.0 {
        let boost = rng.random::<f64>().max(f64::MIN_POSITIVE).ln() / alpha;
        return log_gamma_draw(alpha + 1.0, rng) + boost;
    }
    let d = alpha - 1.0 / 3.0;
    loop {
        let x = f64::from(normal(rng));
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && rng.random::<f64>().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> (Vec<String>, Vec<usize>) {
        let groups: Vec<String> = (0..600).map(|i| format!("g{}", i / 5)).collect();
        let classes = (0..600).map(|i| i / 200).collect();
        (groups, classes)
    }

    #[test]
    fn a_group_is_never_at_two_sites_and_every_site_has_images() {
        let (groups, classes) = data();
        for how in [Deal::Even, Deal::Dirichlet(0.1), Deal::Dirichlet(0.4)] {
            for seed in 0..20 {
                let dealt = deal(&groups, &classes, 3, how, seed);
                assert!((0..600).all(|i| dealt[i] == dealt[i / 5 * 5]));
                assert!((0..3).all(|site| dealt.contains(&site)));
                assert_eq!(dealt, deal(&groups, &classes, 3, how, seed));
            }
        }
    }

    #[test]
    fn an_even_deal_is_even_and_a_small_concentration_is_not() {
        let (groups, classes) = data();
        let spread = |how, seed| {
            let dealt = deal(&groups, &classes, 4, how, seed);
            let of = |site: usize, class: usize| (0..600).filter(|i| dealt[*i] == site && classes[*i] == class).count();
            (0..4).flat_map(|s| (0..3).map(move |c| (s, c))).map(|(s, c)| of(s, c).abs_diff(50)).max().unwrap_or(0)
        };
        assert_eq!(spread(Deal::Even, 1), 0);
        assert!((0..10).all(|seed| spread(Deal::Dirichlet(0.1), seed) > 50));
    }

    #[test]
    fn gamma_numbers_have_the_mean_and_variance_of_their_law() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for alpha in [0.4, 1.0, 3.0] {
            let draws: Vec<f64> = (0..40_000).map(|_| log_gamma_draw(alpha, &mut rng).exp()).collect();
            let mean = draws.iter().sum::<f64>() / 4e4;
            let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 4e4;
            assert!((mean / alpha - 1.0).abs() < 0.05 && (variance / alpha - 1.0).abs() < 0.12, "{alpha} {mean} {variance}");
        }
    }

    #[test]
    fn ways_to_split_are_written_as_they_are_read() {
        for text in ["dirichlet:0.4", "dirichlet:inf"] {
            assert_eq!(text.parse::<Deal>().map(|d| d.to_string()), Ok(text.to_string()));
        }
        assert_eq!("even".parse(), Ok(Deal::Even));
        for text in ["dirichlet:0", "dirichlet:x", "dirichlet:-1", "iid", "dirichlet:NaN"] {
            assert!(text.parse::<Deal>().is_err(), "{text}");
        }
    }
}
