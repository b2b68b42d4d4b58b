//! Errors as `application/problem+json` (RFC 9457): what is wrong and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use wire::WireError;

use crate::http::request_id;

/// What an error answer holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// A name of the kind of problem that stays the same, for example `urn:veilsight:unknown-session`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// The name of this request in the relay's log.
    pub request_id: String,
}

/// A request that cannot be answered.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: String,
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, slug, title, detail: detail.into(), retry_after_s: None }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    pub(crate) fn not_found() -> Self {
        let detail = "There is nothing at this address; /openapi.json lists what there is.";
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "This address takes another method; /openapi.json says which.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
    }

    pub(crate) fn unknown_model() -> Self {
        let detail = "The relay has no model of this name; /v1/models lists those it has.";
        Self::new(StatusCode::NOT_FOUND, "unknown-model", "Unknown model", detail)
    }

    pub(crate) fn no_detector() -> Self {
        let detail = "This model comes without a detector; encode the image without one, as the model card says.";
        Self::new(StatusCode::NOT_FOUND, "no-detector", "No detector", detail)
    }

    pub(crate) fn unknown_session() -> Self {
        let detail = "The session has ended or the relay was restarted; make a new one with POST /v1/sessions.";
        Self::new(StatusCode::NOT_FOUND, "unknown-session", "Unknown session", detail)
    }

    pub(crate) fn wrong_encoder() -> Self {
        let detail = "The token was made by another encoder than this model's; load the model again and encode anew.";
        Self::new(StatusCode::CONFLICT, "wrong-encoder", "Wrong encoder", detail)
    }

    pub(crate) fn wrong_parameters() -> Self {
        let detail = "The message names other encryption parameters than the relay uses; update the client.";
        Self::new(StatusCode::BAD_REQUEST, "wrong-parameters", "Wrong parameters", detail)
    }

    pub(crate) fn wrong_message(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong-message", "Wrong message", detail)
    }

    pub(crate) fn wrong_media_type() -> Self {
        let detail = format!("Send the message with `content-type: {}`.", wire::MEDIA_TYPE);
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-media-type", "Wrong media type", detail)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("The message is longer than the {limit} bytes that are read here.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Message too large", detail)
    }

    pub(crate) fn body_timeout() -> Self {
        let detail = "The message did not arrive in time; send it again over a better connection.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", "Message too slow", detail)
    }

    pub(crate) fn busy(retry_after_s: u64) -> Self {
        let detail = "The relay has more requests than it can work on; try again after the time in Retry-After.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", detail).retry_after(retry_after_s)
    }

    pub(crate) fn timeout(retry_after_s: u64) -> Self {
        let detail = "The relay did not finish in time; try again after the time in Retry-After.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "Took too long", detail).retry_after(retry_after_s)
    }

    pub(crate) fn too_many_requests(retry_after_s: u64) -> Self {
        let detail = "Too many requests came from this client; try again after the time in Retry-After.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests", detail).retry_after(retry_after_s)
    }

    pub(crate) fn budget_spent(queries: u32, renews_in_s: u64) -> Self {
        let detail = format!(
            "The {queries} answers that this model gives a client in a while are spent; \
             they renew in {renews_in_s} seconds (Retry-After)."
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "budget-spent", "Query budget spent", detail).retry_after(renews_in_s)
    }

    pub(crate) fn stale_card() -> Self {
        let detail = "Another head answers for this model now; load the model card again, for its calibration has changed.";
        Self::new(StatusCode::PRECONDITION_FAILED, "stale-card", "Model card out of date", detail)
    }

    pub(crate) fn unavailable(detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available", detail).retry_after(30)
    }

    pub(crate) fn internal() -> Self {
        let detail = "The relay failed; tell its operator the request_id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }
}

/// The cause goes to the log; the client learns that it can come back.
impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the database failed");
        Self::unavailable("The relay's database does not answer at the moment; try again after the time in Retry-After.")
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Version { .. } => Self::new(StatusCode::BAD_REQUEST, "wrong-version", "Wrong version", error.to_string()),
            other => Self::wrong_message(other.to_string()),
        }
    }
}

/// Marks an answer as a problem, so that the metrics can count it by kind.
#[derive(Clone, Copy)]
pub(crate) struct ProblemSlug(pub(crate) &'static str);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!("urn:veilsight:{}", self.slug),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            request_id: request_id::current(),
        };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(ProblemSlug(self.slug));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
