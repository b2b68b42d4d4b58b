//! The body of a POST: one message of the wire protocol, bounded in size and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::Problem;
use crate::state::App;

/// At most `LIMIT` bytes of the protocol's media type.
pub(super) struct WireBody<const LIMIT: usize>(pub(super) Bytes);

impl<const LIMIT: usize> FromRequest<Arc<App>> for WireBody<LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        check_media_type(&head.headers)?;
        check_announced_length(&head.headers, LIMIT)?;
        let limit = Duration::from_millis(app.config.limits.body_timeout_ms);
        let body = tokio::time::timeout(limit, read(body, LIMIT)).await;
        body.map_err(|_| Problem::body_timeout())?.map(Self)
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wire::MEDIA_TYPE) { Ok(()) } else { Err(Problem::wrong_media_type()) }
}

/// A length that is announced too large is refused before a byte is read.
fn check_announced_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    if length > limit as u64 { Err(Problem::too_large(limit)) } else { Ok(()) }
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(limit)),
        Err(_) => Err(Problem::wrong_message("The message broke off before its end; send it again.")),
    }
}
