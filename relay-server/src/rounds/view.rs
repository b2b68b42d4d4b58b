//! Consortia and rounds as the API shows them.

use federation::api::{Consortium, ConsortiumState, Purpose, Round, Site};
use he::aggregation::Rules;

use super::protocol::{self, Setting};
use super::sentence;
use crate::problem::Problem;
use crate::state::App;
use crate::store::{Founded, Kind, RoundId, RoundRow, Stored};

impl App {
    /// A consortium as it was founded, with its sites.
    ///
    /// # Errors
    /// 404 where there is none of this id.
    pub(crate) async fn founded(&self, id: &str) -> Result<Founded, Problem> {
        self.store.consortium(id).await?.ok_or_else(Problem::unknown_consortium)
    }

    /// A round as it is kept.
    ///
    /// # Errors
    /// 404 where there is none of this number.
    pub(crate) async fn round_row(&self, id: &RoundId) -> Result<RoundRow, Problem> {
        self.store.round(id).await?.ok_or_else(Problem::unknown_round)
    }

    /// The rules of a round's consortium.
    pub(super) async fn rules(&self, id: &RoundId) -> Result<Rules, Problem> {
        let founding = self.founded(&id.consortium).await?.founding;
        protocol::derive_rules(&founding).map_err(|error| broken(&error))
    }

    /// A round as the protocol knows it.
    pub(super) async fn setting(&self, row: &RoundRow) -> Result<Setting, Problem> {
        let founded = self.founded(&row.id.consortium).await?;
        let shown = self.shown(&founded)?;
        let roster = self.rounds.roster(&founded).map_err(|error| broken(&error))?;
        Setting::derive(roster, &shown, &row.settings, row.id.number).map_err(|error| broken(&error))
    }

    /// A consortium as the API shows it.
    pub(crate) fn shown(&self, founded: &Founded) -> Result<Consortium, Problem> {
        let rules = protocol::derive_rules(&founded.founding).map_err(|error| broken(&error))?;
        let ready = founded.sites.len() >= usize::from(rules.sites());
        let roster = if ready { Some(self.rounds.roster(founded).map_err(|error| broken(&error))?) } else { None };
        let founding = founded.founding.clone();
        let site = |site: &crate::store::Registered| Site {
            index: site.index,
            name: site.name.clone(),
            identity: hex::encode(&site.identity),
        };
        Ok(Consortium {
            id: founding.id,
            title: founding.title,
            model: founding.model,
            classes: founding.classes,
            rules: protocol::shown(&rules),
            clip_norm: founding.clip_norm,
            state: if ready { ConsortiumState::Ready } else { ConsortiumState::Enrolling },
            sites: founded.sites.iter().map(site).collect(),
            digest: roster.map(|roster| hex::encode(roster.digest())),
        })
    }

    /// One round as the API shows it.
    pub(crate) async fn shown_round(&self, id: &RoundId) -> Result<Round, Problem> {
        let row = self.round_row(id).await?;
        let senders = self.store.all_senders(&id.consortium, id.number, id.number).await?;
        Ok(show(&row, &senders))
    }

    /// All rounds of a consortium, oldest first.
    pub(crate) async fn shown_rounds(&self, consortium: &str) -> Result<Vec<Round>, Problem> {
        let rows = self.store.rounds(consortium).await?;
        let senders = self.store.all_senders(consortium, 0, u64::MAX).await?;
        Ok(rows.iter().map(|row| show(row, &senders)).collect())
    }

    /// Tells the listeners of a round how it stands.
    pub(super) async fn announce(&self, id: &RoundId) {
        match self.shown_round(id).await {
            Ok(round) => self.rounds.events.announce(&id.consortium, round),
            // It was logged; listeners learn of it with the next change.
            Err(_) => tracing::debug!(round = id.number, "a change was not announced"),
        }
    }
}

fn show(row: &RoundRow, senders: &[Stored]) -> Round {
    let of = |kind: Kind| {
        let sent = senders.iter().filter(|stored| stored.round == row.id.number && stored.kind == kind);
        sent.map(|stored| stored.site).collect()
    };
    Round {
        number: row.id.number,
        purpose: row.settings.purpose,
        parameters: row.settings.parameters.clone().unwrap_or_else(|| implied_name(row.settings.purpose)),
        length: row.settings.length.unwrap_or(0),
        state: row.state,
        deadline: row.deadline,
        contributed: of(Kind::Contribution),
        confirmed: of(Kind::Confirmation),
        answered: of(Kind::Answer),
        set_digest: row.set_digest.as_ref().map(hex::encode),
        failure: row.failure.clone(),
        published: row.published,
    }
}

fn implied_name(purpose: Purpose) -> String {
    protocol::implied(purpose).name().to_owned()
}

/// What is stored was checked before; if it no longer fits, somebody has changed the database.
fn broken(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(error = sentence(error), "a stored consortium or round is damaged");
    Problem::internal()
}
