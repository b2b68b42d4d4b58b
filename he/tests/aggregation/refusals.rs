//! What is not the protocol is refused, each thing with an error of its own.

use he::HeError;
use he::aggregation::hazmat::{forge_answer, make_bad_contribution};
use he::aggregation::member::{MemberRecord, derive_answer, derive_confirmation};
use he::aggregation::relay::{Tally, open_sum};
use he::aggregation::site::make_contribution;
use he::aggregation::{
    Answer, Certificate, Confirmation, Consortium, Contribution, Delivery, Identity, IdentityKey, Round, Rules, SUM_2048_Q32, Set,
};

use crate::common::{Closed, Party};

const ALL: [u16; 5] = [0, 1, 2, 3, 4];

/// Five sites, four answers needed, one may collude, three must contribute.
fn party() -> Party {
    Party::new(Rules::recommended(5).unwrap(), &SUM_2048_Q32, 6)
}

fn closed(party: &Party, sites: &[u16]) -> Closed {
    party.close(sites.iter().map(|&site| party.contribute(site, &[i64::from(site); 6])).collect())
}

#[test]
fn fewer_answers_than_the_threshold_open_nothing() {
    let party = party();
    let closed = closed(&party, &ALL);
    for few in 0..4 {
        let refused = party.open(&closed, &ALL, &ALL[..few]).unwrap_err();
        assert_eq!(refused, HeError::TooFewAnswers { found: few, threshold: 4 });
    }
}

#[test]
fn fewer_confirmations_than_the_quorum_certify_nothing() {
    let party = party();
    let closed = closed(&party, &ALL);
    assert_eq!(party.certify(&closed, &ALL[..3]).unwrap_err(), HeError::NoQuorum { found: 3, quorum: 4 });
    let (one, _) = party.confirm(&closed, 1).unwrap();
    let twice = [one.clone(), one.clone(), one.clone(), one];
    let refused = Certificate::derive(&party.consortium, &closed.set, &twice).unwrap_err();
    assert_eq!(refused, HeError::SecondConfirmation { member: 1 });
}

#[test]
fn a_second_contribution_or_answer_does_not_count() {
    let party = party();
    let closed = closed(&party, &ALL);
    let mut tally = Tally::new(&party.round);
    tally.add(&party.contribute(2, &[1; 6])).unwrap();
    assert_eq!(tally.add(&party.contribute(2, &[9; 6])), Err(HeError::SecondContribution { site: 2 }));

    let (certificate, records) = party.certify(&closed, &ALL).unwrap();
    let mut answers: Vec<Answer> =
        ALL.iter().map(|&member| party.answer(&closed, member, &certificate, &records[usize::from(member)]).unwrap()).collect();
    answers.push(answers[3].clone());
    let refused = open_sum(&party.consortium, &closed.set, &closed.tally, &answers).unwrap_err();
    assert_eq!(refused, HeError::SecondAnswer { member: 3 });
}

#[test]
fn a_member_confirms_and_answers_for_one_set_a_round() {
    let party = party();
    let contributions: Vec<Contribution> = ALL.iter().map(|&site| party.contribute(site, &[1; 6])).collect();
    let whole = party.close(contributions.clone());
    let part = party.close(contributions[..4].to_vec());
    let key = &party.keys[0];
    let mut record = MemberRecord::default();
    let confirm = |closed: &Closed, record: &mut MemberRecord| {
        derive_confirmation(&party.consortium, &party.round, key, &party.delivery(closed, 0), record)
    };
    let first = confirm(&whole, &mut record).unwrap();
    assert_eq!(confirm(&part, &mut record).unwrap_err(), HeError::SecondSet);
    let record = &mut MemberRecord::from_bytes(&record.to_bytes()).unwrap();
    assert_eq!(confirm(&part, record).unwrap_err(), HeError::SecondSet);
    assert_eq!(confirm(&whole, record).unwrap(), first, "the same message may be sent again");

    // Even a certificate of the other set, signed by everybody else, gets no answer.
    let (certificate, _) = party.certify(&part, &ALL[1..]).unwrap();
    assert_eq!(party.answer(&part, 0, &certificate, record).unwrap_err(), HeError::NotConfirmed);
    let refused = party.answer(&whole, 0, &certificate, record).unwrap_err();
    assert!(matches!(refused, HeError::BadSignature { what: "the certificate", .. }), "{refused}");
}

#[test]
fn two_sets_of_one_round_cannot_both_find_a_quorum() {
    for sites in 3..=63 {
        for collusion in 1..sites - 1 {
            let Ok(rules) = Rules::new(sites, collusion + 1, collusion, collusion + 2) else { continue };
            // Colluders may sign both; every other member signs one.
            assert!(2 * rules.quorum() > sites + collusion, "{rules:?}");
        }
    }
}

#[test]
fn too_small_a_cohort_is_never_a_set() {
    let party = party();
    let mut tally = Tally::new(&party.round);
    tally.add(&party.contribute(0, &[1; 6])).unwrap();
    tally.add(&party.contribute(1, &[1; 6])).unwrap();
    assert_eq!(tally.derive_set(&party.consortium).unwrap_err(), HeError::SmallCohort { found: 2, least: 3 });

    // A relay that cuts a set down by hand: two of three entries.
    let bytes = closed(&party, &[0, 1, 2]).set.to_bytes(&party.round);
    let mut cut = bytes[..12 + 2 * 130].to_vec();
    cut[10] = 2;
    let refused = Set::from_bytes(&party.consortium, &party.round, &cut).unwrap_err();
    assert_eq!(refused, HeError::SmallCohort { found: 2, least: 3 });
}

#[test]
fn messages_of_a_stale_round_are_named_so() {
    let party = party();
    let later = party.other_round(2);
    let closed = closed(&party, &ALL);
    let contribution = closed.contributions[0].to_bytes();
    let stale = |what| HeError::OtherRound { what };
    assert_eq!(Contribution::from_bytes(&party.consortium, &later, contribution), Err(stale("a contribution")));
    let set = closed.set.to_bytes(&party.round);
    assert_eq!(Set::from_bytes(&party.consortium, &later, &set), Err(stale("a set")));
    let delivery = party.delivery(&closed, 1).to_bytes(&party.round);
    assert_eq!(Delivery::from_bytes(&party.consortium, &later, &delivery), Err(stale("a delivery")));

    // With the opening changed to the later round's, the signature still tells.
    let mut dressed = contribution.to_vec();
    dressed[2..10].copy_from_slice(&later.digest()[..8]);
    let refused = Contribution::from_bytes(&party.consortium, &later, &dressed).unwrap_err();
    assert_eq!(refused, HeError::BadSignature { what: "the contribution", site: 0 });
}

#[test]
fn every_changed_byte_of_every_message_is_noticed() {
    let party = party();
    let closed = closed(&party, &ALL);
    let (certificate, records) = party.certify(&closed, &ALL).unwrap();
    let answer = party.answer(&closed, 2, &certificate, &records[2]).unwrap().to_bytes(&party.round);
    let (confirmation, _) = party.confirm(&closed, 2).unwrap();
    let (consortium, round, set) = (&party.consortium, &party.round, &closed.set);
    type Read<'a> = Box<dyn Fn(&[u8]) -> bool + 'a>;
    let messages: [(Vec<u8>, Read<'_>); 5] = [
        (closed.contributions[1].to_bytes().to_vec(), Box::new(|b| Contribution::from_bytes(consortium, round, b).is_ok())),
        (set.to_bytes(round), Box::new(|b| Set::from_bytes(consortium, round, b).is_ok())),
        (confirmation.to_bytes(round), Box::new(|b| Confirmation::from_bytes(consortium, round, set, b).is_ok())),
        (certificate.to_bytes(round), Box::new(|b| Certificate::from_bytes(consortium, round, set, b).is_ok())),
        (answer, Box::new(|b| Answer::from_bytes(consortium, round, set, b).is_ok())),
    ];
    for (i, (bytes, reads)) in messages.iter().enumerate() {
        assert!(reads(bytes));
        for at in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(!reads(&changed), "message {i}, byte {at}");
            assert!(!reads(&bytes[..at]), "message {i}, cut at {at}");
        }
        assert!(!reads(&[&bytes[..], &[0]].concat()), "message {i} with a byte too many");
    }
}

#[test]
fn a_share_that_was_swapped_on_its_way_is_refused_by_the_member() {
    let party = party();
    let closed = closed(&party, &ALL);
    let bytes = party.delivery(&closed, 1).to_bytes(&party.round);
    let mut changed = bytes.clone();
    // The last sealed share is that of site 4.
    *changed.last_mut().unwrap() ^= 1;
    let delivery = Delivery::from_bytes(&party.consortium, &party.round, &changed).unwrap();
    let mut record = MemberRecord::default();
    let refused = derive_confirmation(&party.consortium, &party.round, &party.keys[1], &delivery, &mut record).unwrap_err();
    assert_eq!(refused, HeError::BadShare { site: 4, members: vec![1] });
    assert_eq!(record, MemberRecord::default(), "nothing was confirmed");
}

#[test]
fn a_delivery_for_another_member_is_refused() {
    let party = party();
    let closed = closed(&party, &ALL);
    let delivery = party.delivery(&closed, 1);
    let mut record = MemberRecord::default();
    let refused = derive_confirmation(&party.consortium, &party.round, &party.keys[2], &delivery, &mut record).unwrap_err();
    assert_eq!(refused, HeError::OtherMember { found: 1, own: 2 });
}

/// Member 2 signs an answer that belongs to another round's keys.
fn with_a_lie(party: &Party, members: &[u16]) -> (Closed, Vec<Answer>) {
    let closed = closed(party, members);
    let other = self::closed(party, members);
    let (certificate, records) = party.certify(&closed, members).unwrap();
    let mut answers: Vec<Answer> = members
        .iter()
        .map(|&member| party.answer(&closed, member, &certificate, &records[usize::from(member)]).unwrap())
        .collect();
    let (certificate, records) = party.certify(&other, members).unwrap();
    let lie = party.answer(&other, 2, &certificate, &records[2]).unwrap();
    answers[2] = forge_answer(&party.round, &closed.set, &party.keys[2], &lie);
    (closed, answers)
}

#[test]
fn a_lying_member_is_left_out_and_named() {
    let party = Party::new(Rules::new(6, 4, 1, 3).unwrap(), &SUM_2048_Q32, 6);
    let (closed, answers) = with_a_lie(&party, &[0, 1, 2, 3, 4, 5]);
    let opened = open_sum(&party.consortium, &closed.set, &closed.tally, &answers).unwrap();
    assert_eq!((opened.sum, opened.outliers), (vec![15; 6], vec![2]));
}

#[test]
fn a_lie_that_cannot_be_told_apart_opens_nothing_wrong() {
    let party = party();
    let (closed, answers) = with_a_lie(&party, &ALL);
    let open = |answers: &[Answer]| open_sum(&party.consortium, &closed.set, &closed.tally, answers).unwrap_err();
    assert_eq!(open(&answers), HeError::InconsistentAnswers);
    assert_eq!(open(&answers[..4]), HeError::Unopenable);
}

#[test]
fn a_site_that_deals_a_bad_share_is_named() {
    let party = Party::new(Rules::new(6, 4, 1, 3).unwrap(), &SUM_2048_Q32, 6);
    let mut contributions: Vec<Contribution> = (0..5).map(|site| party.contribute(site, &[1; 6])).collect();
    let bad = make_bad_contribution(&party.consortium, &party.round, &party.keys[5], &[1; 6], 3).unwrap();
    contributions.push(Contribution::from_bytes(&party.consortium, &party.round, bad.to_bytes()).unwrap());
    let closed = party.close(contributions);
    let refused = party.certify(&closed, &[0, 1, 2, 3, 4, 5]).unwrap_err();
    assert_eq!(refused, HeError::BadShare { site: 5, members: vec![3] });
    // With no more confirmations than the threshold nothing is left to compare; then the sum does not open.
    assert_eq!(party.open(&closed, &[1, 2, 3, 4], &[1, 2, 3, 4]).unwrap_err(), HeError::Unopenable);
}

#[test]
fn a_site_outside_the_roster_or_with_a_wrong_vector_cannot_contribute() {
    let party = party();
    let stranger = IdentityKey::make().unwrap();
    let make = |key: &IdentityKey, values: &[i64]| make_contribution(&party.consortium, &party.round, key, values).unwrap_err();
    assert_eq!(make(&stranger, &[0; 6]), HeError::NotInRoster);
    assert_eq!(make(&party.keys[0], &[0; 7]), HeError::VectorLength { found: 7, expected: 6 });
    assert_eq!(make(&party.keys[0], &[0, 0, 32_769, 0, 0, 0]), HeError::VectorValue { index: 2, limit: 32_768 });
}

#[test]
fn rosters_and_rules_that_would_not_protect_are_refused() {
    let keys: Vec<IdentityKey> = (0..3).map(|_| IdentityKey::make().unwrap()).collect();
    let identities: Vec<Identity> = keys.iter().map(IdentityKey::identity).collect();
    let rules = Rules::recommended(3).unwrap();
    let twice = vec![identities[0].clone(), identities[1].clone(), identities[0].clone()];
    assert_eq!(Consortium::derive("c", rules, twice), Err(HeError::RepeatedIdentity { site: 2 }));
    let short = Consortium::derive("c", rules, identities[..2].to_vec());
    assert_eq!(short, Err(HeError::RosterLength { found: 2, sites: 3 }));
    for (sites, threshold, collusion, cohort) in
        [(2, 2, 1, 3), (64, 60, 1, 3), (5, 6, 1, 3), (5, 4, 4, 5), (5, 4, 0, 3), (5, 4, 2, 3)]
    {
        assert!(matches!(Rules::new(sites, threshold, collusion, cohort), Err(HeError::Rule { .. })));
    }
    let mixed = [&identities[0].to_bytes()[..32], &identities[1].to_bytes()[32..]].concat();
    assert_eq!(Identity::from_bytes(&mixed), Err(HeError::BadIdentity));
}

#[test]
fn the_purpose_binds() {
    let party = party();
    let other = Round::derive(&party.consortium, 1, &SUM_2048_Q32, 6, b"another model").unwrap();
    let bytes = party.contribute(0, &[1; 6]);
    assert_eq!(
        Contribution::from_bytes(&party.consortium, &other, bytes.to_bytes()),
        Err(HeError::OtherRound { what: "a contribution" })
    );
}

#[test]
fn an_answer_needs_the_members_own_confirmation() {
    let party = party();
    let closed = closed(&party, &ALL);
    let (certificate, _) = party.certify(&closed, &ALL).unwrap();
    let delivery = party.delivery(&closed, 0);
    let refused = derive_answer(
        &party.consortium,
        &party.round,
        &party.keys[0],
        &delivery,
        &certificate.to_bytes(&party.round),
        &MemberRecord::default(),
    );
    assert_eq!(refused.unwrap_err(), HeError::NotConfirmed);
}
