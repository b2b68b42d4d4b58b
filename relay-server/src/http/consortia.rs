//! Consortia: founding, inviting, enrolling, looking, the audit log.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use federation::api::{Consortium, Enrolled, Enrolment, Invitation, NewConsortium, NewInvitation};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::auth::{Administrator, Member, Sight};
use super::json::JsonBody;
use crate::problem::{Problem, ProblemBody};
use crate::state::App;

/// Lines of the audit log that are read at a time.
const AUDIT_PAGE: i64 = 500;

/// Founds a consortium. Rules that are left out are recommended ones.
#[utoipa::path(
    post, path = "/v1/consortia", tag = "federation", request_body = NewConsortium, security(("token" = [])),
    responses(
        (status = 201, body = Consortium),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn found(
    State(app): State<Arc<App>>,
    _: Administrator,
    JsonBody(founding): JsonBody<NewConsortium>,
) -> Result<impl IntoResponse, Problem> {
    let id = founding.id.clone();
    app.found(founding).await?;
    Ok((StatusCode::CREATED, no_store(), Json(app.shown(&app.founded(&id).await?)?)))
}

/// Lists the consortia that the holder of the token may see.
#[utoipa::path(
    get, path = "/v1/consortia", tag = "federation", security(("token" = [])),
    responses((status = 200, body = Vec<Consortium>), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn list(State(app): State<Arc<App>>, sight: Sight) -> Result<impl IntoResponse, Problem> {
    let ids = match sight {
        Sight::All => app.store.consortium_ids().await?,
        Sight::One(id) => vec![id],
    };
    let mut all = Vec::new();
    for id in ids {
        all.push(app.shown(&app.founded(&id).await?)?);
    }
    Ok((no_store(), Json(all)))
}

/// One consortium: rules, roster, digest.
#[utoipa::path(
    get, path = "/v1/consortia/{id}", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium")),
    responses((status = 200, body = Consortium), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn one(State(app): State<Arc<App>>, member: Member) -> Result<impl IntoResponse, Problem> {
    Ok((no_store(), Json(app.shown(&app.founded(&member.consortium).await?)?)))
}

/// Makes a one-time invitation for a site or a viewer. It is shown once.
#[utoipa::path(
    post, path = "/v1/consortia/{id}/invitations", tag = "federation", request_body = NewInvitation, security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium")),
    responses((status = 201, body = Invitation), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    member: Member,
    JsonBody(new): JsonBody<NewInvitation>,
) -> Result<impl IntoResponse, Problem> {
    member.administrator()?;
    Ok((StatusCode::CREATED, no_store(), Json(app.invite(&member.consortium, &new).await?)))
}

/// Takes up an invitation, which is the credential. The token in the answer is shown once.
#[utoipa::path(
    post, path = "/v1/enrolments", tag = "federation", request_body = Enrolment,
    responses((status = 201, body = Enrolled), (status = "4XX", body = ProblemBody, content_type = "application/problem+json"))
)]
pub(super) async fn enrol(
    State(app): State<Arc<App>>,
    JsonBody(enrolment): JsonBody<Enrolment>,
) -> Result<impl IntoResponse, Problem> {
    Ok((StatusCode::CREATED, no_store(), Json(app.enrol(&enrolment).await?)))
}

/// The audit log, a JSON object a line; `cargo lab audit verify` checks it.
#[utoipa::path(
    get, path = "/v1/consortia/{id}/audit", tag = "federation", security(("token" = [])),
    params(("id" = String, Path, description = "Id of the consortium")),
    responses(
        (status = 200, description = "One entry a line, each with the hash of the one before", content_type = "application/x-ndjson"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn audit(State(app): State<Arc<App>>, member: Member) -> Result<Response, Problem> {
    member.overseer()?;
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(send_lines(app, member.consortium, sender));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(([kind], no_store(), Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

/// Sends the log page by page, as fast as it is read. An error breaks the answer off, so that no half log looks whole.
async fn send_lines(app: Arc<App>, consortium: String, sender: mpsc::Sender<Result<Bytes, sqlx::Error>>) {
    let mut after = 0;
    loop {
        let page = match app.store.audit_lines(&consortium, after, AUDIT_PAGE).await {
            Ok(lines) if lines.is_empty() => return,
            Ok(lines) => Ok(Bytes::from(lines.join("\n") + "\n")),
            Err(error) => Err(error),
        };
        let broken = page.is_err();
        if sender.send(page).await.is_err() || broken {
            return;
        }
        after += AUDIT_PAGE;
    }
}

pub(super) fn no_store() -> [(header::HeaderName, HeaderValue); 1] {
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]
}
