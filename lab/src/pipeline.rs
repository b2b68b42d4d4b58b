//! A model pack in use, natively: image file → CLS token → integers → logits → probabilities.
//!
//! The encoder runs on the same engine as the browser's CPU path, from the same stored weights.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use models::{CpuVit, ModelCard, ModelError, QuantisedHead, RelayPack, TensorMap, decode};

/// A pack with its encoder loaded.
pub struct Pipeline {
    /// The pack's card.
    pub card: ModelCard,
    /// The pack's head.
    pub head: QuantisedHead,
    encoder: CpuVit,
}

/// Everything that one image gives.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Encoded {
    /// CLS token after the last norm.
    pub cls: Vec<f32>,
    /// The same as integers, as they are sealed.
    pub quantised: Vec<i16>,
    /// The head's integer logits.
    pub logits: Vec<i64>,
    /// Calibrated probabilities of the classes.
    pub probabilities: Vec<f64>,
}

impl Pipeline {
    /// Loads the pack in `folder`, verifying its digests.
    ///
    /// # Errors
    /// Where a file is missing, damaged, or does not fit the card.
    pub fn load(folder: &Path) -> Result<Self> {
        let pack = RelayPack::load_dir(folder).with_context(|| format!("no usable model pack in {}", folder.display()))?;
        let weights = TensorMap::from_safetensors(&pack.encoder_bytes)?;
        let encoder = CpuVit::load(&pack.card.encoder.architecture, weights)?;
        Ok(Self { card: pack.card, head: pack.head, encoder })
    }

    /// CLS token of an image file.
    ///
    /// # Errors
    /// Where the bytes are no image.
    pub fn cls(&self, file: &[u8]) -> Result<Vec<f32>> {
        let input = self.card.preprocess.letterbox(&decode(file)?).to_tensor(&self.card.preprocess);
        Ok(self.encoder.encode(&input)?)
    }

    /// The whole path of an image file.
    ///
    /// # Errors
    /// Where the bytes are no image.
    pub fn encode(&self, file: &[u8]) -> Result<Encoded> {
        Ok(self.encode_tensor(&self.card.preprocess.letterbox(&decode(file)?).to_tensor(&self.card.preprocess))?)
    }

    /// The whole path of a normalised input, CHW as [`models::InputImage::to_tensor`] makes it.
    ///
    /// # Errors
    /// Where the input has another length than the encoder takes.
    pub fn encode_tensor(&self, input: &[f32]) -> Result<Encoded, ModelError> {
        let cls = self.encoder.encode(input)?;
        let quantised = self.card.cls.quantiser.quantise(&cls);
        let logits = self.head.logits(&quantised);
        let probabilities = self.card.probabilities(&logits);
        Ok(Encoded { cls, quantised, logits, probabilities })
    }

    /// Probabilities from the CLS token before it is rounded to integers: what quantisation is compared with.
    pub fn plain_probabilities(&self, cls: &[f32]) -> Vec<f64> {
        let step = f64::from(self.card.cls.quantiser.scale);
        let rows = self.head.weights().chunks_exact(self.head.dim).zip(self.head.bias());
        let logits = rows.map(|(row, bias)| {
            let sum: f64 = row.iter().zip(cls).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            (sum / step + *bias as f64) * self.card.calibration.logit_scale
        });
        crate::fit::softmax(&logits.collect::<Vec<f64>>())
    }
}

/// The folder of the pack `id`: below `zoo`, else the project's own.
pub fn pack_folder(zoo: Option<&Path>, id: &str) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo");
    zoo.map_or_else(own, Path::to_path_buf).join(id)
}
