//! The steps of a site in a round: what it fetches, checks, stores and sends, and in which order.
//!
//! A [`SiteAgent`] keeps no clock and no connection. Call [`SiteAgent::step`] whenever the round may have moved on; each call does the next
//! thing that is due and says what it did. The [`Journal`] is stored before anything is sent that it speaks of, so that a closed tab or a killed process
//! goes on where it was, and never confirms two sets of one round.

use std::collections::BTreeMap;

use he::aggregation::member::{MemberRecord, derive_answer, derive_confirmation};
use he::aggregation::site::make_contribution;
use he::aggregation::{self, Delivery, Identity, IdentityKey, SumParameters};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::api::{Consortium, ConsortiumState, Round, RoundResult, RoundState, purpose_bytes};

/// The calls of a site to its relay. The bearer token is the link's own business.
// The futures need not be Send: browsers have one thread, and the lab drives each site on its own.
#[allow(async_fn_in_trait)]
pub trait RelayLink {
    /// What a call fails with.
    type Error;

    /// `GET /v1/consortia/{id}`.
    async fn consortium(&self, id: &str) -> Result<Consortium, Self::Error>;
    /// `GET …/rounds/{number}`.
    async fn round(&self, id: &str, number: u64) -> Result<Round, Self::Error>;
    /// `PUT …/rounds/{number}/contribution`.
    async fn send_contribution(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), Self::Error>;
    /// `GET …/rounds/{number}/delivery`.
    async fn delivery(&self, id: &str, number: u64) -> Result<Vec<u8>, Self::Error>;
    /// `POST …/rounds/{number}/confirmation`.
    async fn send_confirmation(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), Self::Error>;
    /// `GET …/rounds/{number}/certificate`.
    async fn certificate(&self, id: &str, number: u64) -> Result<Vec<u8>, Self::Error>;
    /// `POST …/rounds/{number}/answer`.
    async fn send_answer(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), Self::Error>;
    /// `GET …/rounds/{number}/result`.
    async fn result(&self, id: &str, number: u64) -> Result<RoundResult, Self::Error>;
}

/// Where a journal is kept. It holds no secret.
#[allow(async_fn_in_trait)]
pub trait JournalStore {
    /// What storing fails with.
    type Error;

    /// Returns when the journal is safely stored.
    async fn save(&self, journal: &Journal) -> Result<(), Self::Error>;
}

/// Why a site did not go on.
#[derive(Debug, Error)]
pub enum SiteError<E> {
    /// The relay or the storage did not do its part.
    #[error(transparent)]
    Outside(E),
    /// A message broke the protocol, or this site may not do what was asked.
    #[error(transparent)]
    Protocol(#[from] he::HeError),
    /// The consortium still waits for sites.
    #[error("{enrolled} of {sites} sites have enrolled: wait for the others")]
    Enrolling {
        /// Sites there are.
        enrolled: usize,
        /// Sites there will be.
        sites: u16,
    },
    /// The roster is not the one that was confirmed.
    #[error(
        "the roster has changed since it was confirmed: ask the consortium's administrator why, and trust nothing until you know"
    )]
    RosterChanged,
    /// The roster was never compared with the other sites.
    #[error("confirm the roster first: compare its fingerprint with the other sites over another channel")]
    RosterNotConfirmed,
    /// A relay that sent nonsense.
    #[error("the relay's answer makes no sense ({what}): it speaks another version, or is not honest")]
    BadRelay {
        /// What was wrong.
        what: &'static str,
    },
}

/// What a site remembers between calls. It is no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Digest of the roster that a person confirmed, in hexadecimal.
    pub roster: Option<String>,
    /// What was done in each round: [`MemberRecord`] in hexadecimal.
    rounds: BTreeMap<u64, String>,
}

impl Journal {
    fn record(&self, round: u64) -> Result<MemberRecord, he::HeError> {
        let bytes = self.rounds.get(&round).and_then(|text| hex::decode(text).ok()).unwrap_or_default();
        MemberRecord::from_bytes(&bytes)
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The round waits for this site's contribution: call again with the values.
    NeedsValues(Round),
    /// The contribution was sent: so many bytes.
    Contributed(Round, usize),
    /// The set was checked and confirmed.
    Confirmed(Round),
    /// The opening was answered.
    Answered(Round),
    /// Nothing is to be done here until others have done their part, or at all.
    Waiting(Round),
    /// The sum is open.
    Opened(Round, RoundResult),
    /// The round expired or failed; it says why.
    Over(Round),
}

/// A site in its consortium.
pub struct SiteAgent<L, S> {
    consortium: String,
    key: IdentityKey,
    journal: Journal,
    link: L,
    store: S,
}

/// A consortium as this site has checked it.
pub struct Roster {
    /// What the relay said.
    pub view: Consortium,
    /// What was computed from it.
    pub consortium: aggregation::Consortium,
    /// This site's own index.
    pub own: u16,
}

impl Roster {
    /// Checks what a relay says of a complete consortium: every identity's signature, and that `own` is among them.
    ///
    /// # Errors
    /// A site that is missing, out of place, or not valid; rules that do not protect.
    pub fn check<E>(view: Consortium, own: &Identity) -> Result<Self, SiteError<E>> {
        let rules = view.rules;
        if view.state == ConsortiumState::Enrolling {
            return Err(SiteError::Enrolling { enrolled: view.sites.len(), sites: rules.sites });
        }
        let bad = |what| SiteError::BadRelay { what };
        let identity = |(index, site): (u16, &crate::api::Site)| {
            let bytes = hex::decode(&site.identity).map_err(|_| bad("an identity is not hexadecimal"))?;
            if site.index == index { Ok(Identity::from_bytes(&bytes)?) } else { Err(bad("the sites are out of order")) }
        };
        let identities = (0..).zip(&view.sites).map(identity).collect::<Result<Vec<_>, SiteError<E>>>()?;
        let rules = aggregation::Rules::new(rules.sites, rules.threshold, rules.collusion, rules.cohort)?;
        let consortium = aggregation::Consortium::derive(&view.id, rules, identities)?;
        let own = consortium.index_of(own).ok_or(he::HeError::NotInRoster)?;
        Ok(Self { view, consortium, own })
    }

    /// The round as the protocol knows it.
    fn round<E>(&self, round: &Round) -> Result<aggregation::Round, SiteError<E>> {
        let parameters =
            SumParameters::by_name(&round.parameters).ok_or(SiteError::BadRelay { what: "it names unknown parameters" })?;
        let purpose = purpose_bytes(round.purpose, &self.view);
        Ok(aggregation::Round::derive(&self.consortium, round.number, parameters, round.length, &purpose)?)
    }
}

impl<E, L: RelayLink<Error = E>, S: JournalStore<Error = E>> SiteAgent<L, S> {
    /// A site that has enrolled in `consortium` with this key.
    pub fn new(consortium: String, key: IdentityKey, journal: Journal, link: L, store: S) -> Self {
        Self { consortium, key, journal, link, store }
    }

    /// The site's relay.
    pub fn link(&self) -> &L {
        &self.link
    }

    /// What the site remembers.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The complete roster, checked; not necessarily confirmed by a person.
    ///
    /// # Errors
    /// [`SiteError::Enrolling`], [`SiteError::RosterChanged`], or a roster that is not valid.
    pub async fn roster(&self) -> Result<Roster, SiteError<E>> {
        let view = self.link.consortium(&self.consortium).await.map_err(SiteError::Outside)?;
        if view.id != self.consortium {
            return Err(SiteError::BadRelay { what: "it sent another consortium" });
        }
        let roster = Roster::check(view, &self.key.identity())?;
        match &self.journal.roster {
            Some(confirmed) if *confirmed != hex::encode(roster.consortium.digest()) => Err(SiteError::RosterChanged),
            _ => Ok(roster),
        }
    }

    /// Remembers that a person compared this roster's fingerprint with the other sites. Later rosters must be the same.
    ///
    /// # Errors
    /// As [`Self::roster`], if the roster is not `digest`, or if it cannot be stored.
    pub async fn confirm_roster(&mut self, digest: &[u8; 32]) -> Result<(), SiteError<E>> {
        let roster = self.roster().await?;
        if roster.consortium.digest() != digest {
            return Err(SiteError::RosterChanged);
        }
        let mut journal = self.journal.clone();
        journal.roster = Some(hex::encode(digest));
        self.keep(journal).await
    }

    /// Does what is due in a round. `values` are this site's vector; they are looked at only while the round takes contributions.
    ///
    /// # Errors
    /// A roster nobody confirmed or that changed, a message that breaks the protocol (a bad share names its site), or what link and store fail with.
    /// The step can be tried again after any of them.
    pub async fn step(&mut self, number: u64, values: Option<&[i64]>) -> Result<Step, SiteError<E>> {
        let roster = self.roster().await?;
        if self.journal.roster.is_none() {
            return Err(SiteError::RosterNotConfirmed);
        }
        let status = self.link.round(&self.consortium, number).await.map_err(SiteError::Outside)?;
        if status.number != number {
            return Err(SiteError::BadRelay { what: "it sent another round" });
        }
        match status.state {
            RoundState::Contributing if status.contributed.contains(&roster.own) => Ok(Step::Waiting(status)),
            RoundState::Contributing => self.contribute(&roster, status, values).await,
            RoundState::Confirming if status.confirmed.contains(&roster.own) => Ok(Step::Waiting(status)),
            RoundState::Confirming => self.confirm(&roster, status).await,
            RoundState::Opening if status.answered.contains(&roster.own) => Ok(Step::Waiting(status)),
            RoundState::Opening => self.answer(&roster, status).await,
            RoundState::Opened => {
                let result = self.link.result(&self.consortium, number).await.map_err(SiteError::Outside)?;
                Ok(Step::Opened(status, result))
            }
            RoundState::Expired | RoundState::Failed => Ok(Step::Over(status)),
        }
    }

    async fn contribute(&self, roster: &Roster, status: Round, values: Option<&[i64]>) -> Result<Step, SiteError<E>> {
        let Some(values) = values else { return Ok(Step::NeedsValues(status)) };
        let round = roster.round(&status)?;
        let bytes = make_contribution(&roster.consortium, &round, &self.key, values)?.to_bytes().to_vec();
        let sent = bytes.len();
        self.link.send_contribution(&self.consortium, status.number, bytes).await.map_err(SiteError::Outside)?;
        Ok(Step::Contributed(status, sent))
    }

    async fn confirm(&mut self, roster: &Roster, status: Round) -> Result<Step, SiteError<E>> {
        let round = roster.round(&status)?;
        let delivery = self.delivery(roster, &round).await?;
        let mut record = self.journal.record(status.number)?;
        let confirmation = derive_confirmation(&roster.consortium, &round, &self.key, &delivery, &mut record)?;
        let mut journal = self.journal.clone();
        journal.rounds.insert(status.number, hex::encode(record.to_bytes()));
        self.keep(journal).await?;
        let bytes = confirmation.to_bytes(&round);
        self.link.send_confirmation(&self.consortium, status.number, bytes).await.map_err(SiteError::Outside)?;
        Ok(Step::Confirmed(status))
    }

    async fn answer(&self, roster: &Roster, status: Round) -> Result<Step, SiteError<E>> {
        let round = roster.round(&status)?;
        let record = self.journal.record(status.number)?;
        if record == MemberRecord::default() {
            // The quorum was found without this member.
            return Ok(Step::Waiting(status));
        }
        let delivery = self.delivery(roster, &round).await?;
        let certificate = self.link.certificate(&self.consortium, status.number).await.map_err(SiteError::Outside)?;
        let answer = derive_answer(&roster.consortium, &round, &self.key, &delivery, &certificate, &record)?;
        let bytes = answer.to_bytes(&round);
        self.link.send_answer(&self.consortium, status.number, bytes).await.map_err(SiteError::Outside)?;
        Ok(Step::Answered(status))
    }

    async fn delivery(&self, roster: &Roster, round: &aggregation::Round) -> Result<Delivery, SiteError<E>> {
        let bytes = self.link.delivery(&self.consortium, round.number()).await.map_err(SiteError::Outside)?;
        Ok(Delivery::from_bytes(&roster.consortium, round, &bytes)?)
    }

    /// A journal takes effect only once it is stored.
    async fn keep(&mut self, journal: Journal) -> Result<(), SiteError<E>> {
        self.store.save(&journal).await.map_err(SiteError::Outside)?;
        self.journal = journal;
        Ok(())
    }
}
