//! Model packs: the public part that a browser fetches, and the whole that a relay keeps.

use sha2::{Digest, Sha256};

use crate::{Detector, ModelCard, ModelError, Purifier, TensorMap};

/// The public part of a pack, checked: a card and the files that it names.
pub struct PublicPack {
    /// The card.
    pub card: ModelCard,
    encoder: Vec<u8>,
    detector: Option<Vec<u8>>,
    purifier: Option<Vec<u8>>,
}

impl PublicPack {
    /// Checks a card and the encoder file against it.
    ///
    /// # Errors
    /// [`ModelError::CorruptPack`] where size or SHA-256 differ from the card's; the errors of [`ModelCard::from_json`].
    pub fn from_parts(card: &[u8], encoder: Vec<u8>) -> Result<Self, ModelError> {
        Self::from_card(ModelCard::from_json(card)?, encoder)
    }

    /// Checks an encoder file against a card that was read before.
    ///
    /// # Errors
    /// [`ModelError::CorruptPack`] where size or SHA-256 differ from the card's.
    pub fn from_card(card: ModelCard, encoder: Vec<u8>) -> Result<Self, ModelError> {
        verify_encoder(&card, &encoder)?;
        Ok(Self { card, encoder, detector: None, purifier: None })
    }

    /// Adds the detector file, checked against the card.
    ///
    /// # Errors
    /// [`ModelError::CorruptPack`] where size or SHA-256 differ from the card's, [`ModelError::NoDetector`] where the card names none.
    pub fn with_detector(mut self, bytes: Vec<u8>) -> Result<Self, ModelError> {
        verify_detector(&self.card, &bytes)?;
        self.detector = Some(bytes);
        Ok(self)
    }

    /// Adds the purifier file, checked against the card.
    ///
    /// # Errors
    /// [`ModelError::CorruptPack`] where size or SHA-256 differ from the card's, [`ModelError::NoPurifier`] where the card names none.
    pub fn with_purifier(mut self, bytes: Vec<u8>) -> Result<Self, ModelError> {
        verify_purifier(&self.card, &bytes)?;
        self.purifier = Some(bytes);
        Ok(self)
    }

    /// The purifier, ready to run; its file's bytes are given up. Nothing where none was added.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`], [`ModelError::MissingTensor`] or [`ModelError::WrongShape`] where the file holds no such network.
    pub fn take_purifier(&mut self) -> Result<Option<Purifier>, ModelError> {
        let (Some(card), Some(bytes)) = (&self.card.purifier, self.purifier.take()) else { return Ok(None) };
        Purifier::load(card, TensorMap::from_safetensors(&bytes)?).map(Some)
    }

    /// The detector, ready to run; its file's bytes are given up. Nothing where none was added.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`], [`ModelError::MissingTensor`] or [`ModelError::WrongShape`] where the file holds no such network.
    pub fn take_detector(&mut self) -> Result<Option<Detector>, ModelError> {
        let (Some(card), Some(bytes)) = (&self.card.detector, self.detector.take()) else { return Ok(None) };
        Detector::load(card, TensorMap::from_safetensors(&bytes)?).map(Some)
    }

    /// The encoder file, as verified.
    pub fn encoder_bytes(&self) -> &[u8] {
        &self.encoder
    }

    /// The encoder's tensors; the file's bytes are given up.
    ///
    /// # Errors
    /// [`ModelError::BadWeights`] where the file is no readable safetensors file.
    pub fn into_weights(self) -> Result<(ModelCard, TensorMap), ModelError> {
        let weights = TensorMap::from_safetensors(&self.encoder)?;
        Ok((self.card, weights))
    }
}

/// SHA-256 as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn verify_encoder(card: &ModelCard, bytes: &[u8]) -> Result<(), ModelError> {
    let encoder = &card.encoder;
    verify(&encoder.file, encoder.bytes, &encoder.sha256, bytes)
}

/// Checks a detector file against the card.
///
/// # Errors
/// [`ModelError::CorruptPack`] where size or SHA-256 differ from the card's, [`ModelError::NoDetector`] where the card names none.
pub fn verify_detector(card: &ModelCard, bytes: &[u8]) -> Result<(), ModelError> {
    let detector = card.detector.as_ref().ok_or(ModelError::NoDetector)?;
    verify(&detector.file, detector.bytes, &detector.sha256, bytes)
}

/// Checks a purifier file against the card.
///
/// # Errors
/// [`ModelError::CorruptPack`] where size or SHA-256 differ from the card's, [`ModelError::NoPurifier`] where the card names none.
pub fn verify_purifier(card: &ModelCard, bytes: &[u8]) -> Result<(), ModelError> {
    let purifier = card.purifier.as_ref().ok_or(ModelError::NoPurifier)?;
    verify(&purifier.file, purifier.bytes, &purifier.sha256, bytes)
}

fn verify(file: &str, size: u64, sha256: &str, bytes: &[u8]) -> Result<(), ModelError> {
    let corrupt = |reason: String| Err(ModelError::CorruptPack { file: file.to_owned(), reason });
    if bytes.len() as u64 != size {
        return corrupt(format!("it has {} bytes where the card says {size}", bytes.len()));
    }
    let found = sha256_hex(bytes);
    if found != sha256 {
        return corrupt(format!("its SHA-256 is {found} where the card says {sha256}"));
    }
    Ok(())
}

#[cfg(not(target_arch = "wasm32"))]
pub use relay::RelayPack;

#[cfg(not(target_arch = "wasm32"))]
mod relay {
    use std::{fs::File, io::Read, path::Path};

    use super::{ModelCard, ModelError, verify_detector, verify_encoder, verify_purifier};
    use crate::{
        QuantisedHead,
        card::{HEAD_FILE, MAX_CARD_BYTES, MAX_ENCODER_BYTES},
        detector::MAX_DETECTOR_BYTES,
        purifier::MAX_PURIFIER_BYTES,
    };

    /// Largest head file: 64 classes of 2048 weights, and its header.
    const MAX_HEAD_BYTES: u64 = 1024 * 1024;

    /// A whole pack as the relay keeps it: card, encoder, detector and purifier to hand out, the head to keep.
    pub struct RelayPack {
        /// The card.
        pub card: ModelCard,
        /// The card's file, byte for byte.
        pub card_bytes: Vec<u8>,
        /// The encoder's file, byte for byte, verified.
        pub encoder_bytes: Vec<u8>,
        /// The detector's file, byte for byte, verified; nothing where the card names none.
        pub detector_bytes: Option<Vec<u8>>,
        /// The purifier's file, byte for byte, verified; nothing where the card names none.
        pub purifier_bytes: Option<Vec<u8>>,
        /// The head; it never leaves the relay.
        pub head: QuantisedHead,
    }

    impl RelayPack {
        /// Reads and checks `card.json`, the encoder, detector and purifier files it names and `head.safetensors` in a folder.
        ///
        /// # Errors
        /// [`ModelError::ReadFile`] where a file is absent or too large, [`ModelError::CorruptPack`] where the encoder, detector,
        /// purifier or head do not fit the card, and the errors of the card and the head.
        pub fn load_dir(folder: &Path) -> Result<Self, ModelError> {
            let card_bytes = read(&folder.join("card.json"), MAX_CARD_BYTES as u64)?;
            let card = ModelCard::from_json(&card_bytes)?;
            let encoder_bytes = read(&folder.join(&card.encoder.file), MAX_ENCODER_BYTES)?;
            verify_encoder(&card, &encoder_bytes)?;
            let detector_bytes = read_detector(folder, &card)?;
            let purifier_bytes = read_purifier(folder, &card)?;
            let head = QuantisedHead::from_safetensors(&read(&folder.join(HEAD_FILE), MAX_HEAD_BYTES)?)?;
            if head.classes != card.classes.len() || head.dim != card.cls.dim {
                let reason = format!(
                    "it has {} classes of {} weights where the card says {} of {}",
                    head.classes,
                    head.dim,
                    card.classes.len(),
                    card.cls.dim
                );
                return Err(ModelError::CorruptPack { file: HEAD_FILE.into(), reason });
            }
            Ok(Self { card, card_bytes, encoder_bytes, detector_bytes, purifier_bytes, head })
        }
    }

    fn read_detector(folder: &Path, card: &ModelCard) -> Result<Option<Vec<u8>>, ModelError> {
        let Some(detector) = &card.detector else { return Ok(None) };
        let bytes = read(&folder.join(&detector.file), MAX_DETECTOR_BYTES)?;
        verify_detector(card, &bytes)?;
        Ok(Some(bytes))
    }

    fn read_purifier(folder: &Path, card: &ModelCard) -> Result<Option<Vec<u8>>, ModelError> {
        let Some(purifier) = &card.purifier else { return Ok(None) };
        let bytes = read(&folder.join(&purifier.file), MAX_PURIFIER_BYTES)?;
        verify_purifier(card, &bytes)?;
        Ok(Some(bytes))
    }

    fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
        let refuse = |reason: String| ModelError::ReadFile { path: path.display().to_string(), reason };
        let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
        let mut bytes = Vec::new();
        // One byte beyond the limit is enough to know; the size that the file system reports is not trusted.
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
        if bytes.len() as u64 > limit {
            return Err(refuse(format!("it has more than {limit} bytes")));
        }
        Ok(bytes)
    }
}
