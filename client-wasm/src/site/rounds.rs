//! Following the rounds: what this site owes is done at each refresh, and the opened sum is read once.

use std::collections::BTreeMap;

use federation::api::{Purpose, Round, RoundState};
use federation::site::{JournalStore, RelayLink, SiteError, Step};

use super::record::{self, Made, Wish};
use super::vault::Record;
use super::view::{Duty, duty};
use super::{Site, evaluation, noise};
use crate::error::ClientError;

/// What this visit knows of the rounds.
#[derive(Default)]
pub struct Rounds {
    /// Newest first.
    pub all: Vec<Round>,
    /// Why this site takes no further part in a round.
    pub refusals: BTreeMap<u64, String>,
    /// Why there is no comparison of heads.
    pub remark: Option<String>,
    /// Rounds in whose state nothing is left to do here.
    idle: BTreeMap<u64, RoundState>,
    /// Whether the roster was read in this visit.
    heard: bool,
}

impl Rounds {
    fn round_mut(&mut self, number: u64) -> Option<&mut Round> {
        self.all.iter_mut().find(|round| round.number == number)
    }
}

impl Site {
    /// Reads the roster, and keeps it where it is new.
    pub(super) async fn hear(&mut self) -> Result<(), ClientError> {
        let known = self.store.consortium();
        let consortium = self.agent.link().consortium(&known.id).await?;
        if consortium.id != known.id {
            return Err(ClientError::wrong_version("the relay sent another consortium"));
        }
        if self.store.set_consortium(consortium) {
            self.store.save(self.agent.journal()).await?;
        }
        self.rounds.heard = true;
        Ok(())
    }

    /// Asks how things stand, and does what is due.
    pub(super) async fn follow(&mut self) -> Result<(), ClientError> {
        let compared = self.agent.journal().roster.is_some();
        if !self.rounds.heard || !compared {
            self.hear().await?;
        }
        let mut rounds = self.agent.link().rounds(&self.store.consortium().id).await?;
        rounds.sort_by_key(|round| std::cmp::Reverse(round.number));
        self.rounds.all = rounds;
        if compared {
            self.do_duties().await?;
        }
        self.read_sum().await
    }

    async fn do_duties(&mut self) -> Result<(), ClientError> {
        let own = self.store.site();
        let owed = |round: &&Round| matches!(duty(round, own), Duty::Confirm | Duty::Answer);
        let owed: Vec<_> = self.rounds.all.iter().filter(owed).map(|round| (round.number, round.state)).collect();
        for (number, state) in owed {
            if self.rounds.idle.get(&number) != Some(&state) && !self.rounds.refusals.contains_key(&number) {
                self.do_duty(number, state).await?;
            }
        }
        Ok(())
    }

    async fn do_duty(&mut self, number: u64, state: RoundState) -> Result<(), ClientError> {
        let own = self.store.site();
        match self.agent.step(number, None).await {
            Ok(Step::Confirmed(_)) => {
                self.rounds.round_mut(number).into_iter().for_each(|round| round.confirmed.push(own));
            }
            Ok(Step::Answered(_)) => {
                self.rounds.round_mut(number).into_iter().for_each(|round| round.answered.push(own));
            }
            Ok(_) => {
                self.rounds.idle.insert(number, state);
            }
            // The round has moved on meanwhile: the next look shows where to.
            Err(SiteError::Outside(error)) if error.code == "refused" => {}
            Err(SiteError::RosterChanged) => self.hear().await?,
            Err(SiteError::Protocol(error)) => {
                self.rounds.refusals.insert(number, error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Reads the newest opened sum that these statistics can be compared with, once.
    async fn read_sum(&mut self) -> Result<(), ClientError> {
        let own = self.store.site();
        let Some(data) = &self.data else { return Ok(()) };
        let length = data.shape()?.length();
        // Statistics that came after this site's contribution may hold images out that are in the sum.
        let fair = |round: &Round| !round.contributed.contains(&own) || data.made.iter().any(|made| made.round == round.number);
        let opened =
            |round: &&Round| round.state == RoundState::Opened && round.purpose == Purpose::Statistics && round.length == length;
        let Some(round) = self.rounds.all.iter().find(opened).filter(|round| fair(round)) else { return Ok(()) };
        let (number, state) = (round.number, round.state);
        let known = data.evaluation.as_ref().is_some_and(|evaluation| evaluation.round == number);
        if known || self.rounds.idle.get(&number) == Some(&state) {
            return Ok(());
        }
        let consortium = self.store.consortium();
        let result = self.agent.link().result(&consortium.id, number).await?;
        self.rounds.idle.insert(number, state);
        match evaluation::evaluate(data, consortium.rules, number, result) {
            Ok(evaluation) => self.keep_evaluation(evaluation).await,
            Err(error) => {
                self.rounds.remark = Some(error.message);
                Ok(())
            }
        }
    }

    async fn keep_evaluation(&mut self, evaluation: evaluation::Evaluation) -> Result<(), ClientError> {
        self.rounds.remark = None;
        let Some(data) = &mut self.data else { return Ok(()) };
        data.evaluation = Some(evaluation);
        self.vault.seal(Record::Data, &record::encode(data)?).await
    }

    /// Contributes; the values are sealed and stored first, so that noise is drawn once for a round.
    pub(super) async fn contribute_to(&mut self, number: u64, wish: Option<Wish>) -> Result<(), ClientError> {
        let own = self.store.site();
        let values = self.values_for(number, wish).await?;
        match self.agent.step(number, Some(&values)).await? {
            Step::Contributed(round, _) | Step::Waiting(round) if round.state == RoundState::Contributing => {
                let known = self.rounds.round_mut(number).filter(|round| !round.contributed.contains(&own));
                known.into_iter().for_each(|round| round.contributed.push(own));
                Ok(())
            }
            _ => Err(ClientError::refused("the round no longer takes contributions")),
        }
    }

    async fn values_for(&mut self, number: u64, wish: Option<Wish>) -> Result<zeroize::Zeroizing<Vec<i64>>, ClientError> {
        let rules = self.store.consortium().rules;
        let data = self.data.as_mut().ok_or_else(|| ClientError::refused("encode images first"))?;
        let shape = data.shape()?;
        let sums_these = |round: &Round| round.length == shape.length() && round.purpose == Purpose::Statistics;
        if !self.rounds.all.iter().any(|round| round.number == number && sums_these(round)) {
            return Err(ClientError::refused("the round sums something else than these statistics"));
        }
        let made = data.made.iter().position(|made| made.round == number && made.noise == wish);
        if made.is_none() {
            let mut noisy = None;
            if let Some(wish) = wish {
                let noise = noise::derive(wish, shape, rules)?;
                let mut values = data.values.clone();
                noise.add_part(shape, &mut values)?;
                noisy = Some(values);
                data.spent.retain(|(round, _)| *round != number);
                data.spent.push((number, noise.mu(shape)));
            }
            data.made.retain(|made| made.round != number);
            data.made.push(Made { round: number, noise: wish, noisy });
            self.vault.seal(Record::Data, &record::encode(data)?).await?;
        }
        let made = data.made.iter().find(|made| made.round == number);
        let noisy = made.and_then(|made| made.noisy.clone());
        Ok(zeroize::Zeroizing::new(noisy.unwrap_or_else(|| data.values.clone())))
    }
}
