//! What sites compute is the same natively and in the browser, and a whole round runs there.
#![allow(clippy::unwrap_used)]

use federation::statistics::{Shape, Statistics};
use he::aggregation::member::{MemberRecord, derive_answer, derive_confirmation};
use he::aggregation::relay::{Tally, derive_delivery, open_sum};
use he::aggregation::site::make_contribution;
use he::aggregation::{Certificate, Consortium, Contribution, IdentityKey, Round, Rules, SUM_2048_Q52};
use sha2::{Digest, Sha256};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Statistics of 40 tokens of a fixed linear congruential stream.
fn statistics(seed: u64) -> Statistics {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 511) as i16 - 255
    };
    let mut statistics = Statistics::new(Shape::new(3, 16, 500).unwrap());
    for image in 0..40 {
        let token: Vec<i16> = (0..16).map(|_| draw()).collect();
        statistics.add(image % 3, &token).unwrap();
    }
    statistics
}

#[test]
fn statistics_are_the_same_on_every_machine() {
    let bytes: Vec<u8> = statistics(7).to_values().iter().flat_map(|value| value.to_le_bytes()).collect();
    let digest = hex::encode(&Sha256::digest(&bytes)[..8]);
    // Written down from a native run on x86-64.
    assert_eq!(digest, "166b0978fbd9ce0f");
}

#[test]
fn a_whole_round_gives_the_pooled_statistics() {
    let keys: Vec<IdentityKey> = (0..3).map(|_| IdentityKey::make().unwrap()).collect();
    let identities = keys.iter().map(IdentityKey::identity).collect();
    let consortium = Consortium::derive("everywhere", Rules::recommended(3).unwrap(), identities).unwrap();
    let parts: Vec<Statistics> = (1..4).map(statistics).collect();
    let length = parts[0].to_values().len();
    let round = Round::derive(&consortium, 1, &SUM_2048_Q52, length, b"statistics").unwrap();

    let mut tally = Tally::new(&round);
    let make = |(key, part): (&IdentityKey, &Statistics)| make_contribution(&consortium, &round, key, &part.to_values()).unwrap();
    let contributions: Vec<Contribution> = keys.iter().zip(&parts).map(make).collect();
    contributions.iter().for_each(|contribution| tally.add(contribution).unwrap());
    let set = tally.derive_set(&consortium).unwrap();
    let all: Vec<&Contribution> = contributions.iter().collect();
    let deliveries: Vec<_> = (0..3).map(|member| derive_delivery(&set, &all, member).unwrap()).collect();
    let mut records = [MemberRecord::default(); 3];
    let confirmations: Vec<_> =
        (0..3).map(|i| derive_confirmation(&consortium, &round, &keys[i], &deliveries[i], &mut records[i]).unwrap()).collect();
    let certificate = Certificate::derive(&consortium, &set, &confirmations).unwrap().to_bytes(&round);
    let answer = |i: usize| derive_answer(&consortium, &round, &keys[i], &deliveries[i], &certificate, &records[i]).unwrap();
    let opened = open_sum(&consortium, &set, &tally, &[answer(0), answer(2)]).unwrap();

    let mut pooled = parts[0].clone();
    pooled.merge(&parts[1]).unwrap();
    pooled.merge(&parts[2]).unwrap();
    assert_eq!(opened.sum, pooled.to_values());
}
