//! What the page is shown of a site. No secret, no token and no statistics but their size.

use federation::api::{self, RoundState};
use federation::privacy;
use federation::site::Roster;
use he::aggregation::{self, Contribution, Identity, SUM_2048_Q52};
use serde::Serialize;

use super::evaluation::Evaluation;
use super::record::Data;
use super::rounds::Rounds;
use crate::error::ClientError;

/// δ at which the cost of all rounds is told.
const SPENT_DELTA: f64 = 1e-5;
/// Rounds that are shown.
const ROUNDS_SHOWN: usize = 10;

/// Whether a person compared the roster.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Nobody has yet.
    None,
    /// It is the one that was compared.
    Compared,
    /// It is another than the one that was compared.
    Changed,
}

/// What this site has to do in a round.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// A person decides to contribute.
    Contribute,
    /// The page confirms by itself.
    Confirm,
    /// The page answers by itself.
    Answer,
    /// Others are awaited.
    Wait,
    /// The round is over.
    None,
}

/// The duty of site `own` in a round.
pub fn duty(round: &api::Round, own: u16) -> Duty {
    let owed = |done: &[u16], duty| if done.contains(&own) { Duty::Wait } else { duty };
    match round.state {
        RoundState::Contributing if round.purpose == api::Purpose::Statistics => owed(&round.contributed, Duty::Contribute),
        RoundState::Contributing => Duty::Wait,
        RoundState::Confirming => owed(&round.confirmed, Duty::Confirm),
        RoundState::Opening => owed(&round.answered, Duty::Answer),
        RoundState::Opened | RoundState::Expired | RoundState::Failed => Duty::None,
    }
}

#[derive(Serialize)]
struct SiteEntry<'a> {
    index: u16,
    name: &'a str,
}

#[derive(Serialize)]
struct ConsortiumView<'a> {
    id: &'a str,
    title: &'a str,
    model: &'a str,
    classes: &'a [String],
    rules: api::Rules,
    clip_norm: u32,
    state: api::ConsortiumState,
    sites: Vec<SiteEntry<'a>>,
    fingerprint: Option<String>,
}

#[derive(Serialize)]
struct RoundView<'a> {
    number: u64,
    purpose: api::Purpose,
    state: RoundState,
    length: usize,
    deadline: i64,
    contributed: &'a [u16],
    confirmed: &'a [u16],
    answered: &'a [u16],
    failure: Option<&'a api::Failure>,
    published: Option<u32>,
    duty: Duty,
    refusal: Option<&'a str>,
}

#[derive(Serialize)]
struct ClassCount<'a> {
    id: &'a str,
    label: &'a str,
    images: i64,
    held_out: usize,
}

#[derive(Serialize)]
struct Prepared<'a> {
    classes: Vec<ClassCount<'a>>,
    clipped: usize,
    norm: f64,
    length: usize,
    bytes: Option<usize>,
}

#[derive(Serialize)]
struct Spent {
    epsilon: f64,
    delta: f64,
}

/// Everything at once.
#[derive(Serialize)]
pub struct SiteView<'a> {
    relay: &'a str,
    site: u16,
    consortium: ConsortiumView<'a>,
    trust: Trust,
    prepared: Option<Prepared<'a>>,
    rounds: Vec<RoundView<'a>>,
    evaluation: Option<&'a Evaluation>,
    remark: Option<&'a str>,
    spent: Option<Spent>,
}

/// What a view is made from.
pub struct Standing<'a> {
    /// Address of the relay.
    pub relay: &'a str,
    /// This site's place in the roster.
    pub site: u16,
    /// This site's identity.
    pub identity: &'a Identity,
    /// Digest of the roster that a person compared, in hexadecimal.
    pub compared: Option<&'a str>,
    /// The last that the relay said.
    pub consortium: &'a api::Consortium,
    /// What is known of the rounds.
    pub rounds: &'a Rounds,
    /// Statistics and hold-out.
    pub data: Option<&'a Data>,
}

impl<'a> Standing<'a> {
    /// The view.
    ///
    /// # Errors
    /// None but for a record that another version wrote.
    pub fn view(&self) -> Result<SiteView<'a>, ClientError> {
        let roster = Roster::check::<ClientError>(self.consortium.clone(), self.identity).ok();
        let digest = roster.as_ref().map(|roster| hex::encode(roster.consortium.digest()));
        let trust = match (self.compared, digest.as_deref()) {
            (None, _) => Trust::None,
            (Some(compared), Some(found)) if compared == found => Trust::Compared,
            _ => Trust::Changed,
        };
        let roster = roster.as_ref().map(|roster| &roster.consortium);
        Ok(SiteView {
            relay: self.relay,
            site: self.site,
            consortium: self.consortium(roster.map(aggregation::Consortium::fingerprint)),
            trust,
            prepared: self.data.filter(|data| !data.values.is_empty()).map(|data| self.prepared(data, roster)).transpose()?,
            rounds: self.rounds.all.iter().take(ROUNDS_SHOWN).map(|round| self.round(round)).collect(),
            evaluation: self.data.and_then(|data| data.evaluation.as_ref()),
            remark: self.rounds.remark.as_deref(),
            spent: self.data.map(spent).transpose()?.flatten(),
        })
    }

    fn consortium(&self, fingerprint: Option<String>) -> ConsortiumView<'a> {
        let api::Consortium { id, title, model, classes, rules, clip_norm, state, sites, .. } = self.consortium;
        let sites = sites.iter().map(|site| SiteEntry { index: site.index, name: &site.name }).collect();
        ConsortiumView { id, title, model, classes, rules: *rules, clip_norm: *clip_norm, state: *state, sites, fingerprint }
    }

    fn round(&self, round: &'a api::Round) -> RoundView<'a> {
        RoundView {
            number: round.number,
            purpose: round.purpose,
            state: round.state,
            length: round.length,
            deadline: round.deadline,
            contributed: &round.contributed,
            confirmed: &round.confirmed,
            answered: &round.answered,
            failure: round.failure.as_ref(),
            published: round.published,
            duty: duty(round, self.site),
            refusal: self.rounds.refusals.get(&round.number).map(String::as_str),
        }
    }

    fn prepared(&self, data: &'a Data, roster: Option<&aggregation::Consortium>) -> Result<Prepared<'a>, ClientError> {
        let shape = data.shape()?;
        let statistics = data.statistics()?;
        let squares: f64 = (0..shape.classes()).flat_map(|class| statistics.sums(class)).map(|sum| (*sum as f64).powi(2)).sum();
        let count = |class: usize| ClassCount {
            id: self.consortium.classes.get(class).map_or("", String::as_str),
            label: data.labels.get(class).map_or("", String::as_str),
            images: statistics.counts()[class],
            held_out: data.held_out.iter().filter(|image| image.class == class).count(),
        };
        let bytes = roster.and_then(|roster| {
            let round = aggregation::Round::derive(roster, 1, &SUM_2048_Q52, shape.length(), b"").ok()?;
            Some(Contribution::bytes(roster.rules(), &round, self.site))
        });
        let classes = (0..shape.classes()).map(count).collect();
        Ok(Prepared { classes, clipped: data.clipped, norm: squares.sqrt(), length: shape.length(), bytes })
    }
}

fn spent(data: &Data) -> Result<Option<Spent>, ClientError> {
    if data.spent.is_empty() {
        return Ok(None);
    }
    let mu = data.spent.iter().map(|(_, mu)| mu * mu).sum::<f64>().sqrt();
    Ok(Some(Spent { epsilon: privacy::epsilon(mu.min(100.0), SPENT_DELTA)?, delta: SPENT_DELTA }))
}
