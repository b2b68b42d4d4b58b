//! The headers that every answer has.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::config::Config;

/// What the page may do: run its own scripts and WebAssembly, talk to its own relay and those that purify with it, and nothing else.
///
/// `require-trusted-types-for 'script'` is left out: browsers that know it also ask it of `new Worker(url)`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self' blob: data:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; connect-src 'self'";

const PERMISSIONS_POLICY: &str = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), \
    gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()";

const FIXED: [(HeaderName, &str); 5] = [
    (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// What depends on the configuration.
#[derive(Clone)]
pub(super) struct Strict {
    content: HeaderValue,
    resources: HeaderValue,
}

impl Strict {
    /// Foreign pages may load the relay's files only where some origin is allowed to embed the widget.
    pub(super) fn new(config: &Config) -> Self {
        let content = [&[CONTENT_SECURITY_POLICY.to_owned()], config.purification.relays.as_slice()].concat().join(" ");
        // The configuration was checked, so each origin is a header value; without them the page is only more restricted.
        let content = HeaderValue::try_from(content).unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY));
        let embeddable = !config.cors.allow_origins.is_empty();
        Self { content, resources: HeaderValue::from_static(if embeddable { "cross-origin" } else { "same-origin" }) }
    }
}

/// Adds the headers.
pub(super) async fn strict(State(strict): State<Strict>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, strict.content);
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), strict.resources);
    response
}
