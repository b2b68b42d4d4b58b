//! The audit log: appended in the change that it reports, so that neither is ever there without the other.

use federation::audit::{Actor, Entry, GENESIS};
use sqlx::Row;

use super::{Change, Store, damaged, unix_now};

/// What an entry of the log reports.
pub(crate) struct Happening<'a> {
    /// A stable word.
    pub(crate) what: &'static str,
    /// Who did it.
    pub(crate) actor: Actor,
    /// The round it belongs to.
    pub(crate) round: Option<u64>,
    /// SHA-256 of the message that was stored or made.
    pub(crate) digest: Option<&'a [u8; 32]>,
}

impl Store {
    /// Appends an entry to the log of a consortium.
    pub(crate) async fn append(change: &mut Change, consortium: &str, happening: Happening<'_>) -> Result<(), sqlx::Error> {
        // The update locks the consortium's row until the change ends, so entries of one consortium follow one another.
        let end =
            sqlx::query("UPDATE consortium SET audit_length = audit_length + 1 WHERE id = $1 RETURNING audit_length, audit_head")
                .bind(consortium)
                .fetch_one(&mut **change)
                .await?;
        let previous: Vec<u8> = end.try_get(1)?;
        let entry = Entry::derive(
            u64::try_from(end.try_get::<i64, _>(0)?).map_err(|error| damaged("length of the log", error))?,
            unix_now(),
            consortium,
            happening.what,
            happening.actor,
            happening.round,
            happening.digest,
            &previous.try_into().map_err(|_| damaged("end of the log", "it has another length than 32 bytes"))?,
        );
        sqlx::query("INSERT INTO audit_entry (consortium, sequence, entry) VALUES ($1, $2, $3)")
            .bind(consortium)
            .bind(end.try_get::<i64, _>(0)?)
            .bind(entry.to_line())
            .execute(&mut **change)
            .await?;
        sqlx::query("UPDATE consortium SET audit_head = $2 WHERE id = $1")
            .bind(consortium)
            .bind(&entry.hash_bytes()[..])
            .execute(&mut **change)
            .await?;
        Ok(())
    }

    /// The beginning of every chain.
    pub(super) fn genesis() -> Vec<u8> {
        GENESIS.to_vec()
    }

    /// Up to `limit` lines of the log after the entry `after`, oldest first.
    pub(crate) async fn audit_lines(&self, consortium: &str, after: i64, limit: i64) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT entry FROM audit_entry WHERE consortium = $1 AND sequence > $2 AND sequence <= $2 + $3 ORDER BY sequence",
        )
        .bind(consortium)
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}
