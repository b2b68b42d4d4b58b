//! The opened sum is the plain sum.

use he::aggregation::{Contribution, Rules, SUM_2048_Q32, SUM_2048_Q52};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::common::Party;

fn add(vectors: &[Vec<i64>]) -> Vec<i64> {
    (0..vectors[0].len()).map(|i| vectors.iter().map(|vector| vector[i]).sum()).collect()
}

#[derive(Debug, Clone)]
struct Case {
    rules: Rules,
    wide: bool,
    contributing: Vec<u16>,
    confirming: Vec<u16>,
    opening: Vec<u16>,
    vectors: Vec<Vec<i64>>,
}

/// Any rules of up to 12 sites, any set of sites that contribute, any members that drop out before or at the opening.
fn cases() -> impl Strategy<Value = Case> {
    let rules = (3u16..=12)
        .prop_flat_map(|sites| (Just(sites), 1..sites - 1))
        .prop_flat_map(|(sites, collusion)| (Just(sites), collusion + 1..=sites, Just(collusion), collusion + 2..=sites))
        .prop_map(|(sites, threshold, collusion, cohort)| Rules::new(sites, threshold, collusion, cohort).unwrap());
    let length = prop_oneof![1usize..40, 2040usize..2060, 4090usize..4100];
    (rules, any::<bool>(), length).prop_flat_map(|(rules, wide, length)| {
        let all: Vec<u16> = (0..rules.sites()).collect();
        let some = |least: u16| subsequence(all.clone(), usize::from(least)..=all.len());
        let limit = if wide { &SUM_2048_Q52 } else { &SUM_2048_Q32 }.value_limit();
        (some(rules.cohort()), some(rules.quorum())).prop_flat_map(move |(contributing, confirming)| {
            let opening = subsequence(confirming.clone(), usize::from(rules.threshold())..=confirming.len());
            let value = prop_oneof![Just(limit), Just(-limit), -limit..=limit];
            let vectors = prop::collection::vec(prop::collection::vec(value, length), contributing.len());
            (Just(contributing), Just(confirming), opening, vectors).prop_map(
                move |(contributing, confirming, opening, vectors)| Case {
                    rules,
                    wide,
                    contributing,
                    confirming,
                    opening,
                    vectors,
                },
            )
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_drops_out_the_opened_sum_is_the_plain_sum(case in cases()) {
        let parameters = if case.wide { &SUM_2048_Q52 } else { &SUM_2048_Q32 };
        let party = Party::new(case.rules, parameters, case.vectors[0].len());
        let contributions = case.contributing.iter().zip(&case.vectors).map(|(&site, values)| party.contribute(site, values));
        let closed = party.close(contributions.collect());
        let opened = party.open(&closed, &case.confirming, &case.opening).unwrap();
        prop_assert!(opened.outliers.is_empty());
        prop_assert_eq!(opened.sum, add(&case.vectors));
    }
}

#[test]
fn three_ten_fifty_and_sixty_three_sites_sum_the_largest_values() {
    for sites in [3u16, 10, 50, 63] {
        let party = Party::new(Rules::recommended(sites).unwrap(), &SUM_2048_Q52, 100);
        let sign = |site: u16| if site % 7 == 3 { -1 } else { 1 };
        let vectors: Vec<Vec<i64>> = (0..sites).map(|site| vec![sign(site) * SUM_2048_Q52.value_limit(); 100]).collect();
        let contributions = (0..sites).map(|site| party.contribute(site, &vectors[usize::from(site)])).collect();
        let closed = party.close(contributions);
        let all: Vec<u16> = (0..sites).collect();
        let threshold = usize::from(party.consortium.rules().threshold());
        assert_eq!(party.open(&closed, &all, &all[..threshold]).unwrap().sum, add(&vectors), "{sites} sites");
    }
}

#[test]
fn sums_of_all_equal_extremes_do_not_overflow() {
    for parameters in [&SUM_2048_Q32, &SUM_2048_Q52] {
        let party = Party::new(Rules::recommended(63).unwrap(), parameters, 5);
        for extreme in [parameters.value_limit(), -parameters.value_limit()] {
            let closed = party.close((0..63).map(|site| party.contribute(site, &[extreme; 5])).collect());
            let all: Vec<u16> = (0..63).collect();
            assert_eq!(party.open(&closed, &all, &all).unwrap().sum, [63 * extreme; 5]);
        }
    }
}

#[test]
fn a_contribution_of_768_values_stays_below_eight_kilobytes() {
    for sites in [3, 10, 50] {
        let rules = Rules::recommended(sites).unwrap();
        let party = Party::new(rules, &SUM_2048_Q32, 768);
        let contribution = party.contribute(0, &[1; 768]);
        assert_eq!(contribution.to_bytes().len(), Contribution::bytes(&rules, &party.round, 0));
        assert!(contribution.to_bytes().len() <= 8_000, "{} bytes with {sites} sites", contribution.to_bytes().len());
    }
}
