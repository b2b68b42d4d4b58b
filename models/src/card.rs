//! The model card: what a model is, how its input is made, how its answer is read, where it comes from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ClsQuantiser, DetectorCard, ModelError, Preprocess, PurifierCard, VitConfig, head::MAX_CLASSES};

/// Format version written and read here.
pub const CARD_FORMAT: u64 = 1;
/// Largest card that is read.
pub const MAX_CARD_BYTES: usize = 256 * 1024;
/// The relay's own part of a pack, which is given to nobody.
pub const HEAD_FILE: &str = "head.safetensors";
/// Largest encoder file that is read.
pub const MAX_ENCODER_BYTES: u64 = 512 * 1024 * 1024;

/// One class of a model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Short stable name, for example `yes`.
    pub id: String,
    /// What a person reads, for example `Tumour visible`.
    pub label: String,
}

/// How the numbers of an encoder file are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8-bit integers with a scale an output channel.
    Int8,
}

/// The encoder file of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    /// Sizes of the network.
    pub architecture: VitConfig,
    /// Name of the file in the pack's folder.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// How its numbers are stored.
    pub storage: Storage,
}

/// The CLS token as it is sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cls {
    /// Width of the token.
    pub dim: usize,
    /// How it becomes integers.
    pub quantiser: ClsQuantiser,
}

/// How integer logits become probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Calibrated logit of one integer step; the temperature is folded in.
    pub logit_scale: f64,
}

/// How the model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Name of the data set.
    pub data: String,
    /// Which split, and how it was made.
    pub split: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// The command that trains it again.
    pub command: String,
    /// What the weights started from.
    pub start: String,
    /// Passes over the data.
    pub epochs: u32,
    /// Anything else worth knowing.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A model card, `card.json` of a pack. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Version of this format: 1.
    pub format: u64,
    /// Name in addresses and on disk: lower-case letters, digits and dashes.
    pub id: String,
    /// What a person reads.
    pub title: String,
    /// Version of the model.
    pub version: String,
    /// What the model decides.
    pub task: String,
    /// Classes in the order of the logits.
    pub classes: Vec<Class>,
    /// The encoder that runs on the device.
    pub encoder: Encoder,
    /// The detector that looks at the image first, where the pack has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorCard>,
    /// The purifier that restores flagged images, where the pack has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purifier: Option<PurifierCard>,
    /// How an image becomes the encoder's input.
    pub preprocess: Preprocess,
    /// The token that is sealed.
    pub cls: Cls,
    /// From integer logits to probabilities.
    pub calibration: Calibration,
    /// Name of the parameters of the encryption, for example `GLWE_2048_TU17`.
    pub he_parameters: String,
    /// How it was trained.
    pub training: Training,
    /// Measured figures, by name.
    pub metrics: Map<String, Value>,
    /// What the model is not good for.
    pub limits: Vec<String>,
    /// Licence of the weights.
    pub licence: String,
    /// Where weights and data come from.
    pub provenance: String,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u64,
}

impl ModelCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// [`ModelError::CardFormat`] for another format version; [`ModelError::BadCard`], [`ModelError::BadConfig`],
    /// [`ModelError::BadPreprocess`] or [`ModelError::BadQuantiser`] for a card that cannot be used.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() > MAX_CARD_BYTES {
            return Err(bad(format!("it has {} bytes and at most {MAX_CARD_BYTES} are read", bytes.len())));
        }
        let parse = |error: serde_json::Error| bad(error.to_string());
        let FormatOnly { format } = serde_json::from_slice(bytes).map_err(parse)?;
        if format != CARD_FORMAT {
            return Err(ModelError::CardFormat { found: format, supported: CARD_FORMAT });
        }
        let card: Self = serde_json::from_slice(bytes).map_err(parse)?;
        card.validate()?;
        Ok(card)
    }

    /// The card as indented JSON with a final line break.
    ///
    /// # Errors
    /// The errors of [`Self::validate`], so that no card is written that could not be read.
    pub fn to_json(&self) -> Result<String, ModelError> {
        self.validate()?;
        let text = serde_json::to_string_pretty(self).map_err(|error| bad(error.to_string()))?;
        Ok(text + "\n")
    }

    /// Checks every number that something is allocated from or computed with.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn validate(&self) -> Result<(), ModelError> {
        self.check_names()?;
        self.encoder.architecture.validate()?;
        self.preprocess.validate()?;
        self.cls.quantiser.validate()?;
        let network = &self.encoder.architecture;
        if self.encoder.bytes == 0 || self.encoder.bytes > MAX_ENCODER_BYTES {
            return Err(bad(format!("an encoder of {} bytes is not read", self.encoder.bytes)));
        }
        if !(2..=MAX_CLASSES).contains(&self.classes.len()) {
            return Err(bad(format!("{} classes are outside 2..={MAX_CLASSES}", self.classes.len())));
        }
        if self.cls.dim != network.dim {
            return Err(bad(format!("the CLS token is {}-d and the encoder {}-d", self.cls.dim, network.dim)));
        }
        if self.preprocess.size != network.image_size || self.preprocess.channels.count() != network.in_channels {
            return Err(bad("the preprocessing makes another input than the encoder takes".into()));
        }
        if !(self.calibration.logit_scale.is_normal() && self.calibration.logit_scale > 0.0) {
            return Err(bad("calibration.logit_scale is not a number above zero".into()));
        }
        self.detector.as_ref().map_or(Ok(()), |detector| self.check_detector(detector))?;
        self.purifier.as_ref().map_or(Ok(()), |purifier| self.check_purifier(purifier))
    }

    fn check_detector(&self, detector: &DetectorCard) -> Result<(), ModelError> {
        check_part("detector", &detector.file, &detector.sha256, &[&self.encoder.file])?;
        detector.validate()?;
        let (network, encoder) = (&detector.architecture.encoder, &self.encoder.architecture);
        if (network.image_size, network.in_channels) != (encoder.image_size, encoder.in_channels) {
            return Err(bad("the detector takes another input than the encoder".into()));
        }
        Ok(())
    }

    fn check_purifier(&self, purifier: &PurifierCard) -> Result<(), ModelError> {
        let detector = self.detector.as_ref().ok_or_else(|| bad("it has a purifier and no detector that says when".into()))?;
        check_part("purifier", &purifier.file, &purifier.sha256, &[&self.encoder.file, &detector.file])?;
        purifier.validate(self.preprocess.size)?;
        if purifier.architecture.in_channels != self.encoder.architecture.in_channels {
            return Err(bad("the purifier takes another input than the encoder".into()));
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), ModelError> {
        let slug = |id: &str| {
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (1..=64).contains(&id.len()) && id.chars().all(letters)
        };
        if !slug(&self.id) {
            return Err(bad("its id is not made of lower-case letters, digits and dashes".into()));
        }
        check_file("encoder", &self.encoder.file, &self.encoder.sha256)
    }

    /// Calibrated probabilities `[classes]`, summing to 1: softmax(logits · `logit_scale`).
    pub fn probabilities(&self, logits: &[i64]) -> Vec<f64> {
        let largest = logits.iter().copied().max().unwrap_or(0);
        let power = |logit: &i64| ((logit - largest) as f64 * self.calibration.logit_scale).exp();
        let powers: Vec<f64> = logits.iter().map(power).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }

    /// First 8 bytes of the encoder's SHA-256: they name the encoder in a request.
    pub fn encoder_tag(&self) -> [u8; 8] {
        tag(&self.encoder.sha256)
    }
}

/// First 8 bytes of a SHA-256 given in hexadecimal digits.
pub(crate) fn tag(sha256: &str) -> [u8; 8] {
    let mut tag = [0; 8];
    // A card that passed `validate` has 64 digits; any other gives zeros, which match no file.
    let _ = hex::decode_to_slice(sha256.get(..16).unwrap_or_default(), &mut tag);
    tag
}

/// Checks the file of a `part` of the pack that is public and optional, which may not be one of the `others`.
fn check_part(part: &str, file: &str, sha256: &str, others: &[&str]) -> Result<(), ModelError> {
    check_file(part, file, sha256)?;
    let mut taken = others.iter().chain(&[HEAD_FILE, "card.json"]);
    if taken.any(|name| file.eq_ignore_ascii_case(name)) {
        return Err(bad(format!("{part}.file is {file}, which is another part of the pack")));
    }
    Ok(())
}

/// Checks the name and digest of the file of `part`.
fn check_file(part: &str, file: &str, sha256: &str) -> Result<(), ModelError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !(1..=64).contains(&file.len()) || file.starts_with('.') || !file.chars().all(plain) {
        return Err(bad(format!("{part}.file is not a plain file name")));
    }
    if sha256.len() != 64 || !sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        return Err(bad(format!("{part}.sha256 is not 64 lower-case hexadecimal digits")));
    }
    Ok(())
}

fn bad(reason: String) -> ModelError {
    ModelError::BadCard { reason }
}
