//! Statistics are exact, clipped, and add.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use federation::{
    FederationError,
    statistics::{Shape, Statistics, VALUE_LIMIT, clip},
};
use proptest::prelude::*;

const CLASSES: usize = 3;
const DIM: usize = 5;

fn images() -> impl Strategy<Value = Vec<(usize, Vec<i16>)>> {
    prop::collection::vec((0..CLASSES, prop::collection::vec(-255i16..=255, DIM)), 0..40)
}

fn of(images: &[(usize, Vec<i16>)], clip_norm: u32) -> Statistics {
    let mut statistics = Statistics::new(Shape::new(CLASSES, DIM, clip_norm).unwrap());
    for (class, token) in images {
        statistics.add(*class, token).unwrap();
    }
    statistics
}

proptest! {
    #[test]
    fn the_statistics_are_the_sums_written_out(images in images(), clip_norm in 1u32..700) {
        let statistics = of(&images, clip_norm);
        for class in 0..CLASSES {
            let own: Vec<Vec<i64>> = images.iter().filter(|i| i.0 == class).map(|i| clip(&i.1, clip_norm)).collect();
            prop_assert_eq!(statistics.counts()[class], own.len() as i64);
            for i in 0..DIM {
                prop_assert_eq!(statistics.sums(class)[i], own.iter().map(|x| x[i]).sum::<i64>());
            }
        }
        for i in 0..DIM {
            for j in 0..DIM {
                let sum: i64 = images.iter().map(|(_, x)| clip(x, clip_norm)).map(|x| x[i] * x[j]).sum();
                prop_assert_eq!(statistics.moment(i, j), sum);
            }
        }
    }

    #[test]
    fn however_images_are_dealt_to_sites_the_sum_is_the_pooled_statistic(images in images(), sites in prop::collection::vec(0usize..4, 40)) {
        let mut parts = [vec![], vec![], vec![], vec![]];
        images.iter().zip(&sites).for_each(|(image, site)| parts[*site].push(image.clone()));
        let sums: Vec<Vec<i64>> = parts.iter().map(|part| of(part, 300).to_values()).collect();
        let opened: Vec<i64> = (0..sums[0].len()).map(|i| sums.iter().map(|s| s[i]).sum()).collect();
        let pooled = of(&images, 300);
        prop_assert!(Statistics::from_values(pooled.shape(), opened).unwrap() == pooled);
        let mut merged = of(&parts[0], 300);
        parts[1..].iter().for_each(|part| merged.merge(&of(part, 300)).unwrap());
        prop_assert!(merged == pooled);
    }

    #[test]
    fn a_clipped_token_is_never_longer_than_the_norm_and_hardly_shorter(token in prop::collection::vec(-255i16..=255, 1..300), norm in 1u32..4000) {
        let clipped = clip(&token, norm);
        let squares = |x: &[i64]| x.iter().map(|v| v * v).sum::<i64>();
        let before: Vec<i64> = token.iter().map(|v| i64::from(*v)).collect();
        prop_assert!(squares(&clipped) <= i64::from(norm).pow(2));
        if squares(&before) <= i64::from(norm).pow(2) {
            prop_assert_eq!(&clipped, &before);
        }
        let exact = (f64::from(norm) / (squares(&before) as f64).sqrt()).min(1.0);
        for (after, before) in clipped.iter().zip(&before) {
            let wanted = *before as f64 * exact;
            prop_assert!((*after as f64 - wanted).abs() < 2.0 && after.abs() <= before.abs(), "{} {}", after, wanted);
        }
    }

    #[test]
    fn values_of_another_length_are_refused(length in 0usize..100) {
        let shape = Shape::new(CLASSES, DIM, 100).unwrap();
        prop_assert_eq!(Statistics::from_values(shape, vec![0; length]).is_ok(), length == shape.length());
    }
}

#[test]
fn no_value_can_leave_the_range_of_the_sum() {
    let shape = Shape::new(2, 1, 65_536).unwrap();
    assert_eq!(shape.length(), 2 + 2 + 1);
    let limit = shape.max_images();
    assert!(limit * 255 * 255 <= VALUE_LIMIT && (limit + 1) * 255 * 255 > VALUE_LIMIT);
    let mut values = vec![0; shape.length()];
    values[0] = limit - 1;
    let mut statistics = Statistics::from_values(shape, values).unwrap();
    statistics.add(1, &[255]).unwrap();
    assert_eq!(statistics.add(1, &[255]), Err(FederationError::TooManyImages { limit }));
    // A smaller norm leaves room for more images.
    assert_eq!(Shape::new(2, 1, 10).unwrap().max_images(), VALUE_LIMIT / 100);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut statistics = of(&[(0, vec![1; DIM])], 100);
    let before = statistics.clone();
    for (class, token) in
        [(CLASSES, vec![0; DIM]), (0, vec![0; DIM + 1]), (0, vec![]), (1, vec![256, 0, 0, 0, 0]), (1, vec![i16::MIN; DIM])]
    {
        assert!(matches!(statistics.add(class, &token), Err(FederationError::BadToken { .. })));
    }
    let other = Statistics::new(Shape::new(CLASSES, DIM, 101).unwrap());
    assert!(matches!(statistics.merge(&other), Err(FederationError::BadShape { .. })));
    assert!(statistics == before);
    for (classes, dim, norm) in [(1, 4, 9), (65, 4, 9), (2, 0, 9), (2, 2049, 9), (2, 4, 0), (2, 4, 65_537)] {
        assert!(Shape::new(classes, dim, norm).is_err());
    }
}

#[test]
fn the_diagonal_alone_is_raised() {
    let mut statistics = of(&[(0, vec![3, -1, 4, 1, -5])], 255);
    statistics.raise_diagonal(1000);
    assert_eq!(statistics.moment(2, 2), 1016);
    assert_eq!(statistics.moment(4, 2), -20);
    assert_eq!(statistics.sums(0), [3, -1, 4, 1, -5]);
}
