//! Closed-form heads: the textbook's solutions, and the same head wherever the images lie.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use federation::{
    FederationError,
    heads::{Head, lda, ridge},
    statistics::{Shape, Statistics},
};
use proptest::prelude::*;

/// A stream of numbers that is the same everywhere.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal: the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// Two clouds, deviations 20 and 40, 60 apart along the first axis; a quarter of the images are of the first.
fn clouds(count: usize, seed: u64) -> Vec<(usize, Vec<i16>)> {
    let mut stream = Stream(seed);
    let mut image = |i: usize| {
        let class = usize::from(!i.is_multiple_of(4));
        let x = 20.0 * stream.normal() + if class == 1 { 60.0 } else { 0.0 };
        (class, [x, 40.0 * stream.normal()].map(|v| v.round().clamp(-255.0, 255.0) as i16).to_vec())
    };
    (0..count).map(&mut image).collect()
}

fn statistics(classes: usize, images: &[(usize, Vec<i16>)]) -> Statistics {
    let mut statistics = Statistics::new(Shape::new(classes, images[0].1.len(), 1000).unwrap());
    images.iter().for_each(|(class, token)| statistics.add(*class, token).unwrap());
    statistics
}

fn margin(head: &Head, token: &[i16]) -> f64 {
    let logits = head.logits(token);
    logits[1] - logits[0]
}

#[test]
fn lda_is_the_bayes_rule_of_two_gaussians_and_its_logits_are_log_posteriors() {
    let head = lda(&statistics(2, &clouds(200_000, 1)), 0.0).unwrap();
    // w = Σ⁻¹(μ₁ − μ₀) = (60/400, 0); the margin is ln(3) at the middle, where only the prior speaks.
    let slope = margin(&head, &[100, 0]) - margin(&head, &[99, 0]);
    assert!((slope - 0.15).abs() < 0.002, "{slope}");
    assert!((margin(&head, &[30, 0]) - 3f64.ln()).abs() < 0.03, "{}", margin(&head, &[30, 0]));
    assert!((margin(&head, &[30, 200]) - margin(&head, &[30, 0])).abs() < 0.05);
}

#[test]
fn full_shrinkage_is_the_nearest_mean() {
    let images = [(0, vec![0, 0]), (0, vec![10, 0]), (1, vec![100, 50]), (1, vec![110, 50])];
    let head = lda(&statistics(2, &images), 1.0).unwrap();
    // Means (5, 0) and (105, 50): the middle (55, 25) is a tie.
    assert!(margin(&head, &[55, 25]).abs() < 1e-9);
    assert!(margin(&head, &[56, 25]) > 0.0 && margin(&head, &[55, 24]) < 0.0);
}

#[test]
fn ridge_solves_the_normal_equations() {
    let images = clouds(500, 3);
    let statistics = statistics(2, &images);
    let (n, lambda) = (images.len() as f64, 0.3);
    let head = ridge(&statistics, lambda).unwrap();
    // Of a centred head of two classes, the second's score is half the difference of the raw ones: 2·score + 1/2 estimates y.
    let score = |x: &[i16]| margin(&head, x) / 2.0 + 0.5;
    let rest: Vec<f64> = images.iter().map(|(y, x)| score(x) - *y as f64).collect();
    assert!((rest.iter().sum::<f64>() / n).abs() < 1e-9, "the intercept is free");
    let mean = |i: usize| images.iter().map(|(_, x)| f64::from(x[i])).sum::<f64>() / n;
    let variance =
        (0..2).map(|i| images.iter().map(|(_, x)| (f64::from(x[i]) - mean(i)).powi(2)).sum::<f64>() / n).sum::<f64>() / 2.0;
    for i in 0..2 {
        let gradient: f64 = images.iter().zip(&rest).map(|((_, x), r)| r * f64::from(x[i])).sum();
        let weight = (head.weights[2 + i] - head.weights[i]) / 2.0;
        assert!((gradient + lambda * n * variance * weight).abs() < 1e-6 * n, "{gradient}");
    }
}

proptest! {
    #[test]
    fn the_federated_head_is_the_pooled_head_bit_for_bit(seed in any::<u64>(), sites in prop::collection::vec(0usize..7, 80)) {
        let images = clouds(80, seed);
        let pooled = statistics(2, &images);
        let mut opened = vec![0; pooled.shape().length()];
        for site in 0..7 {
            let own: Vec<_> = images.iter().zip(&sites).filter(|(_, s)| **s == site).map(|(i, _)| i.clone()).collect();
            let mut part = Statistics::new(pooled.shape());
            own.iter().for_each(|(class, token)| part.add(*class, token).unwrap());
            opened.iter_mut().zip(part.to_values()).for_each(|(sum, value)| *sum += value);
        }
        let opened = Statistics::from_values(pooled.shape(), opened).unwrap();
        prop_assert_eq!(lda(&opened, 0.1).unwrap(), lda(&pooled, 0.1).unwrap());
        prop_assert_eq!(ridge(&opened, 0.1).unwrap(), ridge(&pooled, 0.1).unwrap());
    }

    #[test]
    fn integers_answer_as_the_head_does(seed in any::<u64>(), x in -255i16..=255, y in -255i16..=255) {
        let head = lda(&statistics(2, &clouds(100, seed)), 0.1).unwrap();
        let integers = head.to_integers().unwrap();
        prop_assert!(integers.weights.iter().all(|w| w.unsigned_abs() <= 255));
        let token = [x, y];
        for (c, logit) in head.logits(&token).iter().enumerate() {
            let sum: i64 = (0..2).map(|i| i64::from(integers.weights[2 * c + i]) * i64::from(token[i])).sum();
            let opened = (sum + integers.bias[c]) as f64 * integers.step;
            // Half a step for each weight, times at most 255, and half for the bias.
            prop_assert!((opened - logit).abs() <= integers.step * (255.0 + 0.5) + 1e-9, "{} {}", opened, logit);
        }
        for i in 0..2 {
            prop_assert!((head.weights[i] + head.weights[2 + i]).abs() < 1e-12);
        }
    }
}

#[test]
fn what_has_no_solution_is_refused_with_a_reason() {
    let images = [(0, vec![1, 2]), (0, vec![3, 1]), (2, vec![5, 5]), (2, vec![4, 1])];
    let missing = statistics(3, &images);
    assert_eq!(lda(&missing, 0.1), Err(FederationError::EmptyClass { class: 1 }));
    assert_eq!(ridge(&missing, 0.1), Err(FederationError::EmptyClass { class: 1 }));
    // Two images of each class on one line: no covariance across it.
    let flat = statistics(2, &[(0, vec![1, 1]), (0, vec![3, 3]), (1, vec![5, 5]), (1, vec![9, 9])]);
    assert_eq!(lda(&flat, 0.0), Err(FederationError::Singular));
    assert!(lda(&flat, 0.1).is_ok());
    let mut noisy = flat.clone();
    noisy.raise_diagonal(-100);
    assert_eq!(lda(&noisy, 0.0), Err(FederationError::Singular));
    for value in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(lda(&flat, value), Err(FederationError::OutOfRange { .. })));
    }
    for value in [-0.1, f64::INFINITY, f64::NAN] {
        assert!(matches!(ridge(&flat, value), Err(FederationError::OutOfRange { .. })));
    }
    let nothing = Head { classes: 2, dim: 1, weights: vec![0.0; 2], bias: vec![0.0; 2] };
    assert_eq!(nothing.to_integers(), Err(FederationError::Singular));
}
