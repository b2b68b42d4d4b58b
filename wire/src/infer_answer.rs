use crate::WireError;
use crate::envelope::{Kind, check_filled, encode, open, split_fixed};
use crate::limits::{MAX_CLASSES, MAX_LOGITS_BYTES};

/// Bytes in front of the logits: classes (2).
pub(crate) const FIXED_BYTES: usize = 2;

/// Kind 3, relay to client: encrypted logits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferAnswer {
    parameters: u16,
    classes: u16,
    logits: Vec<u8>,
}

impl InferAnswer {
    /// An answer carrying `logits`, the bytes of `he`'s `EncryptedLogits` of `classes` logits.
    ///
    /// # Errors
    /// No class or more than [`MAX_CLASSES`]; empty logits or more than [`MAX_LOGITS_BYTES`].
    pub fn new(parameters: u16, classes: u16, logits: Vec<u8>) -> Result<Self, WireError> {
        check_filled("classes", classes.into(), MAX_CLASSES.into())?;
        check_filled("logits", logits.len(), MAX_LOGITS_BYTES)?;
        Ok(Self { parameters, classes, logits })
    }

    /// Number of the parameter set.
    pub fn parameters(&self) -> u16 {
        self.parameters
    }

    /// Logits in the answer.
    pub fn classes(&self) -> u16 {
        self.classes
    }

    /// Bytes of the encrypted logits, opaque to this crate.
    pub fn logits(&self) -> &[u8] {
        &self.logits
    }

    /// The whole message.
    pub fn encode(&self) -> Vec<u8> {
        encode(Kind::InferAnswer, self.parameters, &[&self.classes.to_le_bytes(), &self.logits])
    }

    /// Reads a whole message.
    ///
    /// # Errors
    /// Anything but exactly one well-formed message of this kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (parameters, payload) = open(Kind::InferAnswer, bytes)?;
        let (classes, logits) = split_fixed::<2>(payload)?;
        Self::new(parameters, u16::from_le_bytes(*classes), logits.to_vec())
    }
}
