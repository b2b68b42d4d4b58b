//! Tells whether an image looks like those that a model was made for, before its token is sent: a score and a map of where it does not.
//!
//! A masked autoencoder draws parts of the image from the rest, and the model's own encoder looks at a denoised copy of it. Each
//! of the [`Feature`]s that come of this is standardised over clean images; their weighted sum is the score.

mod card;
mod examine;
mod feature;
mod filter;
mod verdict;

pub use card::{DetectorCard, FeatureCard, MAX_DETECTOR_BYTES, Masks, PatchError, QUANTILES, RocPoint};
pub use examine::{Detector, Examination};
pub use feature::{ERROR_FLOOR, Evidence, Feature};
pub use filter::Filter;
pub use verdict::Verdict;
