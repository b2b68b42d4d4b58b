//! The browser's side of Veilsight: a thin `wasm-bindgen` shell over `models`, `he` and `wire`, run in a Web Worker.
//!
//! A [`Client`] holds the encoder and the key pair of one session. The secret key, the pixels and the CLS token stay
//! inside this module's memory: no export returns them, and no request carries them. What leaves is a public key, a
//! sealed token, and the requests for public files; every one of them is reported as an event for the page's ledger.
// A browser's interfaces exist in a browser only; natively this crate is empty.
#![cfg(target_arch = "wasm32")]
#![deny(missing_docs)]

mod backend;
#[cfg(feature = "bench")]
mod bench;
mod cache;
mod client;
mod error;
mod events;
mod gpu;
mod http;
mod pause;
mod relay;

pub use client::{Client, phantom_png};
pub use gpu::detect_webgpu;
