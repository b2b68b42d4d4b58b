//! What a simulation came to: the run record that the report reads.

use serde::{Deserialize, Serialize};

use super::{
    compare::Comparison,
    deal::Deal,
    fedavg::Settings,
    noisy::NoisyPoint,
    scenario::{Outcome, SiteBytes},
    traffic::Row,
};

/// The outcome of `lab federate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FederateRecord {
    /// Model.
    pub model: String,
    /// Data set.
    pub data: String,
    /// SHA-256 of the encoder.
    pub encoder: String,
    /// The command line.
    pub command: String,
    /// Sites.
    pub sites: u16,
    /// How the images of the real round were dealt.
    pub split_by: Deal,
    /// Seed.
    pub seed: u64,
    /// Whether the sites of the real round were processes of their own.
    pub processes: bool,
    /// Largest norm of a token, and the share of training tokens that it shortens.
    pub clip_norm: u32,
    /// See above.
    pub clipped: f64,
    /// Shrinkage of LDA.
    pub shrinkage: f64,
    /// Shrinkages tried, with accuracy and negative log-likelihood on the validation split.
    pub tried: Vec<[f64; 3]>,
    /// Training, validation and test images.
    pub images: [usize; 3],
    /// Groups of the test images.
    pub test_groups: usize,
    /// What the relay published.
    pub published: Published,
    /// Rounds with drop-outs and adversaries.
    pub scenarios: Vec<Outcome>,
    /// The relay's words for a second contribution and for a replayed one.
    pub refusals: [String; 2],
    /// Bytes of a site in a round of statistics and in one of updates.
    pub bytes: [SiteBytes; 2],
    /// Communication for the whole training of a head.
    pub traffic: Vec<Row>,
    /// Rounds that FedAvg needs; none where it never gets there.
    pub fedavg_rounds: Option<u32>,
    /// How FedAvg learned.
    pub fedavg: Settings,
    /// Heads side by side.
    pub comparisons: Vec<Comparison>,
    /// Accuracy under differential privacy.
    pub privacy: Vec<NoisyPoint>,
}

/// The head that a real round made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// The honest round.
    pub round: Outcome,
    /// Images in the sum.
    pub images: i64,
    /// Whether its integers are those of the head of the pooled images.
    pub is_pooled: bool,
    /// Test images whose encrypted logits, opened, are the pooled head's integers, and test images asked.
    pub encrypted_equal: [usize; 2],
    /// Test images that the running relay answered over HTTP with those integers, and images asked.
    pub served_equal: [usize; 2],
    /// The head on the test split.
    pub test: crate::evaluate::Figures,
}
