//! Giving the worker's event loop a turn, so that a cancellation can arrive between two pieces of computation.

use js_sys::{Function, Promise};
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, MessageChannel, WorkerGlobalScope};

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

/// Waits some milliseconds, then says whether the user has cancelled.
///
/// # Errors
/// `cancelled` where the signal was raised.
pub async fn sleep(ms: i32, signal: &AbortSignal) -> Result<(), ClientError> {
    let scope: WorkerGlobalScope =
        js_sys::global().dyn_into().map_err(|_| ClientError::internal("the client runs in a worker only"))?;
    let promise = Promise::new(&mut |resolve: Function, _reject| {
        // A timer that cannot be set leaves the promise open, and nothing here could go on without timers.
        let _timer = scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms);
    });
    let waited = JsFuture::from(promise).await;
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
