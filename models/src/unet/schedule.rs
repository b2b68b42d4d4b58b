//! How much noise there is at each level of the diffusion.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

/// The last noise level: nothing but noise. Level 0 is the clean image.
pub const MAX_T: u16 = 1000;

/// A noise schedule over the levels 0..=1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// β rises evenly from 1e-4 to 0.02 (Ho et al. 2020, arXiv 2006.11239, section 4).
    Linear,
    /// ᾱ falls as a squared cosine with s = 0.008, β at most 0.999 (Nichol & Dhariwal 2021, arXiv 2102.09672, section 3.2).
    Cosine,
}

impl Schedule {
    /// ᾱ of level `t`: the share of the variance that is the image's. 1 at level 0 and falling; levels beyond 1000 count as 1000.
    ///
    /// The same bits natively and in WebAssembly.
    pub fn alpha_bar(self, t: u16) -> f32 {
        let t = t.min(MAX_T);
        let share = match self {
            Self::Linear => (1..=t).map(|t| 1.0 - linear_beta(t)).product(),
            // The product of 1 - β telescopes; only the last β is beyond 0.999.
            Self::Cosine if t == MAX_T => cosine(MAX_T - 1) / cosine(0) * 1e-3,
            Self::Cosine => cosine(t) / cosine(0),
        };
        share as f32
    }

    /// What the image and the noise are multiplied with at level `t`: √ᾱ and √(1 - ᾱ).
    pub fn shares(self, t: u16) -> [f32; 2] {
        let alpha_bar = self.alpha_bar(t);
        [alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt()]
    }
}

fn linear_beta(t: u16) -> f64 {
    1e-4 + (2e-2 - 1e-4) * f64::from(t - 1) / f64::from(MAX_T - 1)
}

fn cosine(t: u16) -> f64 {
    let place = (f64::from(t) / f64::from(MAX_T) + 0.008) / 1.008;
    let cosine = libm::cos(place * FRAC_PI_2);
    cosine * cosine
}
