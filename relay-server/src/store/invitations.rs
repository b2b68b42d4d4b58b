//! Invitations: each is taken up once, or ends.

use federation::api::{NewConsortium, Role};
use sqlx::Row;

use super::consortia::{founding, index, role, role_name};
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

/// Somebody who enrols.
pub(crate) struct Enrolling<'a> {
    pub(crate) invited: &'a Invited,
    /// Hash of the invitation.
    pub(crate) invitation: &'a TokenHash,
    /// Hash of the new token.
    pub(crate) token: &'a TokenHash,
    /// Place in the roster and identity; sites only.
    pub(crate) site: Option<(u16, &'a [u8])>,
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
        let row =
            sqlx::query("SELECT used_at FROM invitation WHERE hash = $1").bind(&hash[..]).fetch_optional(&mut **change).await?;
        Ok(match row {
            None => TakenUp::Unknown,
            Some(row) if row.try_get::<Option<i64>, _>(0)?.is_some() => TakenUp::Used,
            Some(_) => TakenUp::Expired,
        })
    }

    /// Enters a site or viewer under the hash of its token.
    pub(crate) async fn enrol(change: &mut Change, enrolling: &Enrolling<'_>) -> Result<(), sqlx::Error> {
        let Enrolling { invited, invitation, token, site } = enrolling;
        sqlx::query(
            "INSERT INTO participant (token_hash, consortium, role, site, name, identity, invitation, enrolled_at, token_used)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
        )
        .bind(&token[..])
        .bind(&invited.consortium)
        .bind(role_name(invited.role))
        .bind(site.map(|(index, _)| i64::from(index)))
        .bind(&invited.name)
        .bind(site.map(|(_, identity)| identity.to_vec()))
        .bind(&invitation[..])
        .bind(unix_now())
        .execute(&mut **change)
        .await?;
        Ok(())
    }

    /// Gives a site that enrolled another token, if its first was never used: the answer that held it was lost, most likely. Gives
    /// consortium and place; nothing where the token was used or the identity is another.
    pub(crate) async fn enrol_again(
        change: &mut Change,
        invitation: &TokenHash,
        identity: &[u8],
        token: &TokenHash,
    ) -> Result<Option<(String, u16)>, sqlx::Error> {
        let row = sqlx::query(
            "UPDATE participant SET token_hash = $3 WHERE invitation = $1 AND identity = $2 AND token_used = 0 RETURNING consortium, site",
        )
        .bind(&invitation[..])
        .bind(identity)
        .bind(&token[..])
        .fetch_optional(&mut **change)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let site = index(row.try_get(1)?)?;
        site.map(|site| Ok((row.try_get(0)?, site))).transpose()
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
