//! The browser's side of Veilsight: a thin `wasm-bindgen` shell over `models`, `he`, `purify` and `wire`, run in a Web Worker.
//!
//! A [`Client`] holds the encoder and the key pair of one session. The secret key, the pixels and the CLS token stay
//! inside this module's memory: no export returns them, and no request carries them. Between the check of an image and the decision
//! whether it is sent, its token waits here too. What leaves is a public key, a
//! sealed token, and the requests for public files; every one of them is reported as an event for the page's ledger. Where the person has an image
//! purified on relays, noised tiles of it leave too, each relay getting some of them.
//!
//! A [`Site`] holds a hospital's part in a federation: its identity, its token, its statistics and its hold-out. Of these, only an
//! encrypted contribution, signed checks and sums of key shares leave; what the browser stores is sealed in here first.
// A browser's interfaces exist in a browser only; natively this crate is empty.
#![cfg(target_arch = "wasm32")]
#![deny(missing_docs)]

mod backend;
#[cfg(feature = "bench")]
mod bench;
mod cache;
mod client;
mod detector;
mod encoder;
mod error;
mod events;
mod gpu;
mod http;
mod job;
mod pause;
mod purifier;
mod relay;
mod remote;
mod site;

pub use client::{Client, phantom_png};
pub use gpu::detect_webgpu;
pub use site::Site;

use serde::Serialize;
use wasm_bindgen::JsValue;

use error::ClientError;

/// A value as a plain JavaScript object.
fn to_js(value: &impl Serialize) -> Result<JsValue, ClientError> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(|_| ClientError::internal("a result could not be handed to the page"))
}
