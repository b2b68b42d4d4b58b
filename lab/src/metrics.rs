//! Figures of a classifier: accuracy, balanced accuracy, AUC, calibration, and intervals by bootstrap over groups.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Index of the largest value; the first of equal ones.
pub fn top<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

/// Share of right answers.
pub fn accuracy(answers: &[usize], truth: &[usize]) -> f64 {
    let right = answers.iter().zip(truth).filter(|(a, b)| a == b).count();
    right as f64 / truth.len().max(1) as f64
}

/// Mean over the classes that occur of the share of right answers in each.
pub fn balanced_accuracy(answers: &[usize], truth: &[usize]) -> f64 {
    let mut of_class: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (answer, class) in answers.iter().zip(truth) {
        let (right, all) = of_class.entry(*class).or_default();
        *right += usize::from(answer == class);
        *all += 1;
    }
    let recalls = of_class.values().map(|(right, all)| *right as f64 / *all as f64);
    recalls.sum::<f64>() / of_class.len().max(1) as f64
}

/// Area under the ROC curve: the chance that a positive scores above a negative, ties counting half. None without both kinds.
pub fn auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut rank_sum, mut start) = (0.0, 0);
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && scores[order[end]] == scores[order[start]] {
            end += 1;
        }
        let middle = (start + end + 1) as f64 / 2.0;
        rank_sum += middle * order[start..end].iter().filter(|i| positive[**i]).count() as f64;
        start = end;
    }
    let p = positive.iter().filter(|p| **p).count() as f64;
    let n = positive.len() as f64 - p;
    (p > 0.0 && n > 0.0).then(|| (rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// AUC of two classes by the second's probability; of more, the mean over classes against the rest.
pub fn auc_of_classes(probabilities: &[Vec<f64>], truth: &[usize]) -> Option<f64> {
    let classes = probabilities.first()?.len();
    let one = |class: usize| {
        let scores: Vec<f64> = probabilities.iter().map(|p| p[class]).collect();
        let positive: Vec<bool> = truth.iter().map(|t| *t == class).collect();
        auc(&scores, &positive)
    };
    if classes == 2 {
        return one(1);
    }
    let known: Vec<f64> = (0..classes).filter_map(one).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// Mean negative log-likelihood of the true class.
pub fn nll(probabilities: &[Vec<f64>], truth: &[usize]) -> f64 {
    let terms = probabilities.iter().zip(truth).map(|(p, t)| -p[*t].max(1e-12).ln());
    terms.sum::<f64>() / truth.len().max(1) as f64
}

/// Expected calibration error: mean distance of confidence and accuracy over ten bins of confidence, weighted by their size.
pub fn calibration_error(probabilities: &[Vec<f64>], truth: &[usize]) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); 10];
    for (p, truth) in probabilities.iter().zip(truth) {
        let answer = top(p);
        let bin = &mut bins[((p[answer] * 10.0) as usize).min(9)];
        bin.0 += p[answer];
        bin.1 += f64::from(u8::from(answer == *truth));
        bin.2 += 1.0;
    }
    bins.iter().map(|(confidence, right, _)| (confidence - right).abs()).sum::<f64>() / truth.len().max(1) as f64
}

/// 95 % interval of a mean over images, by resampling whole groups with replacement (percentiles of 2000 draws, fixed seed).
pub fn group_bootstrap(values: &[f64], groups: &[String]) -> (f64, f64) {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (value, group) in values.iter().zip(groups) {
        let sum = sums.entry(group).or_default();
        sum.0 += value;
        sum.1 += 1.0;
    }
    let sums: Vec<(f64, f64)> = sums.into_values().collect();
    if sums.is_empty() {
        return (f64::NAN, f64::NAN);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(20_260);
    let mut means: Vec<f64> = (0..2000)
        .map(|_| {
            let drawn = (0..sums.len()).map(|_| sums[rng.random_range(0..sums.len())]);
            let (sum, count) = drawn.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            sum / count
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[50], means[1949])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_of_a_hand_counted_case() {
        // Pairs (positive, negative): 0.9 beats 0.8 and 0.3; 0.5 beats 0.3 and loses to 0.8; 0.3 ties with 0.3, loses to 0.8.
        let scores = [0.9, 0.5, 0.3, 0.8, 0.3];
        let positive = [true, true, true, false, false];
        assert_eq!(auc(&scores, &positive), Some((2.0 + 1.0 + 0.5) / 6.0));
        assert_eq!(auc(&scores, &[true; 5]), None);
    }

    #[test]
    fn balanced_accuracy_weighs_classes_equally() {
        let (answers, truth) = ([0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 1, 1]);
        assert!((accuracy(&answers, &truth) - 5.0 / 6.0).abs() < 1e-12);
        assert!((balanced_accuracy(&answers, &truth) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_two_opposite_groups_spans_everything() {
        // Drawing two of two groups: both all-wrong 1/4, mixed 1/2, both all-right 1/4.
        let groups = ["a", "a", "b", "b"].map(String::from);
        assert_eq!(group_bootstrap(&[1.0, 1.0, 0.0, 0.0], &groups), (0.0, 1.0));
        assert_eq!(group_bootstrap(&[1.0; 4], &groups), (1.0, 1.0));
    }

    #[test]
    fn groups_widen_the_interval_beyond_that_of_single_images() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i % 100 >= 10))).collect();
        let single: Vec<String> = (0..200).map(|i| i.to_string()).collect();
        let tens: Vec<String> = (0..200).map(|i| (i / 10).to_string()).collect();
        let width = |groups: &[String]| {
            let (low, high) = group_bootstrap(&values, groups);
            high - low
        };
        // Binomial: 2·1.96·sqrt(0.1·0.9/200) = 0.083; ten times fewer units: 0.263.
        assert!((width(&single) - 0.083).abs() < 0.015, "{}", width(&single));
        assert!((width(&tens) - 0.263).abs() < 0.05, "{}", width(&tens));
    }

    #[test]
    fn a_calibrated_coin_has_no_calibration_error() {
        let probabilities = vec![vec![0.25, 0.75]; 4];
        assert!(calibration_error(&probabilities, &[1, 1, 1, 0]) < 1e-12);
        assert!((calibration_error(&probabilities, &[1; 4]) - 0.25).abs() < 1e-12);
        assert!((nll(&probabilities, &[1; 4]) + 0.75f64.ln()).abs() < 1e-12);
    }
}
