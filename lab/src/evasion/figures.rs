//! Figures of an attack, each with its 95 % interval by bootstrap over groups.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{attack::record::Estimate, metrics};

/// Draws of the bootstrap of areas; each sorts all scores.
const DRAWS: usize = 400;

/// Share of `hits`.
pub fn share(hits: impl Iterator<Item = bool>, groups: &[String]) -> Estimate {
    let values: Vec<f64> = hits.map(|hit| f64::from(u8::from(hit))).collect();
    Estimate::of(&values, groups)
}

/// Share of `hits` among the images of which `counted` is true; none where there are none.
pub fn share_among(hits: &[bool], counted: &[bool], groups: &[String]) -> Option<Estimate> {
    let kept: Vec<usize> = (0..hits.len()).filter(|i| counted[*i]).collect();
    let groups: Vec<String> = kept.iter().map(|i| groups[*i].clone()).collect();
    (!kept.is_empty()).then(|| share(kept.iter().map(|i| hits[*i]), &groups))
}

/// Area under the ROC curve of `attacked` against `clean` scores of the same images, which are drawn together.
pub fn auc(clean: &[f64], attacked: &[f64], groups: &[String]) -> Estimate {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    groups.iter().enumerate().for_each(|(i, group)| members.entry(group).or_default().push(i));
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let of = |chosen: &[usize]| {
        let scores: Vec<f64> = chosen.iter().map(|i| clean[*i]).chain(chosen.iter().map(|i| attacked[*i])).collect();
        let positive: Vec<bool> = (0..scores.len()).map(|i| i >= chosen.len()).collect();
        metrics::auc(&scores, &positive).unwrap_or(f64::NAN)
    };
    let mut rng = ChaCha8Rng::seed_from_u64(20_261);
    let mut draw =
        || -> Vec<usize> { (0..members.len()).flat_map(|_| &members[rng.random_range(0..members.len())]).copied().collect() };
    let mut drawn: Vec<f64> = (0..DRAWS).map(|_| of(&draw())).collect();
    drawn.sort_by(f64::total_cmp);
    let all: Vec<usize> = (0..clean.len()).collect();
    Estimate { mean: of(&all), low: drawn[DRAWS / 40], high: drawn[DRAWS - 1 - DRAWS / 40] }
}

/// Points (false-positive rate, true-positive rate) of the ROC curve, at most `most` and in order.
pub fn roc(clean: &[f64], attacked: &[f64], most: usize) -> Vec<(f64, f64)> {
    let mut thresholds: Vec<f64> = clean.iter().chain(attacked).copied().collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let above = |scores: &[f64], t: f64| scores.iter().filter(|s| **s >= t).count() as f64 / scores.len().max(1) as f64;
    let count = thresholds.len().min(most.saturating_sub(1)).max(1);
    let chosen = (0..count).rev().map(|i| thresholds[i * thresholds.len() / count]);
    std::iter::once((0.0, 0.0)).chain(chosen.map(|t| (above(clean, t), above(attacked, t)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_lies_in_its_interval_and_a_perfect_one_has_none() {
        let groups: Vec<String> = (0..40).map(|i| (i / 4).to_string()).collect();
        let clean: Vec<f64> = (0..40).map(|i| f64::from(i % 7)).collect();
        let attacked: Vec<f64> = clean.iter().map(|c| c + 2.0).collect();
        let some = auc(&clean, &attacked, &groups);
        assert!(some.low <= some.mean && some.mean <= some.high && some.low < some.high, "{some:?}");
        let far: Vec<f64> = clean.iter().map(|c| c + 20.0).collect();
        assert_eq!(auc(&clean, &far, &groups), Estimate { mean: 1.0, low: 1.0, high: 1.0 });
    }

    #[test]
    fn a_curve_runs_from_corner_to_corner() {
        let curve = roc(&[0.0, 1.0, 2.0], &[1.5, 2.5, 3.5], 64);
        assert_eq!((curve[0], curve[curve.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        assert!(curve.windows(2).all(|p| p[0].0 <= p[1].0 && p[0].1 <= p[1].1), "{curve:?}");
        assert!(curve.contains(&(0.0, 2.0 / 3.0)));
    }
}
