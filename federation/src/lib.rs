//! What a site contributes, the closed-form heads that come from the opened sum, and the steps of a site in a round.
//!
//! No I/O: the relay, the lab and the browser bring the network and the storage. The cryptography is [`he::aggregation`].
#![deny(missing_docs)]

pub mod api;
pub mod audit;
pub mod error;
pub mod heads;
pub mod privacy;
pub mod site;
pub mod statistics;
pub mod update;

pub use error::FederationError;
