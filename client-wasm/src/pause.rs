//! Giving the worker's event loop a turn, so that a cancellation can arrive between two pieces of computation.

use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, MessageChannel};

use crate::error::ClientError;

/// Lets waiting messages in, then says whether the user has cancelled.
///
/// A message to oneself is used, since timers are held back to four milliseconds and more.
///
/// # Errors
/// `cancelled` where the signal was raised.
pub async fn turn(signal: &AbortSignal) -> Result<(), ClientError> {
    let channel = MessageChannel::new().map_err(|_| ClientError::internal("no message channel"))?;
    let promise = Promise::new(&mut |resolve: Function, _reject| {
        channel.port1().set_onmessage(Some(&resolve));
    });
    channel.port2().post_message(&JsValue::NULL).map_err(|_| ClientError::internal("no message to oneself"))?;
    let waited = JsFuture::from(promise).await;
    channel.port1().close();
    waited.map_err(|_| ClientError::internal("the event loop gave no turn"))?;
    check(signal)
}

/// Says whether the user has cancelled.
///
/// # Errors
/// `cancelled` where the signal was raised.
pub fn check(signal: &AbortSignal) -> Result<(), ClientError> {
    if signal.aborted() { Err(ClientError::cancelled()) } else { Ok(()) }
}
