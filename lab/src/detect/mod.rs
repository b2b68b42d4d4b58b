//! The detector of a pack: what it measures is fitted on clean and attacked training images, its threshold on clean validation images.
//!
//! `cargo lab calibrate` runs it. Nothing here sees the test split.

pub mod calibrate;
pub mod candidates;
pub mod directions;
pub mod look;
pub mod report;
