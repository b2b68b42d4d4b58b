//! Rounds: beginning, looking, ending a state early, messages of sites, results, events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use federation::api::{NewRound, Round, RoundResult, RoundState};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

use super::auth::{InRound, Member};
use super::consortia::no_store;
use super::json::JsonBody;
use crate::problem::{Problem, ProblemBody};
use crate::rounds::{Change, Intake, Listening};
use crate::state::App;
use crate::store::{Kind, WHOLE_ROUND};

/// Silence after which a comment is sent, so that proxies keep the stream open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Begins a round.
#[utoipa::path(
    post, path = "/v1/consortia/{id}/rounds", tag = "federation", request_body = NewRound, security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium")),
    responses((status = 201, body = Round), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    member: Member,
    JsonBody(new): JsonBody<NewRound>,
) -> Result<impl IntoResponse, Problem> {
    member.administrator()?;
    let id = app.begin_round(&member.consortium, new).await?;
    let round = app.shown_round(&id).await?;
    app.rounds.events.announce(&id.consortium, round.clone());
    Ok((StatusCode::CREATED, no_store(), Json(round)))
}

/// All rounds of a consortium, oldest first.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/rounds", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium")),
    responses((status = 200, body = Vec<Round>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn list(State(app): State<Arc<App>>, member: Member) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(app.shown_rounds(&member.consortium).await?)))
}

/// One round.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/rounds/{number}", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses((status = 200, body = Round), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn one(State(app): State<Arc<App>>, InRound { id, .. }: InRound) -> Result<impl IntoResponse, Problem> {
    app.settle_if_due(&id).await?;
    Ok((no_store(), Json(app.shown_round(&id).await?)))
}

/// Ends the present state of a round without waiting for its deadline, where enough is there.
#[utoipa::path(
    post, path = "/v1/consortia/{id}/rounds/{number}/close", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses((status = 200, body = Round), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn close(State(app): State<Arc<App>>, InRound { member, id }: InRound) -> Result<impl IntoResponse, Problem> {
    member.administrator()?;
    app.settle(&id, true).await?;
    Ok((no_store(), Json(app.shown_round(&id).await?)))
}

/// Takes a site's contribution: 201 the first time, 200 for the very same bytes again.
#[utoipa::path(
    put, path = "/v1/consortia/{id}/rounds/{number}/contribution", tag = "federation", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses(
        (status = 200, description = "The same contribution was there already"),
        (status = 201, description = "The contribution is kept"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn contribute(
    State(app): State<Arc<App>>,
    place: InRound,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&app, &place, Kind::Contribution, &headers, body).await
}

/// What a site is to confirm: the set of contributions, and the shares for this site.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/rounds/{number}/delivery", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses(
        (status = 200, description = "The delivery", content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delivery(State(app): State<Arc<App>>, place: InRound) -> Result<Response, Problem> {
    let site = place.member.site()?;
    give(&app, &place, Kind::Delivery, i64::from(site)).await
}

/// Takes a site's confirmation of the set: 201 the first time, 200 for the very same bytes again.
#[utoipa::path(
    post, path = "/v1/consortia/{id}/rounds/{number}/confirmation", tag = "federation", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses(
        (status = 200, description = "The same confirmation was there already"),
        (status = 201, description = "The confirmation is kept"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    place: InRound,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&app, &place, Kind::Confirmation, &headers, body).await
}

/// The certificate: a quorum of members has confirmed the set.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/rounds/{number}/certificate", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses(
        (status = 200, description = "The certificate", content_type = "application/octet-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn certificate(State(app): State<Arc<App>>, place: InRound) -> Result<Response, Problem> {
    place.member.site()?;
    give(&app, &place, Kind::Certificate, WHOLE_ROUND).await
}

/// Takes a site's answer, its part of the opening: 201 the first time, 200 for the very same bytes again.
#[utoipa::path(
    post, path = "/v1/consortia/{id}/rounds/{number}/answer", tag = "federation", security(("token" = [])),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses(
        (status = 200, description = "The same answer was there already"),
        (status = 201, description = "The answer is kept"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    place: InRound,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(&app, &place, Kind::Answer, &headers, body).await
}

/// The opened sum.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/rounds/{number}/result", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium"), ("number" = u64, Path, description = "Number of the round")),
    responses((status = 200, body = RoundResult), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn result(State(app): State<Arc<App>>, InRound { id, .. }: InRound) -> Result<impl IntoResponse, Problem> {
    app.settle_if_due(&id).await?;
    let row = app.round_row(&id).await?;
    let bytes = match (row.state, app.store.message(&id, Kind::Sum, WHOLE_ROUND).await?) {
        (RoundState::Opened, Some(bytes)) => bytes,
        (state, _) if state.is_final() => return Err(Problem::stale_round(state)),
        (state, _) => return Err(Problem::too_early(state)),
    };
    let sum = bytes.as_chunks::<8>().0.iter().map(|value| i64::from_le_bytes(*value)).collect();
    let cohort = app.store.senders(&id, Kind::Contribution).await?;
    Ok((no_store(), Json(RoundResult { cohort, sum })))
}

/// Server-sent events: a `round` event with the round's JSON for each round that is not over, for the latest one, and after each change.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/events", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium")),
    responses(
        (status = 200, description = "`round` events", content_type = "text/event-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(State(app): State<Arc<App>>, member: Member) -> Result<impl IntoResponse, Problem> {
    // Listening begins before the rounds are read, so that no change falls between.
    let listening = app.rounds.events.listen().ok_or_else(|| Problem::busy(app.config.limits.retry_after_s))?;
    let rounds = app.shown_rounds(&member.consortium).await?;
    let latest = rounds.last().map(|round| round.number);
    let now: Vec<_> = rounds.iter().filter(|round| !round.state.is_final() || Some(round.number) == latest).map(event).collect();
    let stream = tokio_stream::iter(now).chain(changes(listening, member.consortium));
    Ok((no_store(), Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

fn changes(listening: Listening, consortium: String) -> impl Stream<Item = Result<Event, Infallible>> {
    let Listening { changes, place } = listening;
    // Who falls too far behind is cut off, and sees everything anew when it connects again.
    let whole = BroadcastStream::new(changes).take_while(Result::is_ok).filter_map(Result::ok);
    whole.filter_map(move |Change { consortium: of, round }| {
        // The place is given back when the stream ends.
        let _held = &place;
        (*of == *consortium).then(|| event(&round))
    })
}

fn event(round: &Round) -> Result<Event, Infallible> {
    // A round always has a JSON form.
    Ok(Event::default().event("round").data(serde_json::to_string(round).unwrap_or_default()))
}

async fn take(app: &Arc<App>, place: &InRound, kind: Kind, headers: &HeaderMap, body: Body) -> Result<Response, Problem> {
    let site = place.member.site()?;
    let status = match app.take(&place.id, kind, site, headers, body).await? {
        Intake::Stored => StatusCode::CREATED,
        Intake::Known => StatusCode::OK,
    };
    Ok((status, no_store()).into_response())
}

async fn give(app: &App, place: &InRound, kind: Kind, site: i64) -> Result<Response, Problem> {
    app.settle_if_due(&place.id).await?;
    let Some(bytes) = app.store.message(&place.id, kind, site).await? else {
        let state = app.round_row(&place.id).await?.state;
        return Err(if state.is_final() { Problem::stale_round(state) } else { Problem::too_early(state) });
    };
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(([kind], no_store(), bytes).into_response())
}
