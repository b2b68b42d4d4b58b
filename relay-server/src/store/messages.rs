//! The bytes of a round: what sites sent, and what the relay made of it.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Change, Store, damaged, unix_now};

/// Bytes in one row.
const PART: usize = 256 * 1024;

/// The `site` of what belongs to the whole round.
pub(crate) const WHOLE_ROUND: i64 = -1;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// From a site: its encrypted values and shares.
    Contribution,
    /// By the relay: the contributions that are summed.
    Set,
    /// By the relay, for a member: the set and the shares for that member.
    Delivery,
    /// From a member: its signature under the set.
    Confirmation,
    /// By the relay: a quorum of confirmations.
    Certificate,
    /// From a member: the sum of its shares.
    Answer,
    /// By the relay: the opened sum, little-endian 64-bit integers.
    Sum,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Contribution, Self::Set, Self::Delivery, Self::Confirmation, Self::Certificate, Self::Answer, Self::Sum];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Contribution => "contribution",
            Self::Set => "set",
            Self::Delivery => "delivery",
            Self::Confirmation => "confirmation",
            Self::Certificate => "certificate",
            Self::Answer => "answer",
            Self::Sum => "sum",
        }
    }

    fn named(name: &str) -> Result<Self, sqlx::Error> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| damaged("kind of a message", name))
    }
}

/// A round's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RoundId {
    pub(crate) consortium: String,
    pub(crate) number: u64,
}

impl RoundId {
    /// The number as the databases keep it. A larger one names no round, for they count from 1.
    pub(crate) fn stored_number(&self) -> i64 {
        i64::try_from(self.number).unwrap_or(-1)
    }
}

/// Which message of a round there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) round: u64,
    pub(crate) kind: Kind,
    pub(crate) site: u16,
}

impl Store {
    /// Keeps a message that is not there yet.
    pub(crate) async fn put_message(
        change: &mut Change,
        id: &RoundId,
        kind: Kind,
        site: i64,
        digest: &[u8; 32],
        bytes: &[u8],
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO message (consortium, round, kind, site, digest, length, stored_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&id.consortium)
        .bind(id.stored_number())
        .bind(kind.name())
        .bind(site)
        .bind(&digest[..])
        .bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
        .bind(unix_now())
        .execute(&mut **change)
        .await?;
        for (part, bytes) in (0i64..).zip(bytes.chunks(PART)) {
            sqlx::query("INSERT INTO message_part (consortium, round, kind, site, part, bytes) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(&id.consortium)
                .bind(id.stored_number())
                .bind(kind.name())
                .bind(site)
                .bind(part)
                .bind(bytes)
                .execute(&mut **change)
                .await?;
        }
        Ok(())
    }

    /// Removes the ciphertexts and sealed shares of a round that is over; their digests stay. Whoever steals members' keys later finds
    /// nothing here to open with them.
    pub(crate) async fn forget(change: &mut Change, id: &RoundId) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM message_part WHERE consortium = $1 AND round = $2 AND kind IN ('contribution', 'delivery')")
            .bind(&id.consortium)
            .bind(id.stored_number())
            .execute(&mut **change)
            .await?;
        Ok(())
    }

    /// SHA-256 of a message, if it is there.
    pub(crate) async fn message_digest(
        change: &mut Change,
        id: &RoundId,
        kind: Kind,
        site: i64,
    ) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let row = sqlx::query("SELECT digest FROM message WHERE consortium = $1 AND round = $2 AND kind = $3 AND site = $4")
            .bind(&id.consortium)
            .bind(id.stored_number())
            .bind(kind.name())
            .bind(site)
            .fetch_optional(&mut **change)
            .await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    /// The bytes of a message, if it is there. They were bounded when they were stored.
    pub(crate) async fn message(&self, id: &RoundId, kind: Kind, site: i64) -> Result<Option<Vec<u8>>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT bytes FROM message_part WHERE consortium = $1 AND round = $2 AND kind = $3 AND site = $4 ORDER BY part",
        )
        .bind(&id.consortium)
        .bind(id.stored_number())
        .bind(kind.name())
        .bind(site)
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        for row in &rows {
            bytes.extend(row.try_get::<Vec<u8>, _>(0)?);
        }
        Ok(Some(bytes))
    }

    /// The sites whose message of this kind is there, by index.
    pub(crate) async fn senders(&self, id: &RoundId, kind: Kind) -> Result<Vec<u16>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT round, kind, site FROM message WHERE consortium = $1 AND round = $2 AND kind = $3 AND site >= 0 ORDER BY site",
        )
        .bind(&id.consortium)
        .bind(id.stored_number())
        .bind(kind.name())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| stored(row).map(|stored| stored.site)).collect()
    }

    /// Which sites sent what, in the rounds of a consortium with these numbers; ordered by site.
    pub(crate) async fn all_senders(&self, consortium: &str, from: u64, to: u64) -> Result<Vec<Stored>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT round, kind, site FROM message WHERE consortium = $1 AND round >= $2 AND round <= $3
             AND kind IN ('contribution', 'confirmation', 'answer') AND site >= 0 ORDER BY site",
        )
        .bind(consortium)
        .bind(i64::try_from(from).unwrap_or(i64::MAX))
        .bind(i64::try_from(to).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(stored).collect()
    }
}

fn stored(row: &AnyRow) -> Result<Stored, sqlx::Error> {
    let round: i64 = row.try_get(0)?;
    let kind = Kind::named(&row.try_get::<String, _>(1)?)?;
    let site = u16::try_from(row.try_get::<i64, _>(2)?).map_err(|error| damaged("sender of a message", error))?;
    Ok(Stored { round: round.unsigned_abs(), kind, site })
}
