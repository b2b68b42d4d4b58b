//! How a purifier could be used: one network and number of steps, a noise level for each range of scores, and a filter at the end
//! from some level on. The best one is chosen on validation images.

use std::cmp::Reverse;

use models::{detector::Filter, purifier::Level};

use super::{
    candidates::{self, Material, Tried},
    levels::{self, Bin},
};

/// Policies whose accuracy lies this close together count as equal.
pub const TIE: f64 = 0.005;
/// What a policy may cost in right answers of clean images.
pub const CLEAN_LOSS: f64 = 0.01;
/// How much clean images count beside all attacks together, where levels are told from scores; each is tried.
const CLEAN_WEIGHTS: [f64; 3] = [1.0, 0.3, 0.1];

/// A filter, and the noise level from which on it is used.
pub type Smoothing = Option<(Filter, u16)>;

/// One way to use what was tried.
pub struct Policy<'a> {
    /// A setting for each noise level, ascending; all of one network and number of steps.
    rungs: Vec<&'a Tried>,
    /// The filter of the upper rungs, and the level from which on it is used.
    pub smoothing: Smoothing,
    /// The noise level for each score.
    pub levels: Vec<Level>,
    /// Accuracy in the end, where flagged images are purified, on the few: of clean images, and the mean over the attacks.
    value: [f64; 2],
}

impl<'a> Policy<'a> {
    fn new(rungs: Vec<&'a Tried>, smoothing: Smoothing, material: &Material, map: &Map) -> Self {
        let levels = map.levels(&rungs, material);
        let mut policy = Self { rungs, smoothing, levels, value: [0.0; 2] };
        policy.value = policy.accuracy(material);
        policy
    }

    /// The setting that decided on the network: that of the highest level in use.
    pub fn highest(&self) -> &'a Tried {
        let highest = self.levels.last().and_then(|level| self.rung(level.t));
        highest.unwrap_or(self.rungs[0])
    }

    fn rung(&self, t: u16) -> Option<&'a Tried> {
        self.rungs.iter().find(|rung| rung.setting.t == t).copied()
    }

    fn accuracy(&self, material: &Material) -> [f64; 2] {
        let in_the_end = |kind: usize| {
            material.share(kind, |i| {
                let sample = &material.kinds[kind][i];
                let level = self.levels.iter().rev().find(|level| sample.score as f32 >= level.from_score);
                let end = match level {
                    Some(level) => self.rung(level.t).and_then(|rung| rung.right[kind][i]),
                    None => Some(sample.right),
                };
                end.filter(|_| material.is_few(i))
            })
        };
        let attacks = 1..material.kinds.len();
        let attacked = attacks.clone().map(in_the_end).sum::<f64>() / attacks.len().max(1) as f64;
        [in_the_end(0), attacked]
    }
}

/// The policy with the highest accuracy under attack of those that cost clean images no more than [`CLEAN_LOSS`], or, where each costs
/// more, of those that cost least; of policies within [`TIE`] of it the one with the fewest steps, then with the weakest filter, then
/// with the filter on the fewest levels, since each of them costs time or detail. None where nothing was tried.
pub fn choose<'a>(tried: &'a [Tried], material: &Material, bins: usize) -> Option<Policy<'a>> {
    let mut networks: Vec<(&str, u8)> = Vec::new();
    for one in tried.iter().map(|one| (one.network.as_str(), one.setting.steps)) {
        if !networks.contains(&one) {
            networks.push(one);
        }
    }
    let of = |(network, steps): (&'a str, u8)| {
        let rungs: Vec<&Tried> = tried.iter().filter(|one| one.network == network && one.setting.steps == steps).collect();
        policies(&rungs, material, bins)
    };
    let all: Vec<Policy> = networks.into_iter().flat_map(of).collect();
    let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN, f64::max);
    let clean = material.share(0, |i| Some(material.kinds[0][i].right).filter(|_| material.is_few(i))) - CLEAN_LOSS;
    let clean = clean.min(highest(&mut all.iter().map(|policy| policy.value[0]))) - 1e-9;
    let affordable: Vec<Policy> = all.into_iter().filter(|policy| policy.value[0] >= clean).collect();
    let best = highest(&mut affordable.iter().map(|policy| policy.value[1]));
    let cost = |policy: &Policy| {
        let (reach, from) = policy.smoothing.map_or((0, 0), |(filter, from)| (filter.reach(), from));
        (policy.rungs[0].setting.steps, reach, Reverse(from))
    };
    affordable.into_iter().filter(|policy| policy.value[1] >= best - TIE - 1e-9).min_by_key(cost)
}

/// Every way to use settings of one network and number of steps: without a filter, and with each filter from each level on.
fn policies<'a>(tried: &[&'a Tried], material: &Material, bins: usize) -> Vec<Policy<'a>> {
    let with = |filter: Option<Filter>| {
        let mut rungs: Vec<&'a Tried> = tried.iter().filter(|one| one.smoothing == filter).copied().collect();
        rungs.sort_by_key(|one| one.setting.t);
        rungs
    };
    let plain = with(None);
    let mut ways: Vec<(Vec<&'a Tried>, Smoothing)> = Vec::new();
    if !plain.is_empty() {
        ways.push((plain.clone(), None));
    }
    for filter in [Filter::Mean3, Filter::Mean5, Filter::Mean7] {
        let smoothed = with(Some(filter));
        for from in smoothed.iter().map(|one| one.setting.t) {
            let below = plain.iter().filter(|one| one.setting.t < from);
            let rungs = below.chain(smoothed.iter().filter(|one| one.setting.t >= from)).copied().collect();
            ways.push((rungs, Some((filter, from))));
        }
    }
    let maps = CLEAN_WEIGHTS.map(|clean_weight| Map { bins, clean_weight });
    let of = |(rungs, smoothing): (Vec<&'a Tried>, Smoothing)| {
        maps.each_ref().map(|map| Policy::new(rungs.clone(), smoothing, material, map))
    };
    ways.into_iter().flat_map(of).collect()
}

/// How levels are told from scores.
struct Map {
    /// Ranges of scores that may have a level of their own.
    bins: usize,
    clean_weight: f64,
}

impl Map {
    /// The levels of scores from the threshold on; neighbours of the same level are one entry.
    fn levels(&self, rungs: &[&Tried], material: &Material) -> Vec<Level> {
        let scores: Vec<f32> = material.kinds.iter().flatten().map(|sample| sample.score as f32).collect();
        let ranges = levels::ranges(&scores, material.threshold, self.bins);
        let bins = candidates::bins(&ranges, rungs, material, self.clean_weight);
        let places = levels::rising(&bins);
        let level = |(bin, place): (&Bin, usize)| Level { from_score: bin.from_score, t: rungs[place].setting.t };
        let mut map: Vec<Level> = bins.iter().zip(places).map(level).collect();
        map.dedup_by_key(|level| level.t);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purify::{candidates::Sample, purification::Setting};

    /// Ten clean images, two of them flagged, and ten attacked ones of a high score, all wrong as they are.
    fn material() -> Material {
        let sample = |score: f64, right: bool| Sample { image: Vec::new(), class: 0, score, right, seed: 0 };
        let clean = (0..10).map(|i| sample(if i < 2 { 1.0 } else { 0.0 }, true)).collect();
        let attacked = (0..10).map(|_| sample(5.0, false)).collect();
        Material { data: "set".into(), attacks: vec!["attack".into()], kinds: vec![clean, attacked], threshold: 0.5, few: 10 }
    }

    /// Answers `clean` of the first two clean images and `attacked` of the attacked ones rightly.
    fn tried(t: u16, smoothing: Option<Filter>, clean: usize, attacked: usize) -> Tried {
        let first = |right: usize| (0..10).map(|i| Some(i < right)).collect();
        let clean = (0..10).map(|i| Some(i >= 2 || i < clean)).collect();
        Tried { network: "ddpm".into(), setting: Setting { t, steps: 1 }, smoothing, right: vec![clean, first(attacked)] }
    }

    #[test]
    fn the_filter_begins_where_it_costs_no_clean_image() {
        let mean = Some(Filter::Mean3);
        let all = [tried(10, None, 2, 1), tried(50, None, 1, 5), tried(10, mean, 0, 8), tried(50, mean, 0, 9)];
        let policy = choose(&all, &material(), 2).unwrap();
        assert_eq!(policy.smoothing, Some((Filter::Mean3, 50)));
        assert_eq!(policy.levels, [Level { from_score: 0.5, t: 10 }, Level { from_score: 5.0, t: 50 }]);
        assert_eq!(policy.value, [1.0, 0.9]);
        assert!(std::ptr::eq(policy.highest(), &all[3]));
    }

    #[test]
    fn of_equal_policies_the_one_without_a_filter_is_taken() {
        let all = [tried(50, Some(Filter::Mean5), 2, 9), tried(50, None, 2, 9)];
        assert_eq!(choose(&all, &material(), 2).unwrap().smoothing, None);
    }

    #[test]
    fn where_every_policy_costs_too_much_the_cheapest_is_taken() {
        let all = [tried(10, None, 1, 2), tried(50, None, 0, 9)];
        let policy = choose(&all, &material(), 2).unwrap();
        assert_eq!(policy.value[0], 0.9);
        assert!(choose(&[], &material(), 2).is_none());
    }
}
