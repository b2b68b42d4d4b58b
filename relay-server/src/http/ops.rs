//! For operators: is it alive, is it ready, what does it count, what can it do.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics::Now;
use crate::state::App;

/// Whether the relay can answer inferences.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    /// What is missing, a sentence each.
    reasons: Vec<String>,
    purification: PurificationNow,
}

/// What purifies, and how much there is to do.
#[derive(Serialize, ToSchema)]
pub(super) struct PurificationNow {
    /// `cpu`, or `gpu` and its name.
    device: String,
    /// Tiles in the queue.
    waiting_tiles: usize,
    /// Tiles in the batch.
    working_tiles: usize,
}

/// The API's description as JSON text.
#[derive(Clone)]
pub(super) struct Document(pub(super) Arc<str>);

/// Whether the relay runs.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "alive\n")
}

/// Whether the relay can answer inferences, and if not, why.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> impl IntoResponse {
    let reasons = app.reasons_not_ready().await;
    let ready = reasons.is_empty();
    let (waiting_tiles, working_tiles) = app.purification.tiles();
    let purification = PurificationNow { device: app.purification.device(), waiting_tiles, working_tiles };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(Readiness { ready, reasons, purification }))
}

/// Counters and times in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (waiting_tiles, working_tiles) = app.purification.tiles();
    let text = app.metrics.render(&Now {
        sessions: app.sessions.sweep(Instant::now()),
        jobs: app.workers.jobs(),
        waiting_tiles,
        working_tiles,
        device: app.purification.device(),
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4"), (header::CACHE_CONTROL, "no-store")], text)
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses((status = 200, description = "An OpenAPI 3.1 document", content_type = "application/json")))]
pub(super) async fn openapi(Extension(document): Extension<Document>) -> impl IntoResponse {
    let head = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (head, document.0.to_string())
}
