//! The built page: files of known kinds, compressed siblings where there are some, and nothing else.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::services::ServeDir;

use crate::problem::Problem;

/// What a page is made of. Anything else that lies in the folder is not served.
const KINDS: [&str; 15] =
    ["html", "js", "mjs", "css", "wasm", "json", "webmanifest", "map", "svg", "png", "jpg", "webp", "ico", "woff2", "txt"];

/// The files under `dir` as the last resort of a router.
pub(super) fn serve(router: Router, dir: &Path) -> Router {
    let files = ServeDir::new(dir).precompressed_br().precompressed_gzip().append_index_html_on_directories(true);
    router.fallback(move |request: Request| {
        let files = files.clone();
        async move { answer(files, request).await }
    })
}

async fn answer(files: ServeDir, request: Request) -> Response {
    let Some(caching) = caching(request.uri().path()) else { return Problem::not_found().into_response() };
    let Ok(response) = files.oneshot(request).await;
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => return Problem::method_not_allowed().into_response(),
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED => {}
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PRECONDITION_FAILED => {}
        _ => return Problem::not_found().into_response(),
    }
    let mut response = response.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}

/// How long a file may be kept; nothing for a path that names no file of the page.
fn caching(path: &str) -> Option<&'static str> {
    // The build makes plain names only, so an escaped or hidden one is somebody's try.
    let plain = |segment: &str| !segment.starts_with('.') && !segment.contains(['%', '\\']);
    if !path.split('/').all(plain) {
        return None;
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Some("no-cache");
    }
    let (stem, kind) = name.rsplit_once('.')?;
    if !KINDS.contains(&kind) {
        return None;
    }
    let immutable = kind != "html" && has_hash(stem);
    Some(if immutable { "public, max-age=31536000, immutable" } else { "no-cache" })
}

/// Whether a name ends in a hash as bundlers write it: `app-5XQ7KTLZ`, `app.0f3a99c1`.
fn has_hash(stem: &str) -> bool {
    let last = stem.rsplit(['-', '.']).next().unwrap_or_default();
    let (upper, hex) = (
        last.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
        last.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
    );
    last.len() >= 8 && last.len() < stem.len() && (upper || hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        for path in ["/assets/app-5XQ7KTLZ.js", "/wasm/cpu-0f3a99c1aa.wasm", "/a.ABCDEFGH.css"] {
            assert_eq!(caching(path), Some("public, max-age=31536000, immutable"), "{path}");
        }
        for path in ["/", "/index.html", "/index-5XQ7KTLZ.html", "/wasm/cpu/client_wasm.js", "/0f3a99c1aa.js", "/embed/"] {
            assert_eq!(caching(path), Some("no-cache"), "{path}");
        }
    }

    #[test]
    fn hidden_escaped_and_foreign_names_are_no_files_of_the_page() {
        for path in [
            "/.git/config.json",
            "/a/../b.js",
            "/%2e%2e/b.js",
            "/head.safetensors",
            "/relay.sqlite",
            "/app.js.br",
            "/x\\y.js",
            "/README",
        ] {
            assert_eq!(caching(path), None, "{path}");
        }
    }
}
