//! Where the rounds stand.

use federation::api::{Failure, NewRound, RoundState};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Change, RoundId, Store, damaged};

/// A round as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct RoundRow {
    pub(crate) id: RoundId,
    /// With length and parameters filled in.
    pub(crate) settings: NewRound,
    pub(crate) state: RoundState,
    /// Seconds since 1970.
    pub(crate) deadline: i64,
    /// Grows with each message and each step.
    pub(crate) revision: i64,
    pub(crate) set_digest: Option<Vec<u8>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) published: Option<u32>,
}

/// What a round becomes.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) to: RoundState,
    pub(crate) deadline: i64,
    pub(crate) set_digest: Option<Vec<u8>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) published: Option<u32>,
}

/// Whether a step was taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stepped {
    Taken,
    /// The round has changed since it was read; nothing was written.
    Overtaken,
}

impl Store {
    /// Begins the next round of a consortium; gives its name.
    pub(crate) async fn begin_round(
        change: &mut Change,
        consortium: &str,
        settings: &NewRound,
        deadline: i64,
    ) -> Result<RoundId, sqlx::Error> {
        // Locks the consortium, so that two rounds that begin at once get different numbers.
        Self::roster(change, consortium).await?;
        let settings = serde_json::to_string(settings).map_err(|error| damaged("settings", error))?;
        let row = sqlx::query(
            "INSERT INTO round (consortium, number, settings, state, deadline, revision)
             SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, 0 FROM round WHERE consortium = $1 RETURNING number",
        )
        .bind(consortium)
        .bind(settings)
        .bind(state_name(RoundState::Contributing))
        .bind(deadline)
        .fetch_one(&mut **change)
        .await?;
        let number: i64 = row.try_get(0)?;
        Ok(RoundId { consortium: consortium.to_owned(), number: number.unsigned_abs() })
    }

    /// A round as it is.
    pub(crate) async fn round(&self, id: &RoundId) -> Result<Option<RoundRow>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT consortium, number, settings, state, deadline, revision, set_digest, failure, published
             FROM round WHERE consortium = $1 AND number = $2",
        )
        .bind(&id.consortium)
        .bind(id.stored_number())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(round).transpose()
    }

    /// A round as it is, which stays so until the change ends.
    pub(crate) async fn lock_round(change: &mut Change, id: &RoundId) -> Result<Option<RoundRow>, sqlx::Error> {
        let row = sqlx::query(
            "UPDATE round SET revision = revision WHERE consortium = $1 AND number = $2
             RETURNING consortium, number, settings, state, deadline, revision, set_digest, failure, published",
        )
        .bind(&id.consortium)
        .bind(id.stored_number())
        .fetch_optional(&mut **change)
        .await?;
        row.as_ref().map(round).transpose()
    }

    /// Marks a round as changed.
    pub(crate) async fn touch_round(change: &mut Change, id: &RoundId) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE round SET revision = revision + 1 WHERE consortium = $1 AND number = $2")
            .bind(&id.consortium)
            .bind(id.stored_number())
            .execute(&mut **change)
            .await?;
        Ok(())
    }

    /// Takes a step that was computed from `row`, unless the round has changed since.
    pub(crate) async fn step(change: &mut Change, row: &RoundRow, step: &Step) -> Result<Stepped, sqlx::Error> {
        let failure = step.failure.as_ref().map(serde_json::to_string).transpose().map_err(|error| damaged("failure", error))?;
        let taken = sqlx::query(
            "UPDATE round SET state = $4, deadline = $5, revision = revision + 1, set_digest = $6, failure = $7, published = $8
             WHERE consortium = $1 AND number = $2 AND revision = $3",
        )
        .bind(&row.id.consortium)
        .bind(row.id.stored_number())
        .bind(row.revision)
        .bind(state_name(step.to))
        .bind(step.deadline)
        .bind(step.set_digest.clone())
        .bind(failure)
        .bind(step.published.map(i64::from))
        .execute(&mut **change)
        .await?;
        Ok(if taken.rows_affected() == 1 { Stepped::Taken } else { Stepped::Overtaken })
    }

    /// All rounds of a consortium, oldest first.
    pub(crate) async fn rounds(&self, consortium: &str) -> Result<Vec<RoundRow>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT consortium, number, settings, state, deadline, revision, set_digest, failure, published
             FROM round WHERE consortium = $1 ORDER BY number",
        )
        .bind(consortium)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(round).collect()
    }

    /// Every round that can still change.
    pub(crate) async fn unfinished_rounds(&self) -> Result<Vec<RoundId>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT consortium, number FROM round WHERE state IN ('contributing', 'confirming', 'opening') ORDER BY deadline",
        )
        .fetch_all(&self.pool)
        .await?;
        let id = |row: &AnyRow| {
            let number: i64 = row.try_get(1)?;
            Ok(RoundId { consortium: row.try_get(0)?, number: number.unsigned_abs() })
        };
        rows.iter().map(id).collect()
    }
}

fn round(row: &AnyRow) -> Result<RoundRow, sqlx::Error> {
    let number: i64 = row.try_get(1)?;
    let settings: String = row.try_get(2)?;
    let failure: Option<String> = row.try_get(7)?;
    let published: Option<i64> = row.try_get(8)?;
    Ok(RoundRow {
        id: RoundId { consortium: row.try_get(0)?, number: number.unsigned_abs() },
        settings: serde_json::from_str(&settings).map_err(|error| damaged("settings", error))?,
        state: state(&row.try_get::<String, _>(3)?)?,
        deadline: row.try_get(4)?,
        revision: row.try_get(5)?,
        set_digest: row.try_get(6)?,
        failure: failure.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| damaged("failure", error))?,
        published: published.map(u32::try_from).transpose().map_err(|error| damaged("version", error))?,
    })
}

const STATES: [RoundState; 6] = [
    RoundState::Contributing,
    RoundState::Confirming,
    RoundState::Opening,
    RoundState::Opened,
    RoundState::Expired,
    RoundState::Failed,
];

/// States as they are stored, and named in the audit log.
pub(crate) const fn state_name(state: RoundState) -> &'static str {
    match state {
        RoundState::Contributing => "contributing",
        RoundState::Confirming => "confirming",
        RoundState::Opening => "opening",
        RoundState::Opened => "opened",
        RoundState::Expired => "expired",
        RoundState::Failed => "failed",
    }
}

fn state(name: &str) -> Result<RoundState, sqlx::Error> {
    STATES.into_iter().find(|state| state_name(*state) == name).ok_or_else(|| damaged("state of a round", name))
}
