//! Takes rounds from state to state. A step is computed from what is stored, and committed as a whole: state, what was computed, audit
//! entry. It counts only if nothing has changed meanwhile, so it does not matter who computes it, when, or how often.

use std::sync::Arc;

use federation::api::{Failure, RoundState};
use federation::audit::Actor;
use he::HeError;
use he::aggregation::Rules;
use sha2::{Digest, Sha256};

use super::protocol::Setting;
use super::sentence;
use super::state::{Due, awaited, due, needed};
use crate::problem::Problem;
use crate::publish::NewHead;
use crate::state::App;
use crate::store::{
    Change, Happening, Kind, RoundId, RoundRow, Step, Stepped, Store, WHOLE_ROUND, deadline_in, state_name, unix_now,
};

/// What a step stores.
struct Outcome {
    to: RoundState,
    set_digest: Option<Vec<u8>>,
    failure: Option<Failure>,
    /// Messages of the relay: kind, member or whole round, bytes.
    messages: Vec<(Kind, i64, Vec<u8>)>,
    /// Members whose answers were left out.
    outliers: Vec<u16>,
    head: Option<NewHead>,
}

impl Outcome {
    fn to(to: RoundState) -> Self {
        Self { to, set_digest: None, failure: None, messages: Vec::new(), outliers: Vec::new(), head: None }
    }

    fn failed(error: &HeError) -> Self {
        let (code, sites) = match error {
            HeError::BadShare { site, .. } => ("bad-share", vec![*site]),
            HeError::InconsistentAnswers => ("inconsistent-answers", Vec::new()),
            HeError::Unopenable => ("unopenable", Vec::new()),
            _ => ("damaged", Vec::new()),
        };
        let failure = Failure { code: code.to_owned(), detail: sentence(error), sites };
        Self { failure: Some(failure), ..Self::to(RoundState::Failed) }
    }

    fn expired(state: RoundState, arrived: &[u16], rules: &Rules) -> Self {
        let (code, what) = match state {
            RoundState::Contributing => ("cohort-missing", "contributed"),
            RoundState::Confirming => ("quorum-missing", "confirmed"),
            _ => ("answers-missing", "answered"),
        };
        let (found, least) = (arrived.len(), needed(state, rules));
        let detail =
            format!("Only {found} sites {what} in time and {least} must; begin a new round with more time or more sites.");
        let sites = (0..rules.sites()).filter(|site| !arrived.contains(site)).collect();
        Self { failure: Some(Failure { code: code.to_owned(), detail, sites }), ..Self::to(RoundState::Expired) }
    }
}

impl App {
    /// Takes every step that is due in a round. With `over`, its present state ends without waiting for its deadline.
    ///
    /// # Errors
    /// 409 where `over` and too little is there; 503 where the database fails.
    pub(crate) async fn settle(&self, id: &RoundId, mut over: bool) -> Result<(), Problem> {
        let lock = self.rounds.step_lock(id);
        let _alone = lock.lock().await;
        loop {
            let row = self.round_row(id).await?;
            let Some(kind) = awaited(row.state) else { return Ok(()) };
            let arrived = self.store.senders(id, kind).await?;
            let rules = self.rules(id).await?;
            let late = unix_now() >= row.deadline;
            let outcome = match due(row.state, arrived.len(), &rules, late || over) {
                Due::Nothing => return Ok(()),
                Due::Expire if !late => return Err(Problem::too_few(arrived.len(), needed(row.state, &rules))),
                Due::Expire => Outcome::expired(row.state, &arrived, &rules),
                Due::GoOn => self.go_on(&row, &self.setting(&row).await?, &arrived).await?,
            };
            let actor = if over && !late { Actor::Admin } else { Actor::Relay };
            if self.commit(&row, outcome, actor).await? == Stepped::Taken {
                over = false;
                self.announce(id).await;
            }
        }
    }

    /// As [`App::settle`], where the deadline has passed.
    pub(crate) async fn settle_if_due(&self, id: &RoundId) -> Result<(), Problem> {
        let row = self.round_row(id).await?;
        if row.state.is_final() || unix_now() < row.deadline { Ok(()) } else { self.settle(id, false).await }
    }

    /// Settles all unfinished rounds: what is left at a start, what a failed step left over, what a deadline ended.
    pub(crate) async fn settle_all(self: &Arc<Self>) {
        let ids = match self.store.unfinished_rounds().await {
            Ok(ids) => ids,
            Err(error) => return tracing::error!(%error, "the rounds cannot be read"),
        };
        for id in ids {
            if let Err(problem) = self.settle(&id, false).await {
                tracing::error!(?problem, consortium = id.consortium, round = id.number, "a round does not go on");
            }
        }
    }

    async fn go_on(&self, row: &RoundRow, setting: &Setting, arrived: &[u16]) -> Result<Outcome, Problem> {
        match row.state {
            RoundState::Contributing => self.fix_set(row, setting, arrived).await,
            RoundState::Confirming => self.certify(row, setting, arrived).await,
            _ => self.open_sum(row, setting, arrived).await,
        }
    }

    async fn fix_set(&self, row: &RoundRow, setting: &Setting, arrived: &[u16]) -> Result<Outcome, Problem> {
        let (mut tally, mut contributions) = (setting.tally(), Vec::new());
        for site in arrived {
            let bytes = self.stored(row, Kind::Contribution, i64::from(*site)).await?;
            let setting = setting.clone();
            let job = move || {
                let added = setting.add(&mut tally, &bytes);
                (tally, added)
            };
            let (back, added) = self.workers.wait_for_place().await?.run(job).await?;
            tally = back;
            match added {
                Ok(contribution) => contributions.push(contribution),
                Err(error) => return Ok(Outcome::failed(&error)),
            }
        }
        let setting = setting.clone();
        let job = move || setting.derive_set(&tally, &contributions);
        let set = match self.workers.wait_for_place().await?.run(job).await? {
            Ok(set) => set,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        let mut messages = vec![(Kind::Set, WHOLE_ROUND, set.bytes)];
        messages.extend((0..).zip(set.deliveries).map(|(member, bytes)| (Kind::Delivery, member, bytes)));
        Ok(Outcome { set_digest: Some(set.digest.to_vec()), messages, ..Outcome::to(RoundState::Confirming) })
    }

    async fn certify(&self, row: &RoundRow, setting: &Setting, arrived: &[u16]) -> Result<Outcome, Problem> {
        let set = self.stored(row, Kind::Set, WHOLE_ROUND).await?;
        let confirmations = self.all_stored(row, Kind::Confirmation, arrived).await?;
        let setting = setting.clone();
        let job = move || setting.derive_certificate(&set, &confirmations);
        Ok(match self.workers.wait_for_place().await?.run(job).await? {
            Ok(certificate) => {
                let messages = vec![(Kind::Certificate, WHOLE_ROUND, certificate)];
                Outcome { messages, ..Outcome::to(RoundState::Opening) }
            }
            Err(error) => Outcome::failed(&error),
        })
    }

    async fn open_sum(&self, row: &RoundRow, setting: &Setting, arrived: &[u16]) -> Result<Outcome, Problem> {
        let set = self.stored(row, Kind::Set, WHOLE_ROUND).await?;
        let mut tally = setting.tally();
        for site in setting.sites(&set).map_err(|_| Problem::internal())? {
            let bytes = self.stored(row, Kind::Contribution, i64::from(site)).await?;
            let setting = setting.clone();
            let job = move || setting.add(&mut tally, &bytes).map(|_| tally);
            tally = match self.workers.wait_for_place().await?.run(job).await? {
                Ok(tally) => tally,
                Err(error) => return Ok(Outcome::failed(&error)),
            };
        }
        let answers = self.all_stored(row, Kind::Answer, arrived).await?;
        let setting = setting.clone();
        let job = move || setting.open(&set, &tally, &answers);
        let opened = match self.workers.wait_for_place().await?.run(job).await? {
            Ok(opened) => opened,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        let bytes = opened.sum.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (head, failure) = self.head_of(row, opened.sum).await?;
        let messages = vec![(Kind::Sum, WHOLE_ROUND, bytes)];
        Ok(Outcome { messages, outliers: opened.outliers, head, failure, ..Outcome::to(RoundState::Opened) })
    }

    /// The head to publish, or why there is none.
    async fn head_of(&self, row: &RoundRow, sum: Vec<i64>) -> Result<(Option<NewHead>, Option<Failure>), Problem> {
        let Some(kind) = row.settings.publish else { return Ok((None, None)) };
        let founding = self.founded(&row.id.consortium).await?.founding;
        let model = self.zoo.get(&founding.model);
        let id = row.id.clone();
        let job = move || match model {
            Some(model) => NewHead::derive(&model, &founding, &id, kind, sum),
            None => Err(format!("The relay no longer has the model {}.", founding.model)),
        };
        Ok(match self.workers.wait_for_place().await?.run(job).await? {
            Ok(head) => (Some(head), None),
            Err(detail) => (None, Some(Failure { code: "no-head".to_owned(), detail, sites: Vec::new() })),
        })
    }

    async fn stored(&self, row: &RoundRow, kind: Kind, site: i64) -> Result<Vec<u8>, Problem> {
        self.store.message(&row.id, kind, site).await?.ok_or_else(|| {
            tracing::error!(kind = kind.name(), site, "a stored message is missing");
            Problem::internal()
        })
    }

    async fn all_stored(&self, row: &RoundRow, kind: Kind, sites: &[u16]) -> Result<Vec<Vec<u8>>, Problem> {
        let mut all = Vec::new();
        for site in sites {
            all.push(self.stored(row, kind, i64::from(*site)).await?);
        }
        Ok(all)
    }

    async fn commit(&self, row: &RoundRow, outcome: Outcome, actor: Actor) -> Result<Stepped, Problem> {
        let mut change = self.store.begin().await?;
        let mut published = None;
        if let Some(head) = &outcome.head {
            published = Some(head.store(&mut change).await?);
        }
        let step = Step {
            to: outcome.to,
            deadline: deadline(row, outcome.to),
            set_digest: outcome.set_digest.clone().or_else(|| row.set_digest.clone()),
            failure: outcome.failure.clone(),
            published: published.as_ref().map(|stored| stored.version),
        };
        if Store::step(&mut change, row, &step).await? == Stepped::Overtaken {
            return Ok(Stepped::Overtaken);
        }
        self.write(&mut change, row, &outcome, actor).await?;
        if outcome.to.is_final() {
            Store::forget(&mut change, &row.id).await?;
        }
        change.commit().await?;
        tracing::info!(consortium = row.id.consortium, round = row.id.number, state = state_name(outcome.to), "a round went on");
        if published.is_some() {
            self.refresh_heads().await;
        }
        Ok(Stepped::Taken)
    }

    /// Messages and audit entries of a step.
    async fn write(&self, change: &mut Change, row: &RoundRow, outcome: &Outcome, actor: Actor) -> Result<(), Problem> {
        let mut digest: Option<[u8; 32]> = None;
        for (kind, member, bytes) in &outcome.messages {
            let hash = Sha256::digest(bytes).into();
            Store::put_message(change, &row.id, *kind, *member, &hash, bytes).await?;
            digest = digest.or(Some(hash));
        }
        let round = Some(row.id.number);
        for member in &outcome.outliers {
            let member = Actor::Site { site: *member };
            let happening = Happening { what: "answer-left-out", actor: member, round, digest: None };
            Store::append(change, &row.id.consortium, happening).await?;
        }
        let happening = Happening { what: state_name(outcome.to), actor, round, digest: digest.as_ref() };
        Store::append(change, &row.id.consortium, happening).await?;
        if let Some(head) = &outcome.head {
            let happening = Happening { what: "head-published", actor: Actor::Relay, round, digest: Some(&head.digest) };
            Store::append(change, &row.id.consortium, happening).await?;
        }
        Ok(())
    }
}

/// When the next state ends; for a final state the moment at which it was reached.
fn deadline(row: &RoundRow, to: RoundState) -> i64 {
    match to {
        RoundState::Confirming => deadline_in(row.settings.confirm_s),
        RoundState::Opening => deadline_in(row.settings.open_s),
        _ => unix_now(),
    }
}
