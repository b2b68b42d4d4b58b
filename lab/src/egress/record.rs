//! The record of an audit: what the report is written from.

use models::Schedule;
use serde::{Deserialize, Serialize};

use super::setting::Setting;
use crate::attack::{fidelity::Fidelity, record::Estimate};

/// One run of `lab audit egress`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Egress {
    /// Model.
    pub model: String,
    /// Version of the model.
    pub version: String,
    /// SHA-256 of the purifier that attackers denoise with; none where the pack has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purifier: Option<String>,
    /// Noise schedule.
    pub schedule: Schedule,
    /// Data set.
    pub data: String,
    /// Split of the attacked images.
    pub split: String,
    /// Attacked images.
    pub images: usize,
    /// Independent groups among them.
    pub groups: usize,
    /// Images that attackers learnt from.
    pub trained_on: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// The command line.
    pub command: String,
    /// Seconds that it took.
    pub seconds: f64,
    /// What anyone has without traffic: the median training image, and black.
    pub baselines: Vec<Rebuilt>,
    /// The images themselves as the pack answers them.
    pub untouched: Estimate,
    /// The pack's own setting first.
    pub settings: Vec<Exposure>,
}

/// What relays have of images under one setting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exposure {
    /// How images are sent.
    pub setting: Setting,
    /// Attacked images under this setting.
    pub images: usize,
    /// By the number of relays that collude, 1 first.
    pub colluders: Vec<Collusion>,
}

/// What some relays have together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Collusion {
    /// Relays that put their tiles together.
    pub relays: usize,
    /// Largest part of an image's area that their tiles show, over the images: the sum of what each relay sees, overlaps counted twice, 1 at most.
    pub share: f64,
    /// Tiles that the jigsaw put at their place, of those that are no decoys and not the same all over; 0 to 1.
    pub placed: Estimate,
    /// Every attack, those of an oracle included.
    pub attacks: Vec<Rebuilt>,
    /// Right answers of a classifier of the bag of tiles.
    pub bag: Estimate,
}

/// How well one attack rebuilds images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rebuilt {
    /// How missing places were filled, or what stands for the image.
    pub fill: String,
    /// How tiles were denoised; empty without tiles.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub denoised: String,
    /// Whether places and turns were told: a bound, no attack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oracle: bool,
    /// PSNR in dB.
    pub psnr: Estimate,
    /// SSIM.
    pub ssim: Estimate,
    /// NMI.
    pub nmi: Estimate,
    /// Right answers of the pack on the rebuilt images.
    pub answers: Estimate,
}

/// One rebuilt image, measured.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// How alike it is to the image.
    pub fidelity: Fidelity,
    /// Whether the pack answers it rightly.
    pub right: bool,
}

impl Rebuilt {
    /// An attack from what it found of each image and the images' independent units.
    pub fn new(fill: &str, denoised: &str, oracle: bool, found: &[Found], groups: &[String]) -> Self {
        let of = |pick: &dyn Fn(&Found) -> f64| Estimate::of(&found.iter().map(pick).collect::<Vec<f64>>(), groups);
        Self {
            fill: fill.into(),
            denoised: denoised.into(),
            oracle,
            psnr: of(&|f| f.fidelity.psnr),
            ssim: of(&|f| f.fidelity.ssim),
            nmi: of(&|f| f.fidelity.nmi),
            answers: of(&|f| f64::from(u8::from(f.right))),
        }
    }
}

impl Collusion {
    /// The attack, or with `oracle` the bound, whose images are most like the true ones by SSIM.
    pub fn best(&self, oracle: bool) -> Option<&Rebuilt> {
        self.attacks.iter().filter(|a| a.oracle == oracle).max_by(|a, b| a.ssim.mean.total_cmp(&b.ssim.mean))
    }
}
