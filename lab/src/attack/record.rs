//! Records of attacks: what the report is written from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fidelity::Fidelity;
use crate::metrics;

/// A mean with its 95 % interval, by bootstrap over independent units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// Mean of `values`, each of which belongs to an independent unit of `groups`.
    pub fn of(values: &[f64], groups: &[String]) -> Self {
        let (low, high) = metrics::group_bootstrap(values, groups);
        Self { mean: values.iter().sum::<f64>() / values.len().max(1) as f64, low, high }
    }
}

/// How well one attack on one kind of message rebuilds images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What was sent.
    pub sent: String,
    /// What the attacker did with it.
    pub attack: String,
    /// Sites and images a site in an opened sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<(usize, usize)>,
    /// ε of the noise in an opened sum; absent without noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Attacked images.
    pub images: usize,
    /// PSNR in dB.
    pub psnr: Estimate,
    /// SSIM.
    pub ssim: Estimate,
    /// NMI.
    pub nmi: Estimate,
}

impl Row {
    /// A row from the fidelity of each attacked image and its independent unit.
    pub fn new(sent: &str, attack: &str, found: &[Fidelity], groups: &[String]) -> Self {
        let of = |pick: fn(&Fidelity) -> f64| Estimate::of(&found.iter().map(pick).collect::<Vec<f64>>(), groups);
        Self {
            sent: sent.into(),
            attack: attack.into(),
            cohort: None,
            epsilon: None,
            images: found.len(),
            psnr: of(|f| f.psnr),
            ssim: of(|f| f.ssim),
            nmi: of(|f| f.nmi),
        }
    }
}

/// Membership inference on opened statistics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inference {
    /// Sites in the sum.
    pub sites: usize,
    /// Images of each site.
    pub per_site: usize,
    /// Whether second moments were opened besides counts and sums.
    pub moments: bool,
    /// ε of the noise; absent without noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Largest AUC that any attacker can reach under this noise, Φ(μ/√2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// Targets, half of them or fewer members.
    pub targets: usize,
    /// Area under the ROC curve.
    pub auc: Estimate,
    /// True-positive rate at a false-positive rate of 1 %.
    pub tpr: Estimate,
}

/// A picture of attacked and rebuilt images, one row an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sheet {
    /// File beside the report.
    pub file: String,
    /// What each column shows.
    pub columns: Vec<String>,
}

/// One run of `lab attack invert`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leakage {
    /// What was attacked: gradients, tokens, protocol or membership.
    pub what: String,
    /// Model.
    pub model: String,
    /// Version of the model.
    pub version: String,
    /// SHA-256 of the encoder.
    pub encoder: String,
    /// Data set.
    pub data: String,
    /// Seed of everything random, except keys and ciphertexts, which take the system's randomness.
    pub seed: u64,
    /// The command line.
    pub command: String,
    /// Seconds of this part.
    pub seconds: f64,
    /// Rebuilt images.
    pub rows: Vec<Row>,
    /// Membership.
    pub membership: Vec<Inference>,
    /// Other figures, by name.
    pub facts: BTreeMap<String, f64>,
    /// Pictures, of phantoms only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Sheet>,
}
