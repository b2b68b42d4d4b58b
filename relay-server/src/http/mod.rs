//! The HTTP side: routes, and what lies around them.

mod body;
mod cors;
mod handlers;
mod headers;
mod limits;
mod observe;
mod openapi;
mod ops;
pub(crate) mod request_id;
mod routes;
mod static_files;

pub(crate) use routes::{admin_router, router};

/// How many answers of the model the client has left in this window; absent where none are counted.
pub const BUDGET_LEFT: &str = "x-veilsight-budget-left";

/// The name of a request in the relay's log; a client may choose it.
pub const REQUEST_ID: &str = "x-request-id";
