//! The attack that the shared mask invites, on a deliberately wrong variant and on ours.
//!
//! Wrong variant: each site keeps its key and "partially decrypts" with it: it answers a·s + smudge. With the common mask a, the relay
//! subtracts that from the site's own ciphertext a·s + e + Δ·v and reads the site's vector.

use he::aggregation::hazmat::{bare_bodies, derive_bare_stream, derive_sum_key, make_bare_bodies, make_bare_key};
use he::aggregation::{Rules, SUM_2048_Q32};

use crate::common::Party;

const DELTA_LOG2: u32 = 10;

fn values() -> Vec<i64> {
    (0..64).map(|i| (i * i * 37) % 30_000 - 15_000).collect()
}

/// Rounds a phase modulo 2^32 to a multiple of Δ, as the relay would.
fn read(phase: u64) -> i64 {
    i64::from((phase as u32).wrapping_add(1 << (DELTA_LOG2 - 1)) as i32 >> DELTA_LOG2)
}

#[test]
fn answering_with_ones_own_key_gives_ones_own_vector_to_the_relay() {
    let party = Party::new(Rules::recommended(3).unwrap(), &SUM_2048_Q32, 64);
    let key = make_bare_key().unwrap();
    let sent = make_bare_bodies(&party.round, &key, &values()).unwrap();
    // The smudge is about as large as the sum of three could still bear.
    let smudge = (0u64..).map(|i| (i * 7919) % 300);
    let answered = derive_bare_stream(&party.round, &key).into_iter().zip(smudge).map(|(x, e)| x.wrapping_add(e));
    let stolen: Vec<i64> = sent.iter().zip(answered).map(|(body, answer)| read(body.wrapping_sub(answer))).collect();
    assert_eq!(stolen[..64], values());
}

#[test]
fn what_ours_sends_gives_the_relay_only_the_sum() {
    let party = Party::new(Rules::recommended(3).unwrap(), &SUM_2048_Q32, 64);
    let closed = party.close((0..3).map(|site| party.contribute(site, &values())).collect());
    let opened = party.open(&closed, &[0, 1, 2], &[0, 1, 2]).unwrap();
    assert_eq!(opened.sum, values().iter().map(|x| 3 * x).collect::<Vec<_>>());

    // The relay knows the sum of the keys. Each attempt to read one site's bodies with what it knows gives noise.
    let (certificate, records) = party.certify(&closed, &[0, 1, 2]).unwrap();
    let answers: Vec<_> =
        (0..3).map(|member| party.answer(&closed, member, &certificate, &records[usize::from(member)]).unwrap()).collect();
    let sum_key = derive_sum_key(&party.consortium, &answers);
    let thirds: Vec<i16> = sum_key.iter().map(|x| x / 3).collect();
    for key in [&sum_key[..], &thirds, &[0; 2048]] {
        let answered = derive_bare_stream(&party.round, key);
        for contribution in &closed.contributions {
            let read: Vec<i64> =
                bare_bodies(contribution).iter().zip(&answered).map(|(body, answer)| read(body.wrapping_sub(*answer))).collect();
            let right = read.iter().zip(values()).filter(|(a, b)| (*a - b).abs() < 1_000).count();
            // A uniform guess lands within 1,000 of a value once in 2,098: eight hits of 64 are a 1e-14 event.
            assert!(right < 8, "{right} of 64 values came out");
        }
    }
}
