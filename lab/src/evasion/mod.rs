//! Evasion: images changed a little so that the pack answers wrongly, and what notices it.
//!
//! Attackers know everything: weights, quantiser, head, detector, masks, threshold. Whether an attack succeeded is always decided by the
//! real pipeline (stored weights, integer token, integer head); floats serve for slopes alone.
//!
//! `cargo lab evaluate --attack` measures, `cargo lab attack evade` writes attacked images, `cargo lab report detector` reports.

pub mod adaptive;
pub mod apgd;
pub mod arena;
pub mod artefacts;
pub mod attack;
pub mod ball;
pub mod cases;
pub mod compare;
pub mod detector;
pub mod evade;
pub mod examples;
pub mod figures;
pub mod filters;
pub mod judge;
pub mod loss;
pub mod measure;
pub mod objective;
pub mod pgd;
pub mod record;
pub mod registry;
pub mod report;
pub mod run;
pub mod square;
pub mod through;
pub mod worst;
