//! The API: models, sessions, inferences.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use wire::{InferRequest, Kind, SessionKey};

use super::body::WireBody;
use super::{BUDGET_LEFT, CARD};
use crate::answer::{PARAMETERS, prepare};
use crate::client::ClientId;
use crate::problem::{Problem, ProblemBody};
use crate::state::App;
use crate::weights::Weights;
use crate::zoo::{Model, Served, file_version};

const SESSION_LIMIT: usize = wire::limits::HEADER_BYTES + Kind::SessionKey.max_payload_bytes();
const INFER_LIMIT: usize = wire::limits::HEADER_BYTES + Kind::InferRequest.max_payload_bytes();

/// The models of this relay.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelList {
    /// Version of the protocol between client and relay.
    protocol: u8,
    models: Vec<ModelEntry>,
}

/// What a client needs to fetch a model.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelEntry {
    id: String,
    title: String,
    version: String,
    classes: Vec<ClassEntry>,
    /// Address of the model card.
    card: String,
    encoder: FileEntry,
    /// The detector, where the model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    detector: Option<FileEntry>,
    /// The purifier, where the model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    purifier: Option<FileEntry>,
    /// Name of the encryption parameters.
    parameters: &'static str,
}

/// A class in the order of the logits.
#[derive(Serialize, ToSchema)]
pub(super) struct ClassEntry {
    id: String,
    label: String,
}

/// A file of a model.
#[derive(Serialize, ToSchema)]
pub(super) struct FileEntry {
    /// Address, which changes with the content.
    url: String,
    sha256: String,
    bytes: u64,
}

/// A new session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionEntry {
    /// The session's name: 32 hexadecimal digits, 16 bytes in an infer request.
    session: String,
    /// Seconds until it ends.
    expires_in_s: u64,
}

/// The version of a file in its address.
#[derive(Deserialize, IntoParams)]
pub(super) struct FileVersion {
    /// First 16 digits of the file's SHA-256; with it the answer may be kept for ever.
    v: Option<String>,
}

impl From<&Model> for ModelEntry {
    fn from(model: &Model) -> Self {
        let (id, served) = (model.id(), model.served());
        let card = &served.card;
        let class = |class: &models::card::Class| ClassEntry { id: class.id.clone(), label: class.label.clone() };
        Self {
            id: id.to_owned(),
            title: card.title.clone(),
            version: card.version.clone(),
            classes: card.classes.iter().map(class).collect(),
            card: format!("/v1/models/{id}/card.json"),
            encoder: FileEntry::new(id, "encoder.safetensors", &card.encoder.sha256, card.encoder.bytes),
            detector: model.detector().map(|(card, _)| FileEntry::new(id, "detector", &card.sha256, card.bytes)),
            purifier: model.purifier().map(|(card, _)| FileEntry::new(id, "purifier", &card.sha256, card.bytes)),
            parameters: PARAMETERS.name(),
        }
    }
}

impl FileEntry {
    fn new(model: &str, name: &str, sha256: &str, bytes: u64) -> Self {
        let url = format!("/v1/models/{model}/{name}?v={}", file_version(sha256));
        Self { url, sha256: sha256.to_owned(), bytes }
    }
}

/// The model that a path names.
pub(super) struct Named(pub(super) Arc<Model>);

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let id: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, app).await;
        let model = id.ok().and_then(|Path(id)| app.zoo.get(&id));
        model.map(Self).ok_or_else(Problem::unknown_model)
    }
}

/// Lists the models.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, body = ModelList)))]
pub(super) async fn list_models(State(app): State<Arc<App>>) -> impl IntoResponse {
    let list = ModelList { protocol: wire::VERSION, models: app.zoo.iter().map(ModelEntry::from).collect() };
    ([(header::CACHE_CONTROL, "no-cache")], Json(list))
}

/// The version of a head in the address of its card.
#[derive(Deserialize, IntoParams)]
pub(super) struct HeadVersion {
    /// Number of the head; without it the card of the head that answers now.
    head: Option<u32>,
}

/// The card of a model, whose calibration belongs to the head that answers now, or to the one asked for.
#[utoipa::path(
    get,
    path = "/v1/models/{id}/card.json",
    tag = "models",
    params(("id" = String, Path, description = "Name of the model"), HeadVersion),
    responses(
        (status = 200, description = "The model card", content_type = "application/json"),
        (status = 304, description = "The card that the client has is current"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn card(
    State(app): State<Arc<App>>,
    Named(model): Named,
    version: Result<Query<HeadVersion>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = version.map_err(|_| Problem::unknown_version())?.0.head;
    let served = match version {
        Some(version) => app.head_version(&model, version).await?,
        None => model.served(),
    };
    Ok(file(&headers, &served.card_sha256, "no-cache", "application/json", &served.card_bytes))
}

/// The encoder of a model. The head has no address.
#[utoipa::path(
    get,
    path = "/v1/models/{id}/encoder.safetensors",
    tag = "models",
    params(("id" = String, Path, description = "Name of the model"), FileVersion),
    responses(
        (status = 200, description = "The encoder's weights", content_type = "application/octet-stream"),
        (status = 304, description = "The encoder that the client has is current"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn encoder(
    Named(model): Named,
    version: Result<Query<FileVersion>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    weights(&headers, version, &model.shipped.encoder.sha256, &model.encoder)
}

/// The detector of a model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}/detector",
    tag = "models",
    params(("id" = String, Path, description = "Name of the model"), FileVersion),
    responses(
        (status = 200, description = "The detector's weights", content_type = "application/octet-stream"),
        (status = 304, description = "The detector that the client has is current"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn detector(
    Named(model): Named,
    version: Result<Query<FileVersion>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (card, file) = model.detector().ok_or_else(Problem::no_detector)?;
    Ok(weights(&headers, version, &card.sha256, file))
}

/// The purifier of a model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}/purifier",
    tag = "models",
    params(("id" = String, Path, description = "Name of the model"), FileVersion),
    responses(
        (status = 200, description = "The purifier's weights", content_type = "application/octet-stream"),
        (status = 304, description = "The purifier that the client has is current"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn purifier(
    Named(model): Named,
    version: Result<Query<FileVersion>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (card, file) = model.purifier().ok_or_else(Problem::no_purifier)?;
    Ok(weights(&headers, version, &card.sha256, file))
}

/// A file of weights; with its version in the address it may be kept for ever.
fn weights(headers: &HeaderMap, version: Result<Query<FileVersion>, QueryRejection>, sha256: &str, file: &Weights) -> Response {
    let current = version.is_ok_and(|Query(version)| version.v.as_deref() == Some(file_version(sha256)));
    let caching = if current { "public, max-age=31536000, immutable" } else { "no-cache" };
    let (bytes, gzip) = file.for_request(headers);
    let mut response = self::file(headers, sha256, caching, "application/octet-stream", &bytes);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip && response.status() == StatusCode::OK {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        // The entity tag is of the file; the same file in another encoding may only carry it as a weak one.
        if let Ok(tag) = HeaderValue::try_from(format!("W/\"{sha256}\"")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
    }
    response
}

/// Makes a session from a client's public key (a `session key` message of the wire protocol).
#[utoipa::path(
    post,
    path = "/v1/sessions",
    tag = "inference",
    request_body(content = Vec<u8>, content_type = "application/vnd.veilsight.v1"),
    responses(
        (status = 201, body = SessionEntry),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn make_session(
    State(app): State<Arc<App>>,
    Extension(client): Extension<ClientId>,
    WireBody(bytes): WireBody<SESSION_LIMIT>,
) -> Result<impl IntoResponse, Problem> {
    let message = SessionKey::decode(&bytes)?;
    let key = app.workers.place()?.run(move || prepare(&message)).await??;
    let id = app.sessions.make(client, key, Instant::now()).map_err(|error| {
        tracing::error!(%error, "no session can be made");
        Problem::internal()
    })?;
    let entry = SessionEntry { session: hex::encode(id), expires_in_s: app.config.sessions.ttl_s };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(entry)))
}

/// Answers a sealed token (an `infer request` message) with encrypted logits (an `infer answer` message). With `If-Match`, only by the
/// head whose card has this entity tag: a client that holds an older card is told so (412) before anything is counted.
#[utoipa::path(
    post,
    path = "/v1/models/{id}/infer",
    tag = "inference",
    params(("id" = String, Path, description = "Name of the model")),
    request_body(content = Vec<u8>, content_type = "application/vnd.veilsight.v1"),
    responses(
        (
            status = 200,
            description = "Encrypted logits",
            content_type = "application/vnd.veilsight.v1",
            headers(
                ("x-veilsight-budget-left" = u32, description = "Answers left to this client in the window"),
                ("x-veilsight-card" = String, description = "SHA-256 of the card whose calibration belongs to this answer"),
            ),
        ),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn infer(
    State(app): State<Arc<App>>,
    Extension(client): Extension<ClientId>,
    Named(model): Named,
    headers: HeaderMap,
    WireBody(bytes): WireBody<INFER_LIMIT>,
) -> Result<Response, Problem> {
    let request = InferRequest::decode(&bytes)?;
    if *request.encoder() != model.shipped.encoder_tag() {
        return Err(Problem::wrong_encoder());
    }
    // One head for the whole request, whatever is published meanwhile.
    let served = model.served();
    check_card(&headers, &served)?;
    let token = served.head.token(&request)?;
    let key = app.sessions.get(request.session(), Instant::now()).ok_or_else(Problem::unknown_session)?;
    // First the place, then the charge: a refusal for load costs the client nothing.
    let place = app.workers.place()?;
    let left = app.budget.charge(&app.store, client, model.id()).await?;
    let answering = Arc::clone(&served);
    let job = move || {
        let start = Instant::now();
        (answering.head.make_answer(&token, &key), start.elapsed())
    };
    let (answer, elapsed) = place.run(job).await?;
    app.metrics.inferred(model.id(), elapsed);
    Ok(sealed(answer?, &served, left))
}

fn check_card(headers: &HeaderMap, served: &Served) -> Result<(), Problem> {
    let Some(wanted) = headers.get(header::IF_MATCH) else { return Ok(()) };
    let mut wanted = wanted.to_str().unwrap_or_default().split(',').map(|tag| tag.trim().trim_matches('"'));
    if wanted.any(|tag| tag == "*" || tag == served.card_sha256) { Ok(()) } else { Err(Problem::stale_card()) }
}

fn sealed(answer: Vec<u8>, served: &Served, left: Option<u32>) -> Response {
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static(wire::MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (fixed, answer).into_response();
    if let Ok(card) = HeaderValue::from_str(&served.card_sha256) {
        response.headers_mut().insert(CARD, card);
    }
    if let Some(left) = left {
        response.headers_mut().insert(BUDGET_LEFT, HeaderValue::from(left));
    }
    response
}

/// A file in memory whose SHA-256 is its entity tag.
fn file(headers: &HeaderMap, sha256: &str, caching: &'static str, kind: &'static str, bytes: &Bytes) -> Response {
    let tag = format!("\"{sha256}\"");
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(|value| value.trim().trim_start_matches("W/"));
    let current = known.into_iter().any(|value| value == tag || value == "*");
    let head = [(header::ETAG, tag), (header::CACHE_CONTROL, caching.to_owned())];
    if current {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(header::CONTENT_TYPE, kind)], bytes.clone()).into_response()
}
