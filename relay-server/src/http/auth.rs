//! Who may call what: the bearer token, and the consortium that the address names.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use federation::api::Role;

use crate::client::ClientId;
use crate::problem::Problem;
use crate::purification::{Holder, JobId};
use crate::state::App;
use crate::store::RoundId;
use crate::tokens::{TokenKind, hash, same};

/// The administrator of this relay.
pub(super) struct Administrator;

/// Somebody who takes part in the consortium that the address names, or the administrator.
pub(super) struct Member {
    pub(super) role: Role,
    site: Option<u16>,
    pub(super) consortium: String,
}

/// A member, and a round of its consortium that exists.
pub(super) struct InRound {
    pub(super) member: Member,
    pub(super) id: RoundId,
}

impl Member {
    /// The caller's place in the roster.
    ///
    /// # Errors
    /// 403 for all but sites.
    pub(super) fn site(&self) -> Result<u16, Problem> {
        self.site.ok_or_else(|| Problem::wrong_role("a site"))
    }

    /// # Errors
    /// 403 for all but the administrator.
    pub(super) fn administrator(&self) -> Result<(), Problem> {
        if self.role == Role::Admin { Ok(()) } else { Err(Problem::wrong_role("the administrator")) }
    }

    /// # Errors
    /// 403 for sites.
    pub(super) fn overseer(&self) -> Result<(), Problem> {
        if self.role == Role::Site { Err(Problem::wrong_role("the administrator or a viewer")) } else { Ok(()) }
    }
}

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if app.config.federation.admin_token_sha256.is_none() {
            return Err(Problem::no_administrator());
        }
        let token = bearer(&parts.headers)?;
        match TokenKind::of(token) {
            Some(TokenKind::Admin) if is_administrator(app, token) => Ok(Self),
            Some(TokenKind::Site | TokenKind::Viewer) if app.store.participant(&hash(token)).await?.is_some() => {
                Err(Problem::wrong_role("the administrator"))
            }
            _ => Err(Problem::unauthorised()),
        }
    }
}

impl FromRequestParts<Arc<App>> for Member {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let consortium = place(parts, app).await.remove("id").unwrap_or_default();
        let token = bearer(&parts.headers)?;
        if is_administrator(app, token) {
            app.founded(&consortium).await?;
            return Ok(Self { role: Role::Admin, site: None, consortium });
        }
        if !matches!(TokenKind::of(token), Some(TokenKind::Site | TokenKind::Viewer)) {
            return Err(Problem::unauthorised());
        }
        let participant = app.store.participant(&hash(token)).await?.ok_or_else(Problem::unauthorised)?;
        // Whether there is another consortium of this name is none of this caller's business.
        if participant.consortium != consortium {
            return Err(Problem::unknown_consortium());
        }
        Ok(Self { role: participant.role, site: participant.site, consortium })
    }
}

impl FromRequestParts<Arc<App>> for InRound {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let member = Member::from_request_parts(parts, app).await?;
        let number = place(parts, app).await.get("number").and_then(|text| text.parse().ok());
        let id = RoundId { consortium: member.consortium.clone(), number: number.ok_or_else(Problem::unknown_round)? };
        app.round_row(&id).await?;
        Ok(Self { member, id })
    }
}

/// The named parts of the address; none where they are no text.
async fn place(parts: &mut Parts, app: &Arc<App>) -> HashMap<String, String> {
    let named: Result<Path<HashMap<String, String>>, _> = Path::from_request_parts(parts, app).await;
    named.map(|Path(named)| named).unwrap_or_default()
}

/// Which consortia the holder of a token may see: all, or one.
pub(super) enum Sight {
    All,
    One(String),
}

impl FromRequestParts<Arc<App>> for Sight {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?;
        if is_administrator(app, token) {
            return Ok(Self::All);
        }
        let participant = app.store.participant(&hash(token)).await?.ok_or_else(Problem::unauthorised)?;
        Ok(Self::One(participant.consortium))
    }
}

/// Whom a purification counts for: the site whose token is sent, else the client's address. It has room for another job.
pub(super) struct Admitted(pub(super) ClientId);

impl FromRequestParts<Arc<App>> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let site = match parts.headers.contains_key(header::AUTHORIZATION) {
            true => site_of(app, bearer(&parts.headers)?).await?,
            // Every POST has its client.
            false => *parts.extensions.get().ok_or_else(Problem::internal)?,
        };
        app.admit(site).await?;
        Ok(Self(site))
    }
}

/// A site by the beginning of its token's hash.
async fn site_of(app: &App, token: &str) -> Result<ClientId, Problem> {
    let hash = hash(token);
    let participant = app.store.participant(&hash).await?.filter(|participant| participant.role == Role::Site);
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    participant.map(|_| ClientId(id)).ok_or_else(Problem::unauthorised)
}

impl FromRequestParts<Arc<App>> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?.to_owned();
        let id = place(parts, app).await.remove("job").and_then(|name| JobId::parse(&name));
        app.job_holder(id.ok_or_else(Problem::unknown_job)?, &token).await
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or_else(Problem::unauthorised)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Problem::unauthorised()) }
}

fn is_administrator(app: &App, token: &str) -> bool {
    let mut configured = [0; 32];
    let digits = app.config.federation.admin_token_sha256.as_deref();
    let known = digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut configured).is_ok());
    known && TokenKind::of(token) == Some(TokenKind::Admin) && same(&configured, &hash(token))
}
