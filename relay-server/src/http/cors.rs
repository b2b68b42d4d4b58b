//! Which other origins may call the API and load the widget.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{BUDGET_LEFT, CARD, REQUEST_ID};
use crate::config::Cors;

/// The allow-list as a layer; nothing where the list is empty, which leaves the relay to its own origin.
pub(super) fn layer(config: &Cors) -> Option<CorsLayer> {
    if config.allow_origins.is_empty() {
        return None;
    }
    // The configuration was checked, so each origin is a header value.
    let origins = config.allow_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static(REQUEST_ID),
        ])
        .expose_headers([
            HeaderName::from_static(BUDGET_LEFT),
            HeaderName::from_static(CARD),
            HeaderName::from_static(REQUEST_ID),
            header::RETRY_AFTER,
            header::ETAG,
        ])
        .max_age(Duration::from_secs(config.max_age_s));
    Some(layer)
}
