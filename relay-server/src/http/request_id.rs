//! Each request has a name, which stands in its answer and in the log.

use axum::http::{HeaderMap, HeaderValue};

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The longest name a client may choose.
const MAX_LEN: usize = 64;

/// The client's name for the request where it is short and plain, else a random one.
pub(super) fn choose(headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let chosen = headers.get(super::REQUEST_ID).filter(|id| (1..=MAX_LEN).contains(&id.len()) && id.as_bytes().iter().all(plain));
    chosen.cloned().unwrap_or_else(random)
}

fn random() -> HeaderValue {
    let mut bytes = [0; 8];
    // A name needs no secrecy: without randomness all requests are called alike, and go on.
    let _ = getrandom::fill(&mut bytes);
    HeaderValue::from_str(&hex::encode(bytes)).unwrap_or(HeaderValue::from_static("unnamed"))
}

/// Runs a future in which [`current`] gives the name.
pub(super) async fn scope<T>(id: HeaderValue, future: impl Future<Output = T>) -> T {
    CURRENT.scope(id, future).await
}

/// The name of the request that is being answered.
pub(crate) fn current() -> String {
    CURRENT.try_with(|id| id.to_str().unwrap_or_default().to_owned()).unwrap_or_default()
}
