//! Purification jobs. What is deleted here is gone from the disk once [`Store::scrub`] has run.

use std::sync::atomic::Ordering;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, damaged};
use crate::client::ClientId;
use crate::purification::{Failure, JobId, JobState};
use crate::tokens::TokenHash;

/// A job as it is kept, without what is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobRow {
    pub(crate) site: ClientId,
    /// Never [`JobState::Running`], which is a queued job in some process's hands.
    pub(crate) state: JobState,
    pub(crate) tiles: usize,
    pub(crate) failure: Option<Failure>,
}

impl Store {
    /// Keeps a new job and its sealed tiles until `deadline`, in seconds since 1970.
    pub(crate) async fn put_job(
        &self,
        id: &JobId,
        token: &TokenHash,
        row: &JobRow,
        sealed: Vec<u8>,
        deadline: i64,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO purification (id, token_hash, site, state, tiles, deadline, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&id.0[..])
        .bind(&token[..])
        .bind(&row.site.0[..])
        .bind(row.state.name())
        .bind(i64::try_from(row.tiles).unwrap_or(i64::MAX))
        .bind(deadline)
        .bind(sealed)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Whether there is a job of this name with this token.
    pub(crate) async fn has_job(&self, id: &JobId, token: &TokenHash) -> Result<bool, sqlx::Error> {
        let query = sqlx::query("SELECT 1 FROM purification WHERE id = $1 AND token_hash = $2").bind(&id.0[..]).bind(&token[..]);
        Ok(query.fetch_optional(&self.pool).await?.is_some())
    }

    /// A job, without what is sealed.
    pub(crate) async fn job(&self, id: &JobId) -> Result<Option<JobRow>, sqlx::Error> {
        let query = sqlx::query("SELECT site, state, tiles, failure FROM purification WHERE id = $1").bind(&id.0[..]);
        query.fetch_optional(&self.pool).await?.as_ref().map(job_row).transpose()
    }

    /// The sealed tiles of a job that is queued, or the sealed result of one that is done; nothing where it is in another state.
    pub(crate) async fn sealed_of_job(&self, id: &JobId, state: JobState) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let query =
            sqlx::query("SELECT sealed FROM purification WHERE id = $1 AND state = $2").bind(&id.0[..]).bind(state.name());
        query.fetch_optional(&self.pool).await?.map(|row| row.try_get(0)).transpose()
    }

    /// Takes a job from state to state, with what is sealed of it from now on; `false` where it is no longer in state `from`.
    pub(crate) async fn settle_job(
        &self,
        id: &JobId,
        from: JobState,
        to: JobState,
        sealed: Option<Vec<u8>>,
        failure: Option<Failure>,
        deadline: i64,
    ) -> Result<bool, sqlx::Error> {
        let settled = sqlx::query(
            "UPDATE purification SET state = $3, sealed = $4, failure = $5, deadline = $6 WHERE id = $1 AND state = $2",
        )
        .bind(&id.0[..])
        .bind(from.name())
        .bind(to.name())
        .bind(sealed)
        .bind(failure.map(Failure::code))
        .bind(deadline)
        .execute(&self.pool)
        .await?;
        self.to_scrub.fetch_or(settled.rows_affected() > 0, Ordering::Relaxed);
        Ok(settled.rows_affected() > 0)
    }

    /// Expires the jobs whose deadline is over, to be forgotten at `forget_at`, and forgets those that ended before; gives the expired.
    pub(crate) async fn expire_jobs(&self, now: i64, forget_at: i64) -> Result<Vec<JobId>, sqlx::Error> {
        sqlx::query("DELETE FROM purification WHERE deadline <= $1 AND state NOT IN ('queued', 'done')")
            .bind(now)
            .execute(&self.pool)
            .await?;
        let expired = sqlx::query(
            "UPDATE purification SET state = 'expired', sealed = NULL, deadline = $2
             WHERE deadline <= $1 AND state IN ('queued', 'done') RETURNING id",
        )
        .bind(now)
        .bind(forget_at)
        .fetch_all(&self.pool)
        .await?;
        self.to_scrub.fetch_or(!expired.is_empty(), Ordering::Relaxed);
        expired.iter().map(|row| bytes(row, 0).map(JobId)).collect()
    }

    /// Jobs of a site whose tiles or result are kept.
    pub(crate) async fn jobs_of(&self, site: ClientId) -> Result<u32, sqlx::Error> {
        let query = sqlx::query("SELECT COUNT(*) FROM purification WHERE site = $1 AND state IN ('queued', 'done')");
        let count: i64 = query.bind(&site.0[..]).fetch_one(&self.pool).await?.try_get(0)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Removes from the disk what was deleted, where something was. SQLite has overwritten it in the file (`secure_delete`), but the log
    /// of writes still holds it: the log is written out and cut off. PostgreSQL does this in its own time (VACUUM).
    pub(crate) async fn scrub(&self) {
        if !self.is_sqlite() || !self.to_scrub.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.truncate_log().await {
            tracing::error!(%error, "deleted bytes still lie in the database's log; this is tried again");
            self.to_scrub.store(true, Ordering::Relaxed);
        }
    }

    async fn truncate_log(&self) -> Result<(), sqlx::Error> {
        let busy: i64 = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?.try_get(0)?;
        if busy == 0 { Ok(()) } else { Err(sqlx::Error::Protocol("the database is in use elsewhere".to_owned())) }
    }
}

fn job_row(row: &AnyRow) -> Result<JobRow, sqlx::Error> {
    let (state, tiles): (String, i64) = (row.try_get(1)?, row.try_get(2)?);
    let failure = row.try_get::<Option<String>, _>(3)?;
    let known = |code: String| Failure::ALL.into_iter().find(|one| one.code() == code).ok_or_else(|| damaged("failure", code));
    Ok(JobRow {
        site: ClientId(bytes(row, 0)?),
        state: JobState::ALL.into_iter().find(|one| one.name() == state).ok_or_else(|| damaged("state of a job", state))?,
        tiles: usize::try_from(tiles).map_err(|error| damaged("number of tiles", error))?,
        failure: failure.map(known).transpose()?,
    })
}

fn bytes(row: &AnyRow, column: usize) -> Result<[u8; 16], sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| damaged("name of a job or site", "it has another length than 16 bytes"))
}
