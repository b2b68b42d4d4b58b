//! The relay from outside: real requests to a relay in this process, with a small random model.

mod common;
mod config;
mod inference;
mod load;
mod page;
mod privacy;
mod random;
