//! Heads that rounds made, and which of a model's heads answers.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Change, RoundId, Store, damaged, unix_now};

/// A published head.
#[derive(Debug, Clone)]
pub(crate) struct StoredHead {
    pub(crate) version: u32,
    pub(crate) round: RoundId,
    pub(crate) made_at: i64,
    /// The whole model card, whose calibration belongs to this head.
    pub(crate) card: String,
    /// `head.safetensors`.
    pub(crate) head: Vec<u8>,
}

impl Store {
    /// Keeps a head as the model's next version and makes it the active one; gives it as it is kept.
    pub(crate) async fn publish(
        change: &mut Change,
        model: &str,
        round: &RoundId,
        card: impl FnOnce(u32) -> Result<String, sqlx::Error>,
        head: &[u8],
    ) -> Result<StoredHead, sqlx::Error> {
        let row = sqlx::query("SELECT COALESCE(MAX(version), 0) + 1 FROM head_version WHERE model = $1")
            .bind(model)
            .fetch_one(&mut **change)
            .await?;
        let version: i64 = row.try_get(0)?;
        let number = u32::try_from(version).map_err(|error| damaged("version", error))?;
        let (card, made_at) = (card(number)?, unix_now());
        sqlx::query(
            "INSERT INTO head_version (model, version, consortium, round, made_at, card, head) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(model)
        .bind(version)
        .bind(&round.consortium)
        .bind(round.stored_number())
        .bind(made_at)
        .bind(&card)
        .bind(head)
        .execute(&mut **change)
        .await?;
        Self::set_active(change, model, number).await?;
        Ok(StoredHead { version: number, round: round.clone(), made_at, card, head: head.to_vec() })
    }

    /// Makes a version the one that answers; after a restart too.
    pub(crate) async fn set_active(change: &mut Change, model: &str, version: u32) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO active_head (model, version) VALUES ($1, $2) ON CONFLICT (model) DO UPDATE SET version = $2")
            .bind(model)
            .bind(i64::from(version))
            .execute(&mut **change)
            .await?;
        Ok(())
    }

    /// The published heads of a model, oldest first.
    pub(crate) async fn heads(&self, model: &str) -> Result<Vec<StoredHead>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT version, consortium, round, made_at, card, head FROM head_version WHERE model = $1 ORDER BY version",
        )
        .bind(model)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(stored).collect()
    }

    /// The version that answers; 0, the shipped head, unless another was chosen.
    pub(crate) async fn active_head(&self, model: &str) -> Result<u32, sqlx::Error> {
        let row = sqlx::query("SELECT version FROM active_head WHERE model = $1").bind(model).fetch_optional(&self.pool).await?;
        let version = row.map(|row| row.try_get::<i64, _>(0)).transpose()?.unwrap_or(0);
        u32::try_from(version).map_err(|error| damaged("version", error))
    }
}

fn stored(row: &AnyRow) -> Result<StoredHead, sqlx::Error> {
    let number: i64 = row.try_get(2)?;
    Ok(StoredHead {
        version: u32::try_from(row.try_get::<i64, _>(0)?).map_err(|error| damaged("version", error))?,
        round: RoundId { consortium: row.try_get(1)?, number: number.unsigned_abs() },
        made_at: row.try_get(3)?,
        card: row.try_get(4)?,
        head: row.try_get(5)?,
    })
}
