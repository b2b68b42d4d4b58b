//! What a site keeps between visits, as it is before sealing.

use federation::api::Consortium;
use federation::site::Journal;
use federation::statistics::{Shape, Statistics};
use he::aggregation::IdentityKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::ClientError;

/// Identity and token: what makes this browser the site. No `Debug`, wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secrets {
    seed: [u8; 32],
    /// Bearer token of the site.
    pub token: String,
}

impl Secrets {
    /// The secrets of a newly enrolled site.
    pub fn new(key: &IdentityKey, token: String) -> Self {
        Self { seed: *key.expose_seed(), token }
    }

    /// The identity's key pair.
    pub fn key(&self) -> IdentityKey {
        IdentityKey::derive(&self.seed)
    }
}

/// The record `site`, borrowed for writing.
#[derive(Serialize)]
pub struct SiteRecordRef<'a> {
    /// Identity and token.
    pub secrets: &'a Secrets,
    /// The last that the relay said of the consortium. Public.
    pub consortium: &'a Consortium,
    /// This site's place in the roster.
    pub site: u16,
    /// What it did in each round.
    pub journal: &'a Journal,
}

/// The record `site`, read.
#[derive(Deserialize)]
pub struct SiteRecord {
    /// Identity and token.
    pub secrets: Secrets,
    /// The last that the relay said of the consortium.
    pub consortium: Consortium,
    /// This site's place in the roster.
    pub site: u16,
    /// What it did in each round.
    pub journal: Journal,
}

/// A held-out image: its class and its quantised token `[dim]`.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct HeldOut {
    /// Index of the class.
    pub class: usize,
    /// The token.
    pub token: Vec<i16>,
}

/// Noise as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// ε of one round.
    pub epsilon: f64,
    /// δ of one round.
    pub delta: f64,
}

/// The values that were made for a round: kept before they are sent, so that noise is drawn once.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Made {
    /// Number of the round.
    pub round: u64,
    /// The noise that is in them.
    #[zeroize(skip)]
    pub noise: Option<Wish>,
    /// The values `[shape.length()]`; none without noise, where they are the statistics themselves.
    pub noisy: Option<Vec<i64>>,
}

/// The record `data`: statistics and hold-out of this site's images.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Data {
    /// Classes, token width, clip norm.
    pub shape: [usize; 3],
    /// Names of the classes, for people.
    #[zeroize(skip)]
    pub labels: Vec<String>,
    /// Exact statistics.
    pub values: Vec<i64>,
    /// Images whose token was longer than the clip norm.
    pub clipped: usize,
    /// Images that are not contributed.
    pub held_out: Vec<HeldOut>,
    /// Rounds to which these statistics went.
    pub made: Vec<Made>,
    /// μ of every round with noise, also of earlier statistics.
    pub spent: Vec<(u64, f64)>,
    /// The comparison of heads, once a sum is open.
    #[zeroize(skip)]
    pub evaluation: Option<super::evaluation::Evaluation>,
}

impl Data {
    /// The shape of the statistics.
    ///
    /// # Errors
    /// None but for a record that another version wrote.
    pub fn shape(&self) -> Result<Shape, ClientError> {
        let [classes, dim, clip_norm] = self.shape;
        Ok(Shape::new(classes, dim, u32::try_from(clip_norm).unwrap_or(0))?)
    }

    /// The exact statistics.
    ///
    /// # Errors
    /// None but for a record that another version wrote.
    pub fn statistics(&self) -> Result<Statistics, ClientError> {
        Ok(Statistics::from_values(self.shape()?, self.values.clone())?)
    }
}

/// A record as bytes.
///
/// # Errors
/// None in practice.
pub fn encode(record: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    serde_json::to_vec(record).map(Zeroizing::new).map_err(|_| ClientError::internal("a record could not be written"))
}

/// A record from bytes.
///
/// # Errors
/// `no-vault` for a record that another version wrote.
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes).map_err(|_| ClientError::no_vault("what it kept is of another version of this page"))
}
