//! Purification measured: which noise level for which score, what is left of attacks behind it, what it does to clean images.
//!
//! `cargo lab calibrate purifier` gives a pack its purifier, `cargo lab evaluate --attack … --purify` and `cargo lab fidelity` measure,
//! `cargo lab report purifier` reports.

pub mod calibrate;
pub mod candidates;
pub mod defence;
pub mod examples;
pub mod fidelity;
pub mod json;
pub mod lesion;
pub mod levels;
pub mod measure;
pub mod policy;
pub mod purification;
pub mod record;
pub mod report;
