//! Images to CLS tokens and verdicts: preprocessing, Vision Transformers, detectors, purifiers, weights, heads and model packs.
//!
//! Everything but `vit::module`, `mae::module` and `unet::module` works without burn (`default-features = false`), natively and in WebAssembly.
#![deny(missing_docs)]

pub mod card;
pub mod config;
pub mod detector;
pub mod error;
pub mod head;
pub mod mae;
pub mod pack;
pub mod phantom;
pub mod preprocess;
pub mod purifier;
pub mod quantise;
pub mod unet;
pub mod vit;
pub mod weights;

pub use card::ModelCard;
pub use config::VitConfig;
pub use detector::{Detector, DetectorCard, Verdict};
pub use error::ModelError;
pub use head::{LinearHead, QuantisedHead};
pub use mae::{CpuMae, MaeConfig, Mask};
pub use pack::PublicPack;
#[cfg(not(target_arch = "wasm32"))]
pub use pack::RelayPack;
pub use preprocess::{InputImage, Picture, Preprocess, decode};
pub use purifier::{Purifier, PurifierCard};
pub use quantise::ClsQuantiser;
pub use unet::{CpuUnet, Schedule, UnetConfig};
pub use vit::cpu::{CpuTokens, CpuVit};
pub use weights::{Tensor, TensorMap};
