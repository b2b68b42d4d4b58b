//! Bytes for the whole training of a head: ours as measured, and FedAvg under CKKS from a measured ciphertext.

use models::{ModelCard, TensorMap};
use serde::{Deserialize, Serialize};

use super::scenario::SiteBytes;

/// A CKKS ciphertext of TenSEAL 0.3.18 at N = 8192, coefficient moduli [60, 40, 40, 60], which is the paper's setting: measured.
pub const CKKS_CIPHERTEXT_BYTES: u64 = 331_538;
/// Values in one such ciphertext.
pub const CKKS_SLOTS: u64 = 4096;

/// One way to train, in bytes of one site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What is sent.
    pub name: String,
    /// Numbers of an update, or values of the statistics.
    pub values: u64,
    /// Rounds.
    pub rounds: u32,
    /// Sent by a site in a round.
    pub up: u64,
    /// Received by a site in a round.
    pub down: u64,
    /// Whether the bytes were measured on messages, or computed from the ciphertext's size.
    pub measured: bool,
}

impl Row {
    /// Bytes of a site for the whole training.
    pub fn total(&self) -> u64 {
        (self.up + self.down) * u64::from(self.rounds)
    }
}

/// Our rows, of the measured bytes of one site in one round.
pub fn measured(name: &str, bytes: &SiteBytes, rounds: u32) -> Row {
    let up = bytes.contribution + bytes.confirmation + bytes.answer;
    let down = bytes.total() - up;
    Row { name: name.to_owned(), values: bytes.values as u64, rounds, up, down, measured: true }
}

/// FedAvg of `values` numbers: a site sends its encrypted update and receives the encrypted sum.
pub fn ckks(name: &str, values: u64, rounds: u32) -> Row {
    let way = values.div_ceil(CKKS_SLOTS) * CKKS_CIPHERTEXT_BYTES;
    Row { name: name.to_owned(), values, rounds, up: way, down: way, measured: false }
}

/// Numbers of an encoder that training would change.
///
/// # Errors
/// Where the file is no weights file.
pub fn encoder_values(card: &ModelCard, encoder: &[u8]) -> anyhow::Result<u64> {
    let weights = TensorMap::from_safetensors(encoder)?;
    let count = weights.iter().map(|(_, tensor)| tensor.data.len() as u64).sum();
    anyhow::ensure!(count > card.cls.dim as u64, "the encoder holds no weights");
    Ok(count)
}
