//! Consortia and who takes part in them.

use federation::api::{NewConsortium, Role};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Change, Store, damaged, unix_now};
use crate::tokens::TokenHash;

/// A consortium as it was founded.
#[derive(Debug, Clone)]
pub(crate) struct Founded {
    /// With all rules filled in.
    pub(crate) founding: NewConsortium,
    /// Identities and names of the sites that have enrolled, by index.
    pub(crate) sites: Vec<Registered>,
}

/// A site in the roster.
#[derive(Debug, Clone)]
pub(crate) struct Registered {
    pub(crate) index: u16,
    pub(crate) name: String,
    pub(crate) identity: Vec<u8>,
}

/// The holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Participant {
    pub(crate) consortium: String,
    pub(crate) role: Role,
    /// Place in the roster; sites only.
    pub(crate) site: Option<u16>,
}

impl Store {
    /// Keeps a new consortium; `false` where its id is taken.
    pub(crate) async fn found(change: &mut Change, founding: &NewConsortium) -> Result<bool, sqlx::Error> {
        let text = serde_json::to_string(founding).map_err(|error| damaged("founding", error))?;
        let made = sqlx::query(
            "INSERT INTO consortium (id, founding, founded_at, audit_length, audit_head) VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING",
        )
        .bind(&founding.id)
        .bind(text)
        .bind(unix_now())
        .bind(Self::genesis())
        .execute(&mut **change)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    /// A consortium with the sites that have enrolled.
    pub(crate) async fn consortium(&self, id: &str) -> Result<Option<Founded>, sqlx::Error> {
        let row = sqlx::query("SELECT founding FROM consortium WHERE id = $1").bind(id).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let sites =
            sqlx::query("SELECT site, name, identity FROM participant WHERE consortium = $1 AND site IS NOT NULL ORDER BY site")
                .bind(id)
                .fetch_all(&self.pool)
                .await?;
        let sites: Result<_, _> = sites.iter().map(registered).collect();
        Ok(Some(Founded { founding: founding(&row)?, sites: sites? }))
    }

    /// The ids of all consortia.
    pub(crate) async fn consortium_ids(&self) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query("SELECT id FROM consortium ORDER BY id").fetch_all(&self.pool).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// The foundings of all consortia that learn a model's head.
    pub(crate) async fn consortia_of(change: &mut Change, model: &str) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query("SELECT founding FROM consortium ORDER BY id").fetch_all(&mut **change).await?;
        let foundings: Result<Vec<NewConsortium>, _> = rows.iter().map(founding).collect();
        Ok(foundings?.into_iter().filter(|founding| founding.model == model).map(|founding| founding.id).collect())
    }

    /// Who holds the token with this hash; it counts as used from now on.
    pub(crate) async fn participant(&self, token: &TokenHash) -> Result<Option<Participant>, sqlx::Error> {
        let row = sqlx::query("SELECT consortium, role, site, token_used FROM participant WHERE token_hash = $1")
            .bind(&token[..])
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<i64, _>(3)? == 0 {
            sqlx::query("UPDATE participant SET token_used = 1 WHERE token_hash = $1")
                .bind(&token[..])
                .execute(&self.pool)
                .await?;
        }
        Ok(Some(Participant { consortium: row.try_get(0)?, role: role(&row, 1)?, site: index(row.try_get(2)?)? }))
    }
}

pub(super) fn founding(row: &AnyRow) -> Result<NewConsortium, sqlx::Error> {
    let text: String = row.try_get(0)?;
    serde_json::from_str(&text).map_err(|error| damaged("founding", error))
}

fn registered(row: &AnyRow) -> Result<Registered, sqlx::Error> {
    let index = index(row.try_get(0)?)?.ok_or_else(|| damaged("roster", "a site has no index"))?;
    Ok(Registered { index, name: row.try_get(1)?, identity: row.try_get(2)? })
}

pub(super) fn index(value: Option<i64>) -> Result<Option<u16>, sqlx::Error> {
    value.map(|value| u16::try_from(value).map_err(|error| damaged("index of a site", error))).transpose()
}

/// Roles as they are stored.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Site => "site",
        Role::Viewer => "viewer",
    }
}

pub(super) fn role(row: &AnyRow, column: usize) -> Result<Role, sqlx::Error> {
    let name: String = row.try_get(column)?;
    let known = [Role::Admin, Role::Site, Role::Viewer].into_iter().find(|role| role_name(*role) == name);
    known.ok_or_else(|| damaged("role", name))
}
