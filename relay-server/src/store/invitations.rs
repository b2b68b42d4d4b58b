//! Invitations: each is taken up once, or ends.

use federation::api::{NewConsortium, Role};
use sqlx::Row;

use super::consortia::{founding, role, role_name};
use super::{Change, Store, unix_now};
use crate::tokens::TokenHash;

/// An invitation as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Invited {
    pub(crate) consortium: String,
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) expires_at: i64,
}

/// What became of an invitation that somebody took up.
#[derive(Debug)]
pub(crate) enum TakenUp {
    /// It was good and is used now.
    Accepted(Invited),
    Unknown,
    Used,
    Expired,
}

impl Store {
    /// Keeps an invitation under its hash.
    pub(crate) async fn invite(change: &mut Change, hash: &TokenHash, invited: &Invited) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO invitation (hash, consortium, role, name, expires_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(&hash[..])
            .bind(&invited.consortium)
            .bind(role_name(invited.role))
            .bind(&invited.name)
            .bind(invited.expires_at)
            .execute(&mut **change)
            .await?;
        Ok(())
    }

    /// Uses up an invitation; two that try at once cannot both succeed, for one statement looks and marks.
    pub(crate) async fn take_up(change: &mut Change, hash: &TokenHash) -> Result<TakenUp, sqlx::Error> {
        let now = unix_now();
        let taken = sqlx::query(
            "UPDATE invitation SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2
             RETURNING consortium, role, name, expires_at",
        )
        .bind(&hash[..])
        .bind(now)
        .fetch_optional(&mut **change)
        .await?;
        if let Some(row) = taken {
            let (consortium, name) = (row.try_get(0)?, row.try_get(2)?);
            return Ok(TakenUp::Accepted(Invited { consortium, role: role(&row, 1)?, name, expires_at: row.try_get(3)? }));
        }
        let row = sqlx::query("SELECT used_at FROM invitation WHERE hash = $1").bind(&hash[..]).fetch_optional(&mut **change).await?;
        Ok(match row {
            None => TakenUp::Unknown,
            Some(row) if row.try_get::<Option<i64>, _>(0)?.is_some() => TakenUp::Used,
            Some(_) => TakenUp::Expired,
        })
    }

    /// Enters a site or viewer under the hash of its token. A site gets the next place in the roster.
    pub(crate) async fn enrol(
        change: &mut Change,
        invited: &Invited,
        site: Option<(u16, &[u8])>,
        token: &TokenHash,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO participant (token_hash, consortium, role, site, name, identity, enrolled_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&token[..])
        .bind(&invited.consortium)
        .bind(role_name(invited.role))
        .bind(site.map(|(index, _)| i64::from(index)))
        .bind(&invited.name)
        .bind(site.map(|(_, identity)| identity.to_vec()))
        .bind(unix_now())
        .execute(&mut **change)
        .await?;
        Ok(())
    }

    /// A founding and the identities in its roster by index, from within a change that locks both until it ends.
    pub(crate) async fn roster(change: &mut Change, consortium: &str) -> Result<(NewConsortium, Vec<Vec<u8>>), sqlx::Error> {
        let row = sqlx::query("UPDATE consortium SET audit_length = audit_length WHERE id = $1 RETURNING founding")
            .bind(consortium)
            .fetch_one(&mut **change)
            .await?;
        let rows = sqlx::query("SELECT identity FROM participant WHERE consortium = $1 AND site IS NOT NULL ORDER BY site")
            .bind(consortium)
            .fetch_all(&mut **change)
            .await?;
        let identities: Result<_, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok((founding(&row)?, identities?))
    }
}
