//! The HTTP side: routes, and what lies around them.

mod auth;
mod body;
mod consortia;
mod cors;
mod handlers;
mod headers;
mod json;
mod limits;
mod observe;
mod openapi;
mod ops;
mod purifications;
pub(crate) mod request_id;
mod rounds;
mod routes;
mod static_files;
mod versions;

pub(crate) use routes::{admin_router, router};

/// How many answers of the model the client has left in this window; absent where none are counted.
pub const BUDGET_LEFT: &str = "x-veilsight-budget-left";

/// SHA-256 of the model card that belongs to an answer: its calibration reads the logits.
pub const CARD: &str = "x-veilsight-card";

/// The name of a request in the relay's log; a client may choose it.
pub const REQUEST_ID: &str = "x-request-id";
