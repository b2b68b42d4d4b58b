//! A whole round in one process, each role timed by itself.

use anyhow::{Context, Result, ensure};
use he::aggregation::member::{MemberRecord, derive_answer, derive_confirmation};
use he::aggregation::relay::{Tally, derive_delivery, open_sum};
use he::aggregation::site::make_contribution;
use he::aggregation::{
    Answer, Certificate, Confirmation, Consortium, Contribution, Delivery, IdentityKey, Round, Rules, SUM_2048_Q32, SUM_2048_Q52,
    Set, SumParameters,
};
use serde_json::{Value, json};

use super::super::time;

/// Vectors up to a token's length are updates, longer ones statistics.
pub fn parameters(dim: usize) -> &'static SumParameters {
    if dim <= 2048 { &SUM_2048_Q32 } else { &SUM_2048_Q52 }
}

struct Stage {
    keys: Vec<IdentityKey>,
    consortium: Consortium,
    round: Round,
}

/// Bytes and milliseconds of a round of `sites` sites with `dim` values each.
pub fn measure(sites: u16, dim: usize, runs: usize) -> Result<Value> {
    let keys = (0..sites).map(|_| IdentityKey::make()).collect::<Result<Vec<_>, _>>()?;
    let identities = keys.iter().map(IdentityKey::identity).collect();
    let consortium = Consortium::derive("bench", Rules::recommended(sites)?, identities)?;
    let round = Round::derive(&consortium, 1, parameters(dim), dim, b"bench")?;
    Stage { keys, consortium, round }.measure(runs)
}

impl Stage {
    fn measure(&self, runs: usize) -> Result<Value> {
        let Self { keys, consortium, round } = self;
        let values: Vec<i64> = (0..round.length() as i64).map(|i| i * 37 % 2001 - 1000).collect();
        let contribute = |key| make_contribution(consortium, round, key, &values);
        let site_ms = time(runs, || Ok(contribute(&keys[0])?))?;
        let sent = keys.iter().map(contribute).collect::<Result<Vec<_>, _>>()?;

        let read = || {
            let read = sent.iter().map(|sent| Contribution::from_bytes(consortium, round, sent.to_bytes()));
            read.collect::<Result<Vec<_>, _>>()
        };
        let relay_read_ms = time(runs, || Ok(read()?))?;
        let contributions = read()?;
        let relay_add_ms = time(runs, || self.tally(&contributions))?;
        let tally = self.tally(&contributions)?;
        let set = tally.derive_set(consortium)?;

        let (confirmations, records, member) = self.confirm(&set, &contributions, runs)?;
        let certificate = Certificate::derive(consortium, &set, &confirmations)?.to_bytes(round);
        let relay_certify_ms = time(runs, || Ok(Certificate::derive(consortium, &set, &confirmations)?))?;
        let (answers, answer_ms) = self.answer(&set, &contributions, &certificate, &records, runs)?;
        let relay_open_ms = time(runs, || Ok(open_sum(consortium, &set, &tally, &answers)?))?;
        let opened = open_sum(consortium, &set, &tally, &answers)?.sum;
        let exact = opened.iter().zip(&values).all(|(sum, value)| *sum == value * keys.len() as i64);
        ensure!(exact, "the opened sum is not the plain sum");

        let confirmation_bytes = Confirmation::bytes(keys.len());
        let answer_bytes = Answer::bytes(consortium.rules());
        let site_bytes = sent[0].to_bytes().len();
        let received = member.delivery_bytes + certificate.len();
        Ok(json!({
            "sites": keys.len(), "dim": round.length(), "parameters": round.parameters().name(),
            "threshold": consortium.rules().threshold(), "collusion": consortium.rules().collusion(),
            "contribution_bytes": site_bytes, "confirmation_bytes": confirmation_bytes, "answer_bytes": answer_bytes,
            "site_bytes": site_bytes + confirmation_bytes + answer_bytes,
            "member_received_bytes": received,
            "round_bytes": keys.len() * (site_bytes + confirmation_bytes + answer_bytes + received),
            "site_ms": site_ms, "member_confirm_ms": member.confirm_ms, "member_answer_ms": answer_ms,
            "relay_read_ms": relay_read_ms, "relay_add_ms": relay_add_ms, "relay_certify_ms": relay_certify_ms,
            "relay_open_ms": relay_open_ms,
        }))
    }

    fn tally(&self, contributions: &[Contribution]) -> Result<Tally> {
        let mut tally = Tally::new(&self.round);
        for contribution in contributions {
            tally.add(contribution)?;
        }
        Ok(tally)
    }

    fn delivery(&self, set: &Set, contributions: &[Contribution], member: usize) -> Result<Vec<u8>> {
        let contributions: Vec<&Contribution> = contributions.iter().collect();
        Ok(derive_delivery(set, &contributions, member as u16)?.to_bytes(&self.round))
    }

    fn confirm(
        &self,
        set: &Set,
        contributions: &[Contribution],
        runs: usize,
    ) -> Result<(Vec<Confirmation>, Vec<MemberRecord>, Member)> {
        let Self { keys, consortium, round } = self;
        let confirm = |member: usize, bytes: &[u8], record: &mut MemberRecord| {
            let delivery = Delivery::from_bytes(consortium, round, bytes)?;
            derive_confirmation(consortium, round, &keys[member], &delivery, record)
        };
        let first = self.delivery(set, contributions, 0)?;
        let confirm_ms = time(runs, || Ok(confirm(0, &first, &mut MemberRecord::default())?))?;
        let mut confirmations = Vec::new();
        let mut records = vec![MemberRecord::default(); keys.len()];
        for (member, record) in records.iter_mut().enumerate() {
            confirmations.push(confirm(member, &self.delivery(set, contributions, member)?, record)?);
        }
        Ok((confirmations, records, Member { delivery_bytes: first.len(), confirm_ms }))
    }

    fn answer(
        &self,
        set: &Set,
        contributions: &[Contribution],
        certificate: &[u8],
        records: &[MemberRecord],
        runs: usize,
    ) -> Result<(Vec<Answer>, f64)> {
        let Self { keys, consortium, round } = self;
        let answer = |member: usize| -> Result<Answer> {
            let delivery = Delivery::from_bytes(consortium, round, &self.delivery(set, contributions, member)?)?;
            Ok(derive_answer(consortium, round, &keys[member], &delivery, certificate, &records[member])?)
        };
        let ms = time(runs, || answer(0))?;
        let threshold = usize::from(consortium.rules().threshold());
        let answers = (0..threshold).map(answer).collect::<Result<Vec<_>>>().context("a member did not answer")?;
        Ok((answers, ms))
    }
}

/// What a member receives to confirm, and how long that takes it.
struct Member {
    delivery_bytes: usize,
    confirm_ms: f64,
}
