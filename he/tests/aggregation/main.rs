//! Sums that nobody can open alone: the whole protocol between sites, members and a relay.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod common;
mod common_mask;
mod exactness;
mod refusals;
