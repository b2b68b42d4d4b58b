//! Rounds on a real relay: honest ones, ones with drop-outs, and ones with sites that misbehave.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use federation::api::{Enrolment, HeadKind, NewConsortium, NewRound, Purpose, RoundResult, RoundState, purpose_bytes};
use federation::site::{Journal, RelayLink, Roster, SiteAgent, Step};
use he::aggregation::{self, IdentityKey, SumParameters, hazmat};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    link::{HttpLink, LinkError},
    relay::{LocalRelay, begin, found},
    site::Forgetful,
};

const PAUSE: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(120);

/// What a simulated site does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// All that is due.
    Honest,
    /// Nothing at all.
    Absent,
    /// It contributes and is never seen again.
    GoneAfterContributing,
    /// It confirms and does not answer.
    GoneAtOpening,
    /// It deals one member a share that fits no other.
    BadShare,
}

/// What came of a simulated round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What was simulated.
    pub name: String,
    /// Sites, threshold, quorum and smallest cohort.
    pub rules: [u16; 4],
    /// Final state of the round.
    pub state: String,
    /// Sites in the sum.
    pub cohort: Vec<u16>,
    /// Sites that the failure names.
    pub named: Vec<u16>,
    /// Whether the opened sum is the plain sum of the cohort's vectors; none where nothing opened.
    pub exact: Option<bool>,
    /// The relay's word for why it failed, or refused.
    pub word: Option<String>,
    /// From the round's beginning to its end.
    pub seconds: f64,
}

/// Bytes of one site in one round, without asking how the round stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SiteBytes {
    /// Values of the vector.
    pub values: usize,
    /// Contribution, up.
    pub contribution: u64,
    /// Delivery of the set and of its shares, down; twice, since it is fetched again for the answer.
    pub delivery: u64,
    /// Confirmation, up.
    pub confirmation: u64,
    /// Certificate, down.
    pub certificate: u64,
    /// Answer, up.
    pub answer: u64,
    /// The opened sum, down.
    pub result: u64,
}

impl SiteBytes {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.contribution + self.delivery + self.confirmation + self.certificate + self.answer + self.result
    }
}

struct Member {
    agent: SiteAgent<HttpLink, Forgetful>,
    key: IdentityKey,
    values: Vec<i64>,
    behaviour: Behaviour,
    done: bool,
}

/// A consortium of simulated sites on a relay.
pub struct Consortium {
    id: String,
    admin: HttpLink,
    members: Vec<Member>,
    rules: [u16; 4],
}

impl Consortium {
    /// Founds it and enrols its sites, with the vector of each.
    ///
    /// # Errors
    /// Where the relay refuses.
    pub async fn found(relay: &LocalRelay, new: &NewConsortium, values: Vec<Vec<i64>>) -> Result<Self> {
        let admin = relay.admin()?;
        let invitations = found(&admin, new).await?;
        let mut members = Vec::new();
        for (invitation, values) in invitations.iter().zip(values) {
            let seed = Zeroizing::new(rand::random::<[u8; 32]>());
            let key = IdentityKey::derive(&seed);
            let identity = Some(hex::encode(key.identity().to_bytes()));
            let anyone = HttpLink::new(&relay.base(), Zeroizing::default())?;
            let mut enrolled = anyone.enrol(&Enrolment { invitation: invitation.to_string(), identity }).await?;
            let link = HttpLink::new(&relay.base(), Zeroizing::new(std::mem::take(&mut enrolled.token)))?;
            let agent = SiteAgent::new(new.id.clone(), IdentityKey::derive(&seed), Journal::default(), link, Forgetful);
            members.push(Member { agent, key, values, behaviour: Behaviour::Honest, done: false });
        }
        for member in &mut members {
            let digest = *member.agent.roster().await?.consortium.digest();
            member.agent.confirm_roster(&digest).await?;
        }
        let view = admin.consortium(&new.id).await?;
        let rules = [view.rules.sites, view.rules.threshold, view.rules.quorum, view.rules.cohort];
        Ok(Self { id: new.id.clone(), admin, members, rules })
    }

    /// The administrator's link.
    pub fn admin(&self) -> &HttpLink {
        &self.admin
    }

    /// Gives each site another vector.
    pub fn set_values(&mut self, values: Vec<Vec<i64>>) {
        self.members.iter_mut().zip(values).for_each(|(member, values)| member.values = values);
    }

    /// Plays a round in which the named sites do not behave.
    ///
    /// # Errors
    /// Where the relay or a site does what it must not.
    pub async fn play(
        &mut self,
        name: &str,
        new: &NewRound,
        strange: &[(usize, Behaviour)],
    ) -> Result<(Outcome, Option<RoundResult>)> {
        let number = begin(&self.admin, &self.id, new).await?.number;
        self.finish(name, number, strange).await
    }

    async fn finish(
        &mut self,
        name: &str,
        number: u64,
        strange: &[(usize, Behaviour)],
    ) -> Result<(Outcome, Option<RoundResult>)> {
        for member in &mut self.members {
            (member.behaviour, member.done) = (Behaviour::Honest, false);
        }
        for (site, behaviour) in strange {
            self.members[*site].behaviour = *behaviour;
        }
        let began = Instant::now();
        loop {
            ensure!(began.elapsed() < PATIENCE, "{name}: the round does not end");
            for member in &mut self.members {
                member.step(&self.id, number).await.with_context(|| name.to_owned())?;
            }
            let round = self.admin.round(&self.id, number).await?;
            if round.state.is_final() && self.members.iter().all(|m| m.done || m.behaviour != Behaviour::Honest) {
                return self.outcome(name, round, began.elapsed().as_secs_f64()).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn outcome(&self, name: &str, round: federation::api::Round, seconds: f64) -> Result<(Outcome, Option<RoundResult>)> {
        let opened = round.state == RoundState::Opened;
        let result = if opened { Some(self.admin.result(&self.id, round.number).await?) } else { None };
        let plain = |result: &RoundResult| {
            let vectors = || result.cohort.iter().map(|site| &self.members[usize::from(*site)].values);
            (0..result.sum.len()).all(|i| vectors().map(|v| v[i]).sum::<i64>() == result.sum[i])
        };
        let outcome = Outcome {
            name: name.to_owned(),
            rules: self.rules,
            state: format!("{:?}", round.state).to_lowercase(),
            cohort: result.as_ref().map(|result| result.cohort.clone()).unwrap_or_default(),
            named: round.failure.as_ref().map(|failure| failure.sites.clone()).unwrap_or_default(),
            exact: result.as_ref().map(plain),
            word: round.failure.map(|failure| failure.code),
            seconds,
        };
        Ok((outcome, result))
    }

    /// A site sends a second contribution to a round, and the first one again into the next. Gives the relay's words of refusal.
    ///
    /// # Errors
    /// Where the relay takes either, or does not take the very same bytes again, as after a lost connection.
    pub async fn replay(&mut self, new: &NewRound) -> Result<[String; 2]> {
        let old = begin(&self.admin, &self.id, new).await?.number;
        let (first, second) =
            (self.members[0].contribution(&self.id, old).await?, self.members[0].contribution(&self.id, old).await?);
        self.send_first(old, first.clone()).await?;
        let twice = refused(self.send_first(old, second).await)?;
        self.send_first(old, first.clone()).await?;
        self.finish("after a second contribution", old, &[]).await?;
        let next = begin(&self.admin, &self.id, new).await?.number;
        let replayed = refused(self.send_first(next, first).await)?;
        self.finish("after a replay", next, &[]).await?;
        Ok([twice, replayed])
    }

    async fn send_first(&self, round: u64, contribution: Vec<u8>) -> Result<(), LinkError> {
        self.members[0].agent.link().send_contribution(&self.id, round, contribution).await
    }

    /// Bytes of the first site so far, in a round of `values` values.
    pub fn bytes(&self, values: usize) -> SiteBytes {
        let traffic = self.members[0].agent.link().traffic();
        SiteBytes {
            values,
            contribution: traffic.of("contribution").0,
            delivery: traffic.of("delivery").1,
            confirmation: traffic.of("confirmation").0,
            certificate: traffic.of("certificate").1,
            answer: traffic.of("answer").0,
            result: traffic.of("result").1,
        }
    }
}

fn refused(sent: Result<(), LinkError>) -> Result<String> {
    match sent {
        Ok(()) => bail!("the relay took a message that it must refuse"),
        Err(LinkError::Refused { kind, .. }) => Ok(kind),
        Err(error) => Err(error.into()),
    }
}

impl Member {
    async fn step(&mut self, id: &str, number: u64) -> Result<()> {
        if self.done || self.behaviour == Behaviour::Absent {
            return Ok(());
        }
        let round = self.agent.link().round(id, number).await?;
        let stays_away = match round.state {
            RoundState::Contributing => false,
            RoundState::Confirming => self.behaviour == Behaviour::GoneAfterContributing,
            _ => matches!(self.behaviour, Behaviour::GoneAfterContributing | Behaviour::GoneAtOpening),
        };
        if stays_away {
            return Ok(());
        }
        if round.state == RoundState::Contributing && self.behaviour == Behaviour::BadShare {
            return self.send_bad_share(id, number, round.contributed).await;
        }
        // A member that finds a bad share refuses to confirm; that the round fails is what is looked at.
        let step = match self.agent.step(number, Some(&self.values)).await {
            Err(federation::site::SiteError::Protocol(he::HeError::BadShare { .. })) => {
                self.done = true;
                return Ok(());
            }
            other => other?,
        };
        self.done = matches!(step, Step::Opened(..) | Step::Over(_));
        Ok(())
    }

    async fn send_bad_share(&self, id: &str, number: u64, contributed: Vec<u16>) -> Result<()> {
        let (roster, round) = self.round(id, number).await?;
        if contributed.contains(&roster.own) {
            return Ok(());
        }
        let victim = if roster.own == 0 { 1 } else { 0 };
        let bad = hazmat::make_bad_contribution(&roster.consortium, &round, &self.key, &self.values, victim)?;
        Ok(self.agent.link().send_contribution(id, number, bad.to_bytes().to_vec()).await?)
    }

    async fn contribution(&self, id: &str, number: u64) -> Result<Vec<u8>> {
        let (roster, round) = self.round(id, number).await?;
        let made = he::aggregation::site::make_contribution(&roster.consortium, &round, &self.key, &self.values)?;
        Ok(made.to_bytes().to_vec())
    }

    async fn round(&self, id: &str, number: u64) -> Result<(Roster, aggregation::Round)> {
        let roster = self.agent.roster().await?;
        let status = self.agent.link().round(id, number).await?;
        let parameters = SumParameters::by_name(&status.parameters).context("the round names unknown parameters")?;
        let purpose = purpose_bytes(status.purpose, &roster.view);
        let round = aggregation::Round::derive(&roster.consortium, number, parameters, status.length, &purpose)?;
        Ok((roster, round))
    }
}

/// A round of statistics; a head is published where asked for. `patience` is the seconds of each state.
pub fn statistics_round(patience: u32, publish: Option<HeadKind>) -> NewRound {
    let (contribute_s, confirm_s, open_s) = (patience, patience, patience);
    NewRound { purpose: Purpose::Statistics, length: None, parameters: None, contribute_s, confirm_s, open_s, publish }
}

/// A round of updates of `length` values.
pub fn update_round(patience: u32, length: usize) -> NewRound {
    NewRound { purpose: Purpose::Update, length: Some(length), ..statistics_round(patience, None) }
}
