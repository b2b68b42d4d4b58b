//! Attacks on what sites could send: what of an image do gradients, tokens, ciphertexts and opened statistics give away?
//!
//! `cargo lab attack invert` runs them, `cargo lab report leakage` writes `docs/results/leakage.md` from the records.

pub mod adam;
pub mod closed_form;
pub mod context;
pub mod decoder;
pub mod fidelity;
pub mod gradients;
pub mod linear;
pub mod matching;
pub mod membership;
pub mod network;
pub mod opened;
pub mod protocol;
pub mod record;
pub mod report;
pub mod run;
pub mod sheet;
pub mod subjects;
pub mod tokens;
