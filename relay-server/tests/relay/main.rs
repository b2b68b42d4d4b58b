//! The relay from outside: real requests to a relay in this process, with a small random model.
// The helpers of a test are tests too, though the lint's own exception knows only `#[test]` functions.
#![allow(clippy::unwrap_used)]

mod common;
mod config;
mod consortia;
mod erasure;
mod heads;
mod inference;
mod kill;
mod load;
mod page;
mod postgres;
mod privacy;
mod purification;
mod purifier;
mod random;
mod rounds;
mod sites;
