//! Purification: what can be purified, jobs, their progress, their results.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;
use wire::limits::MAX_PURIFY_BYTES;

use super::auth::Admitted;
use super::body::WireBody;
use super::consortia::no_store;
use crate::problem::{Problem, ProblemBody};
use crate::purification::{Holder, JobView, Listening};
use crate::state::App;

/// Silence after which a comment is sent, so that proxies keep the stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Least time between two events of a job in the same state.
const BETWEEN_EVENTS: Duration = Duration::from_millis(100);

/// What this relay purifies, and with whom.
#[derive(Serialize, ToSchema)]
pub(super) struct PurifierList {
    purifiers: Vec<PurifierEntry>,
    /// Origins of the relays among which a page is to deal its tiles.
    relays: Vec<String>,
    /// `cpu`, or `gpu` and its name.
    device: String,
    limits: PurifierLimits,
}

/// A purifier and how it is meant to be used on relays.
#[derive(Serialize, ToSchema)]
pub(super) struct PurifierEntry {
    model: String,
    /// Of the purifier's file; its first eight bytes name it in a request.
    sha256: String,
    channels: usize,
    /// Side of a tile in pixels.
    tile: usize,
    /// Pixels from one tile to the next.
    stride: usize,
    /// Relays that share an image.
    relays: usize,
    /// The lowest noise level at which tiles should leave a device.
    min_t: u16,
    /// Steps of DDIM unless asked otherwise.
    steps: u8,
}

/// What a job may be.
#[derive(Serialize, ToSchema)]
pub(super) struct PurifierLimits {
    tiles_per_job: usize,
    /// Seconds that tiles and results are kept.
    ttl_s: u64,
}

/// A job that was taken in.
#[derive(Serialize, ToSchema)]
pub(super) struct JobEntry {
    /// Its public name, 32 hexadecimal digits.
    job: String,
    /// Its secret, shown once. With it come progress and result; the relay keeps only its hash.
    token: String,
    tiles: usize,
    /// Seconds until tiles that were not purified, or a result that was not fetched, are deleted.
    expires_s: u64,
}

/// Lists the purifiers.
#[utoipa::path(get, path = "/v1/purifiers", tag = "purification", responses((status = 200, body = PurifierList)))]
pub(super) async fn purifiers(State(app): State<Arc<App>>) -> impl IntoResponse {
    let purification = &app.purification;
    let loaded = app.zoo.iter().filter_map(|model| Some((model, model.purifier()?.0)));
    let entry = |(model, card): (&crate::zoo::Model, &models::PurifierCard)| PurifierEntry {
        model: model.id().to_owned(),
        sha256: card.sha256.clone(),
        channels: card.architecture.in_channels,
        tile: card.remote.tile,
        stride: card.remote.stride,
        relays: card.remote.relays,
        min_t: card.remote.min_t,
        steps: card.steps,
    };
    let list = PurifierList {
        purifiers: loaded.filter(|(_, card)| purification.has(&card.tag())).map(entry).collect(),
        relays: purification.config.relays.clone(),
        device: purification.device(),
        limits: PurifierLimits { tiles_per_job: purification.tiles_per_job(), ttl_s: purification.config.ttl_s },
    };
    ([(header::CACHE_CONTROL, "no-cache")], Json(list))
}

/// Takes noised tiles (a `purify request` message) to be purified when their turn comes. Sites take turns: a site's token may be sent, else the
/// client's address tells them apart.
#[utoipa::path(
    post, path = "/v1/purifications", tag = "purification", security((), ("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/vnd.veilsight.v1"),
    responses(
        (status = 202, body = JobEntry),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Admitted(site): Admitted,
    WireBody(bytes): WireBody<MAX_PURIFY_BYTES>,
) -> Result<impl IntoResponse, Problem> {
    let submitted = app.submit(site, &bytes).await?;
    let entry = JobEntry {
        job: submitted.id.to_string(),
        token: submitted.token.to_string(),
        tiles: submitted.tiles,
        expires_s: app.purification.config.ttl_s,
    };
    Ok((StatusCode::ACCEPTED, no_store(), Json(entry)))
}

/// How far a job is. One that a restart has interrupted goes on when this is asked.
#[utoipa::path(
    get, path = "/v1/purifications/{job}", tag = "purification", security(("token" = [])),
    params(("job" = String, Path, description = "Name of the job")),
    responses((status = 200, body = JobView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn view(State(app): State<Arc<App>>, holder: Holder) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(app.job_view(&holder).await?)))
}

/// Server-sent events: a `purification` event with the job's JSON now, and whenever it has changed; the stream ends with the work.
#[utoipa::path(
    get, path = "/v1/purifications/{job}/events", tag = "purification", security(("token" = [])),
    params(("job" = String, Path, description = "Name of the job")),
    responses(
        (status = 200, description = "`purification` events", content_type = "text/event-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(State(app): State<Arc<App>>, holder: Holder) -> Result<impl IntoResponse, Problem> {
    let listening = app.purification.events.listen().ok_or_else(|| Problem::busy(app.config.limits.retry_after_s))?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(tell(app, holder, listening, sender));
    Ok((no_store(), Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

/// The purified tiles (a `purify result` message). They are given once and then deleted.
#[utoipa::path(
    get, path = "/v1/purifications/{job}/result", tag = "purification", security(("token" = [])),
    params(("job" = String, Path, description = "Name of the job")),
    responses(
        (status = 200, description = "The purified tiles", content_type = "application/vnd.veilsight.v1"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn result(State(app): State<Arc<App>>, holder: Holder) -> Result<impl IntoResponse, Problem> {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(wire::MEDIA_TYPE));
    Ok(([kind], no_store(), app.take_result(&holder).await?))
}

/// Stops a job, whatever its state, and deletes its tiles and result.
#[utoipa::path(
    delete, path = "/v1/purifications/{job}", tag = "purification", security(("token" = [])),
    params(("job" = String, Path, description = "Name of the job")),
    responses(
        (status = 204, description = "Nothing is kept but that it was cancelled"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(State(app): State<Arc<App>>, holder: Holder) -> Result<impl IntoResponse, Problem> {
    app.cancel_job(&holder).await?;
    Ok((StatusCode::NO_CONTENT, no_store()))
}

/// Sends how far a job is when that has changed, until its work is over or nobody listens. Only another state is told at once: what is
/// ahead of a job changes with every pass, for all who wait.
async fn tell(app: Arc<App>, holder: Holder, mut listening: Listening, sender: mpsc::Sender<Result<Event, Infallible>>) {
    let (mut told, mut due) = (None::<JobView>, Instant::now());
    // An error ends the stream; who connects anew hears of it.
    while let Ok(view) = app.job_view(&holder).await {
        let over = !view.state.is_open();
        let changed = told.as_ref() != Some(&view);
        let urgent = told.as_ref().is_none_or(|told| told.state != view.state);
        let waits = changed && !urgent && Instant::now() < due;
        if changed && !waits {
            if sender.send(Ok(event(&view))).await.is_err() || over {
                return;
            }
            (told, due) = (Some(view), Instant::now() + BETWEEN_EVENTS);
        }
        tokio::select! {
            () = sender.closed() => return,
            more = listening.next() => if !more { return },
            () = tokio::time::sleep_until(due), if waits => {}
        }
    }
}

fn event(view: &JobView) -> Event {
    // A view always has a JSON form.
    Event::default().event("purification").data(serde_json::to_string(view).unwrap_or_default())
}
