//! The heads of a model: which there are, and which one answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use federation::audit::Actor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Administrator;
use super::consortia::no_store;
use super::handlers::Named;
use super::json::JsonBody;
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use crate::store::{Happening, Store};
use crate::zoo::{Model, Served};

/// The heads of a model.
#[derive(Serialize, ToSchema)]
pub(super) struct HeadList {
    /// Number of the head that answers now.
    active: u32,
    /// All heads, oldest first.
    versions: Vec<HeadEntry>,
}

/// One head.
#[derive(Serialize, ToSchema)]
pub(super) struct HeadEntry {
    /// 0 is the head that the pack ships.
    version: u32,
    /// Address of the card that belongs to it.
    card: String,
    /// SHA-256 of that card.
    card_sha256: String,
    /// The consortium that learned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    consortium: Option<String>,
    /// The round that it came of.
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<u64>,
    /// When, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    made_at: Option<i64>,
}

/// Which head shall answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Number of the head.
    version: u32,
}

/// Lists the heads of a model.
#[utoipa::path(
    get, path = "/v1/models/{id}/versions", tag = "federation",
    params(("id" = String, Path, description = "Name of the model")),
    responses((status = 200, body = HeadList), (status = 404, body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn list(State(app): State<Arc<App>>, Named(model): Named) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(app.head_list(&model).await?)))
}

/// Lets another head of a model answer, from the next request on: the way back after a publication.
#[utoipa::path(
    put, path = "/v1/models/{id}/active", tag = "federation", request_body = Choice, security(("token" = [])),
    params(("id" = String, Path, description = "Name of the model")),
    responses(
        (status = 200, body = HeadList),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn activate(
    State(app): State<Arc<App>>,
    Named(model): Named,
    _: Administrator,
    JsonBody(choice): JsonBody<Choice>,
) -> Result<impl IntoResponse, Problem> {
    // It must be usable, not only there.
    app.head_version(&model, choice.version).await?;
    let mut change = app.store.begin().await?;
    Store::set_active(&mut change, model.id(), choice.version).await?;
    for consortium in Store::consortia_of(&mut change, model.id()).await? {
        let happening = Happening { what: "head-chosen", actor: Actor::Admin, round: None, digest: None };
        Store::append(&mut change, &consortium, happening).await?;
    }
    change.commit().await?;
    app.refresh_heads().await;
    Ok((no_store(), Json(app.head_list(&model).await?)))
}

impl App {
    /// A head of a model by its number.
    ///
    /// # Errors
    /// 404 where there is none, or it does not fit the pack's encoder.
    pub(super) async fn head_version(&self, model: &Model, version: u32) -> Result<Arc<Served>, Problem> {
        let known = [model.served(), model.first()].into_iter().find(|served| served.version == version);
        if let Some(served) = known {
            return Ok(served);
        }
        let heads = self.store.heads(model.id()).await?;
        let stored = heads.iter().find(|stored| stored.version == version).ok_or_else(Problem::unknown_version)?;
        Served::restore(model, stored).map(Arc::new).map_err(|_| Problem::unknown_version())
    }

    async fn head_list(&self, model: &Model) -> Result<HeadList, Problem> {
        let entry = |version: u32, card_sha256: String| HeadEntry {
            version,
            card: format!("/v1/models/{}/card.json?head={version}", model.id()),
            card_sha256,
            consortium: None,
            round: None,
            made_at: None,
        };
        let mut versions = vec![entry(0, model.first().card_sha256.clone())];
        for stored in self.store.heads(model.id()).await? {
            // A head that cannot be used is listed with the card that was stored.
            let card = Served::restore_card(model, &stored).map_or_else(|_| stored.card.clone().into_bytes(), |(_, bytes)| bytes);
            let plain = entry(stored.version, models::pack::sha256_hex(&card));
            versions.push(HeadEntry {
                consortium: Some(stored.round.consortium),
                round: Some(stored.round.number),
                made_at: Some(stored.made_at),
                ..plain
            });
        }
        Ok(HeadList { active: model.served().version, versions })
    }
}
