//! What a client may ask of the relay at once, in time and how often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr};

use crate::client::Peer;
use crate::problem::Problem;
use crate::state::App;

/// Answers 503 at once when too many requests are in progress.
pub(super) async fn in_flight(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match Arc::clone(&app.in_flight).try_acquire_owned() {
        Ok(_place) => next.run(request).await,
        Err(_) => Problem::busy(app.config.limits.retry_after_s).into_response(),
    }
}

/// Answers 503 when the answer has not begun in time.
pub(super) async fn in_time(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let limits = &app.config.limits;
    let limit = Duration::from_millis(limits.request_timeout_ms);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timeout(limits.retry_after_s).into_response(),
    }
}

/// Tells who sends a POST or PUT, and answers 429 when that client sends too many. Handlers find the client as an extension.
pub(super) async fn identified(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        return next.run(request).await;
    }
    // Only a router that is called without a connection has no peer.
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let client = app.identifier.identify(peer, request.headers());
    if let Err(wait) = app.rate.take(client, Instant::now()) {
        return Problem::too_many_requests(wait.as_secs_f64().ceil() as u64).into_response();
    }
    request.extensions_mut().insert(client);
    next.run(request).await
}
