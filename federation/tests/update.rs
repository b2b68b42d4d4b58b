//! Updates in fixed point: in range by construction, and their opened sum is the weighted mean.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use federation::{
    FederationError,
    update::{EXPERT_UPDATE, HEAD_UPDATE, UpdateParameters},
};
use proptest::prelude::*;

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn clipped(x: &[f64], limit: f64) -> Vec<f64> {
    x.iter().map(|v| v * (limit / norm(x).max(limit))).collect()
}

proptest! {
    #[test]
    fn every_value_stays_in_the_range_of_the_sum(update in prop::collection::vec(-1e6f64..1e6, 1..50), images in 1u32..1_000_000) {
        for set in [&HEAD_UPDATE, &EXPERT_UPDATE] {
            let values = set.to_values(&update, images).unwrap();
            prop_assert_eq!(values.len(), UpdateParameters::length(update.len()));
            prop_assert!(values.iter().all(|v| v.abs() <= 1 << 15));
        }
    }

    #[test]
    fn the_mean_is_that_of_all_images(sites in prop::collection::vec((prop::collection::vec(-2.0f64..2.0, 6), 1u32..4096), 1..8)) {
        let set = &HEAD_UPDATE;
        let mut sum = vec![0; 7];
        for (update, images) in &sites {
            sum.iter_mut().zip(set.to_values(update, *images).unwrap()).for_each(|(s, v)| *s += v);
        }
        let all: f64 = sites.iter().map(|(_, n)| f64::from(*n)).sum();
        let bound = sites.len() as f64 * set.step / (2.0 * all / f64::from(set.max_images)) + 1e-12;
        for (i, mean) in set.mean(&sum).unwrap().into_iter().enumerate() {
            let exact = sites.iter().map(|(u, n)| clipped(u, set.clip_norm)[i] * f64::from(*n)).sum::<f64>() / all;
            prop_assert!((mean - exact).abs() <= bound, "{} {} {}", mean, exact, bound);
        }
    }

    #[test]
    fn a_long_update_is_scaled_to_the_norm_and_keeps_its_direction(update in prop::collection::vec(1.0f64..1e5, 2..20)) {
        let set = &EXPERT_UPDATE;
        let mean = set.mean(&set.to_values(&update, set.max_images).unwrap()).unwrap();
        let rounding = set.step * (update.len() as f64).sqrt();
        prop_assert!(norm(&mean) <= set.clip_norm + rounding);
        for (a, b) in mean.iter().zip(clipped(&update, set.clip_norm)) {
            prop_assert!((a - b).abs() <= set.step, "{} {}", a, b);
        }
    }
}

#[test]
fn what_is_no_update_is_refused() {
    for bad in [f64::NAN, f64::INFINITY, f64::MAX] {
        assert!(matches!(HEAD_UPDATE.to_values(&[bad, 1.0], 5), Err(FederationError::OutOfRange { .. })));
    }
    assert!(matches!(HEAD_UPDATE.to_values(&[1.0], 0), Err(FederationError::OutOfRange { .. })));
    assert!(HEAD_UPDATE.mean(&[]).is_err() && HEAD_UPDATE.mean(&[5, 0]).is_err() && HEAD_UPDATE.mean(&[5, -1]).is_err());
}

#[test]
fn names_find_their_parameters_and_fit_the_sum() {
    for set in [&HEAD_UPDATE, &EXPERT_UPDATE] {
        assert_eq!(UpdateParameters::by_name(set.name), Some(set));
        assert!(set.value_limit() <= 1 << 15 && set.max_images <= 1 << 15);
    }
    assert_eq!(UpdateParameters::by_name("other"), None);
}
