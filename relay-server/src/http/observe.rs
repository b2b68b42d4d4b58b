//! The outermost layer: names the request, logs and counts its answer. No payload, no address, no query string.

use std::sync::Arc;
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::{REQUEST_ID, request_id};
use crate::metrics::Answered;
use crate::problem::ProblemSlug;
use crate::state::App;

pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = request_id::choose(request.headers());
    let method = known(request.method());
    // The pattern of the route and not the path: a path may hold anything.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("page", MatchedPath::as_str);
    let bytes_in = length(request.headers());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), method, route);
    let mut response = request_id::scope(id.clone(), next.run(request)).instrument(span.clone()).await;
    // A body in memory knows its size, a file's size stands in the header.
    let bytes_out = response.body().size_hint().exact().unwrap_or_else(|| length(response.headers()));
    let problem = response.extensions().get::<ProblemSlug>().map(|slug| slug.0);
    let (status, elapsed) = (response.status().as_u16(), start.elapsed());
    response.headers_mut().insert(REQUEST_ID, id);
    span.in_scope(|| {
        let ms = elapsed.as_secs_f64() * 1e3;
        tracing::info!(status, ms, bytes_in, bytes_out, problem, "answered");
    });
    app.metrics.answered(&Answered { method, route, status, problem, elapsed, bytes_in, bytes_out });
    response
}

fn length(headers: &HeaderMap) -> u64 {
    let value = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A method from a closed set, for a client may invent others without end.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
