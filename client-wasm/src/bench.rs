//! What `lab bench` measures in the browser. Not part of the builds that are served: it hands out CLS tokens.

use he::{GLWE_2048_TU17, SecretKey};
use models::purifier::PurifierCard;
use models::{CpuVit, Detector, DetectorCard, Purifier, TensorMap, VitConfig};
use wasm_bindgen::prelude::*;

use crate::error::ClientError;

/// A key and a token to seal.
#[wasm_bindgen]
pub struct SealBench {
    key: SecretKey,
    token: Vec<i16>,
}

#[wasm_bindgen]
impl SealBench {
    /// A key, and a token of `dim` values.
    ///
    /// # Errors
    /// No randomness.
    #[wasm_bindgen(constructor)]
    pub fn new(dim: usize) -> Result<SealBench, JsValue> {
        let key = SecretKey::make(&GLWE_2048_TU17).map_err(ClientError::from)?;
        let token = (0..dim).map(|index| (index * 37 % 511) as i16 - 255).collect();
        Ok(Self { key, token })
    }

    /// Seals the token once; answers the sealed token's length in bytes.
    ///
    /// # Errors
    /// A dim that the parameter set cannot hold.
    pub fn seal(&self) -> Result<usize, JsValue> {
        Ok(self.key.make_sealed_token(&self.token).map_err(ClientError::from)?.to_bytes().len())
    }
}

/// An encoder on the CPU engine, outside any session.
#[wasm_bindgen]
pub struct EncodeBench(CpuVit);

#[wasm_bindgen]
impl EncodeBench {
    /// Loads an encoder from its architecture (JSON) and its safetensors file.
    ///
    /// # Errors
    /// An architecture or a file that do not fit.
    #[wasm_bindgen(constructor)]
    pub fn new(architecture: &str, weights: &[u8]) -> Result<EncodeBench, JsValue> {
        let config: VitConfig = serde_json::from_str(architecture).map_err(ClientError::internal)?;
        let weights = TensorMap::from_safetensors(weights).map_err(ClientError::from)?;
        Ok(Self(CpuVit::load(&config, weights).map_err(ClientError::from)?))
    }

    /// The CLS token of a normalised image `[C, H, W]`.
    ///
    /// # Errors
    /// An input of another length.
    pub fn encode(&self, input: &[f32]) -> Result<Vec<f32>, JsValue> {
        Ok(self.0.encode(input).map_err(ClientError::from)?)
    }
}

/// A detector, outside any session.
#[wasm_bindgen]
pub struct DetectBench(Detector);

#[wasm_bindgen]
impl DetectBench {
    /// Loads a detector from its part of the card (JSON) and its safetensors file.
    ///
    /// # Errors
    /// A card or a file that do not fit.
    #[wasm_bindgen(constructor)]
    pub fn new(card: &str, weights: &[u8]) -> Result<DetectBench, JsValue> {
        let card: DetectorCard = serde_json::from_str(card).map_err(ClientError::internal)?;
        let weights = TensorMap::from_safetensors(weights).map_err(ClientError::from)?;
        Ok(Self(Detector::load(&card, weights).map_err(ClientError::from)?))
    }

    /// All passes over a normalised image `[C, H, W]`; answers the copy, which the encoder has to encode too.
    ///
    /// # Errors
    /// An input of another length.
    pub fn examine(&self, input: &[f32]) -> Result<Vec<f32>, JsValue> {
        let mut examination = self.0.start(input).map_err(ClientError::from)?;
        for index in 0..self.0.passes() {
            self.0.pass(&mut examination, index).map_err(ClientError::from)?;
        }
        Ok(self.0.copy(input))
    }
}

/// A purifier on the CPU engine, outside any session.
#[wasm_bindgen]
pub struct PurifyBench(Purifier);

#[wasm_bindgen]
impl PurifyBench {
    /// Loads a purifier from its part of the card (JSON) and its safetensors file.
    ///
    /// # Errors
    /// A card or a file that do not fit.
    #[wasm_bindgen(constructor)]
    pub fn new(card: &str, weights: &[u8]) -> Result<PurifyBench, JsValue> {
        let card: PurifierCard = serde_json::from_str(card).map_err(ClientError::internal)?;
        let weights = TensorMap::from_safetensors(weights).map_err(ClientError::from)?;
        Ok(Self(Purifier::load(&card, weights).map_err(ClientError::from)?))
    }

    /// Purifies pixels `[C, H, H]` of 0 to 1 with standard normal `noise` at level `t` in `steps` steps.
    ///
    /// # Errors
    /// An input of another length, a level or steps out of range.
    pub fn purify(&self, pixels: &[f32], noise: &[f32], t: u16, steps: u8) -> Result<Vec<f32>, JsValue> {
        Ok(self.0.purify(pixels, noise, t, steps).map_err(ClientError::from)?)
    }
}
