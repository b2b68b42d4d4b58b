//! The body of a request in JSON, bounded in size and time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::state::App;

/// Largest request: 64 classes and a title need far less.
const LIMIT: usize = 64 * 1024;

/// A value read from JSON. What is wrong is said without repeating the content, which may hold an invitation.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limit = Duration::from_millis(app.config.limits.body_timeout_ms);
        let body = Limited::new(request.into_body(), LIMIT).collect();
        let bytes = match tokio::time::timeout(limit, body).await.map_err(|_| Problem::body_timeout())? {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(Problem::too_large(LIMIT)),
            Err(_) => return Err(Problem::wrong_request("The request broke off before its end; send it again.")),
        };
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let kind = match error.classify() {
                serde_json::error::Category::Data => "is not what is taken here",
                _ => "is no JSON",
            };
            let (line, column) = (error.line(), error.column());
            Problem::wrong_request(format!("The request {kind} (line {line}, column {column}); /openapi.json says what is."))
        })?;
        Ok(Self(value))
    }
}
