//! The laboratory: train encoders, fit heads, evaluate plain and encrypted answers, report.
#![deny(missing_docs)]

pub mod attack;
pub mod bench;
pub mod cli;
pub mod data;
pub mod detect;
pub mod egress;
pub mod evaluate;
pub mod evasion;
pub mod federate;
pub mod fit;
pub mod metrics;
pub mod pack;
pub mod pipeline;
pub mod plot;
pub mod purify;
pub mod records;
pub mod report;
pub mod train;
