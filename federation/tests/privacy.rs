//! The privacy of the noise, against the definition, and the ledger.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use federation::{
    FederationError,
    privacy::{Ledger, Noise, Shares, delta, epsilon, mu},
    statistics::{Shape, Statistics},
};
use proptest::prelude::*;

/// δ by the definition: the integral over `x` of max(0, p(x) − e^ε q(x)) for p = N(μ, 1), q = N(0, 1), by Simpson's rule.
fn delta_by_definition(mu: f64, epsilon: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let excess = |x: f64| (density(x - mu) - epsilon.exp() * density(x)).max(0.0);
    // The integrand is zero below the point where the densities' ratio is e^ε, and smooth above.
    let (low, high, steps) = (epsilon / mu + mu / 2.0, mu + 12.0 + epsilon / mu, 20_000);
    let width = (high - low) / steps as f64;
    let inner = (1..steps).map(|i| excess(low + width * i as f64) * if i % 2 == 1 { 4.0 } else { 2.0 });
    (excess(low) + excess(high) + inner.sum::<f64>()) * width / 3.0
}

proptest! {
    #[test]
    fn delta_is_what_the_definition_says(mu in 0.05f64..6.0, epsilon in 0.0f64..8.0) {
        let (closed, integral) = (delta(mu, epsilon), delta_by_definition(mu, epsilon));
        prop_assert!((closed - integral).abs() < 1e-10, "{} {}", closed, integral);
    }

    #[test]
    fn more_noise_is_never_less_private_nor_a_larger_epsilon_more_so(mu in 0.01f64..20.0, epsilon in 0.0f64..20.0, more in 1.0f64..2.0) {
        prop_assert!(delta(mu * more, epsilon) >= delta(mu, epsilon) - 1e-15);
        prop_assert!(delta(mu, epsilon * more) <= delta(mu, epsilon) + 1e-15);
        prop_assert!((0.0..=1.0).contains(&delta(mu, epsilon)));
    }

    #[test]
    fn epsilon_and_mu_are_inverses_on_the_safe_side(budget in 0.01f64..50.0, exponent in 3i32..12) {
        let limit = 10f64.powi(-exponent);
        let mu = mu(budget, limit).unwrap();
        prop_assert!(delta(mu, budget) <= limit * (1.0 + 1e-9));
        prop_assert!((epsilon(mu, limit).unwrap() - budget).abs() < 1e-6 * budget.max(1.0), "{}", epsilon(mu, limit).unwrap());
    }

    #[test]
    fn a_ledger_never_exceeds_its_budget_and_composes_exactly(costs in prop::collection::vec(0.01f64..0.5, 1..40)) {
        let mut ledger = Ledger::new(2.0, 1e-6).unwrap();
        let mut squares = 0.0;
        for (round, cost) in costs.iter().enumerate() {
            let before = ledger.clone();
            match ledger.spend(&round.to_string(), *cost) {
                Ok(()) => squares += cost * cost,
                Err(error) => {
                    prop_assert!(matches!(error, FederationError::BudgetSpent { would_be, .. } if would_be > 2.0), "{}", error);
                    prop_assert_eq!(&ledger, &before);
                }
            }
            prop_assert!(ledger.spent().unwrap() <= 2.0 + 1e-6);
            prop_assert!((ledger.mu() - squares.sqrt()).abs() < 1e-12);
        }
    }
}

#[test]
fn known_values_are_met() {
    // σ of the analytic Gaussian mechanism for sensitivity 1 (Balle, Wang 2018; the published implementation gives these).
    assert!((1.0 / mu(1.0, 1e-5).unwrap() - 3.730_631_634_8).abs() < 1e-8, "{}", 1.0 / mu(1.0, 1e-5).unwrap());
    // At ε = 0, δ is the distance of the two laws: 2Φ(μ/2) − 1.
    assert!((delta(1.0, 0.0) - 0.382_924_922_548_026).abs() < 1e-12);
    assert_eq!(epsilon(0.0, 1e-6), Ok(0.0));
    // Far better than the classical bound √(2 ln(1.25/δ))/ε, which also ends at ε = 1.
    assert!(1.0 / mu(1.0, 1e-5).unwrap() < (2.0 * (1.25e5f64).ln()).sqrt());
}

#[test]
fn impossible_settings_are_refused() {
    for (e, d) in [(0.0, 1e-5), (-1.0, 1e-5), (f64::NAN, 1e-5), (2000.0, 1e-5), (1.0, 0.0), (1.0, 1.0), (1.0, f64::NAN)] {
        assert!(matches!(mu(e, d), Err(FederationError::OutOfRange { .. })), "{e} {d}");
        assert!(Ledger::new(e, d).is_err());
    }
    assert!(epsilon(-1.0, 1e-5).is_err() && epsilon(1.0, 2.0).is_err());
    let shape = Shape::new(3, 4, 100).unwrap();
    for (mu, shares, honest) in [
        (0.0, Shares::EVEN, 1),
        (1.0, Shares::EVEN, 0),
        (1.0, Shares { counts: 0.0, sums: 0.5, moments: 0.5 }, 1),
        (1.0, Shares { counts: 0.5, sums: 0.5, moments: 0.5 }, 1),
        (f64::NAN, Shares::EVEN, 1),
    ] {
        assert!(matches!(Noise::derive(shape, mu, shares, honest), Err(FederationError::OutOfRange { .. })), "{mu} {honest}");
    }
}

#[test]
fn a_round_is_spent_once() {
    let mut ledger = Ledger::new(1.0, 1e-6).unwrap();
    ledger.spend("lung/1", 0.1).unwrap();
    assert_eq!(ledger.spend("lung/1", 0.1), Err(FederationError::AlreadySpent { round: "lung/1".into() }));
    let kept: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
    assert_eq!(kept, ledger);
}

#[test]
fn no_token_moves_the_statistics_further_than_mu_says() {
    let (clip_norm, cost) = (300, 0.7);
    let shape = Shape::new(2, 6, clip_norm).unwrap();
    let noise = Noise::derive(shape, cost, Shares::EVEN, 2).unwrap();
    assert!((noise.mu(shape) - cost).abs() < 1e-12);
    let long = [[255i16; 6], [255, 0, 0, 0, 0, 0], [-255, 255, 100, -3, 0, 7], [122, 122, -122, 122, 122, 122]];
    for token in long {
        let mut statistics = Statistics::new(shape);
        statistics.add(1, &token).unwrap();
        let count = (1.0 / noise.counts).powi(2);
        let sums: f64 = statistics.sums(1).iter().map(|x| (*x as f64 / noise.sums).powi(2)).sum();
        let mut moments = 0.0;
        for i in 0..6 {
            for j in i..6 {
                let deviation = if i == j { noise.moments * 2f64.sqrt() } else { noise.moments };
                moments += (statistics.moment(i, j) as f64 / deviation).powi(2);
            }
        }
        assert!((count + sums + moments).sqrt() <= cost + 1e-12, "{token:?}");
    }
}

#[test]
fn a_lax_budget_still_keeps_the_noise_above_rounding() {
    let shape = Shape::new(2, 4, 100).unwrap();
    let noise = Noise::derive(shape, 20.0, Shares::EVEN, 4).unwrap();
    assert_eq!(noise.counts, 4.0, "two for each of four sites");
    assert!(noise.mu(shape) < 20.0);
}

#[test]
fn the_honest_sites_parts_add_up_to_the_stated_noise() {
    let shape = Shape::new(2, 60, 200).unwrap();
    let noise = Noise::derive(shape, 1.0, Shares::EVEN, 3).unwrap();
    let mut sum = vec![0i64; shape.length()];
    for _ in 0..3 {
        noise.add_part(shape, &mut sum).unwrap();
    }
    let deviation = |values: &[i64]| (values.iter().map(|v| (*v as f64).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    let (sums, moments) = sum[2..].split_at(120);
    // 120 values: the deviation's own error is 6.5 %; 1 830 moments, 60 of them on the diagonal: 1.7 %.
    assert!((deviation(sums) / noise.sums - 1.0).abs() < 0.3, "{}", deviation(sums) / noise.sums);
    let expected = noise.moments * ((1830.0 + 60.0) / 1830f64).sqrt();
    assert!((deviation(moments) / expected - 1.0).abs() < 0.1, "{}", deviation(moments) / expected);
    let mean = moments.iter().sum::<i64>() as f64 / 1830.0;
    assert!(mean.abs() < 6.0 * noise.moments / 1830f64.sqrt(), "{mean}");
    assert!(noise.add_part(shape, &mut sum[1..]).is_err());
}

#[test]
fn the_noise_s_spectral_bound_holds() {
    let shape = Shape::new(2, 40, 200).unwrap();
    let noise = Noise::derive(shape, 1.0, Shares::EVEN, 2).unwrap();
    let mut values = vec![0i64; shape.length()];
    (0..5).for_each(|_| noise.add_part(shape, &mut values).unwrap());
    let drawn = Statistics::from_values(shape, values).unwrap();
    let matrix = nalgebra::DMatrix::from_fn(40, 40, |i, j| drawn.moment(i, j) as f64);
    let norm = matrix.symmetric_eigenvalues().amax();
    let bound = noise.spectral_norm(shape, 5) as f64;
    assert!(norm < bound && norm > 0.6 * bound, "{norm} {bound}");
}
