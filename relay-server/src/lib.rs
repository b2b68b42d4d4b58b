//! The relay: sessions, encrypted inference, model packs, purification and the page.
//!
//! The relay holds the heads of the shipped models and answers sealed tokens with encrypted logits.
//! It never holds a key that opens either. [`Relay`] is the whole service, started in process by tests
//! and benchmarks and by the `relay-server` binary; [`Config`] is everything that can be set about it.
#![deny(missing_docs)]

mod answer;
mod budget;
mod client;
pub mod config;
mod consortia;
mod error;
pub mod http;
mod infer;
mod metrics;
mod problem;
mod publish;
mod purification;
mod rate;
mod rounds;
mod serve;
mod sessions;
mod shutdown;
mod state;
mod store;
mod tokens;
mod weights;
mod zoo;

pub use config::Config;
pub use error::RelayError;
pub use problem::Problem;
pub use serve::{Relay, serve};
pub use shutdown::signalled;
pub use tokens::make_admin_token;
