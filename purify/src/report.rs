//! What became of an image's tiles.

use serde::Serialize;

/// Who purified what of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// One entry a relay, in the order of the caller's list.
    pub relays: Vec<RelayReport>,
    /// Tiles that the device purified itself.
    pub local_tiles: usize,
}

/// One relay's part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RelayReport {
    /// Tiles of the image that came from it.
    pub tiles: usize,
    /// Part of the image's area that it was given, 0 to 1, whether it answered or not.
    pub share: f64,
    /// What became of it.
    pub state: RelayState,
    /// Why it failed.
    pub error: Option<String>,
}

/// What became of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayState {
    /// It was given nothing.
    Spare,
    /// It has work, or has done all of it.
    Used,
    /// It was lost, or its result was refused.
    Failed,
}
