//! Records of purification: what the report is written from.

use serde::{Deserialize, Serialize};

use super::defence::Place;
use crate::attack::record::Estimate;

/// Which images are purified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// Those that the detector flags.
    Flagged,
    /// All of them.
    All,
}

/// What an attack comes to behind the purifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Purified {
    /// Which images are purified.
    pub who: Who,
    /// Where.
    pub place: Place,
    /// Steps of DDIM.
    pub steps: u8,
    /// Draws of the noise; figures are means over them.
    pub draws: u64,
    /// Right answers in the end, of the purified image or, where nothing was purified, of the image as it is.
    pub accuracy: Estimate,
    /// Right answers in the end from images that are not, or no longer, flagged.
    pub accepted: Estimate,
    /// Right answers among the purified images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_purified: Option<Estimate>,
    /// Right answers whatever noise is drawn; absent with one draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_draw: Option<Estimate>,
    /// Right answers in the end before the attack, one draw.
    pub clean_accuracy: Estimate,
    /// Right answers that are lost by it before the attack, image by image; below 0 where some are won.
    pub clean_loss: Estimate,
    /// Mean noise level of the purified images; 0 where there are none.
    pub mean_level: f64,
    /// One letter an image, of its first draw: see [`crate::evasion::record::letter`].
    pub outcomes: String,
    /// The same before the attack.
    pub clean_outcomes: String,
}
