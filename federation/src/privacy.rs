//! Differential privacy for contributed statistics: how much noise, who adds it, and what is spent.
//!
//! # Mechanism
//! Neighbouring data differ by one image, added or removed. Adding Gaussian noise of deviation σ to a vector of Euclidean sensitivity
//! Δ is μ-Gaussian-differentially private with μ = Δ/σ (Dong, Roth, Su 2019), which is the same as (ε, δ)-DP for every ε with
//! `δ(ε) = Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ)` (Balle, Wang 2018, theorem 8: "analytic Gaussian mechanism"). Both directions are exact,
//! and rounds compose exactly: `μ² = Σ μᵢ²`.
//!
//! # Sensitivity
//! One image of class `c` whose token `x` has norm ≤ `R` ([`crate::statistics::clip`]) changes one count by 1, the sums of one class
//! by `x` (norm ≤ R), and the second moments by `x xᵀ`. With deviation σ off the diagonal of the packed triangle and √2 σ on it, the
//! squared change in units of the deviation is `Σ_{i<j} xᵢ²xⱼ²/σ² + Σᵢ xᵢ⁴/(2σ²) = ‖x‖⁴/(2σ²)`, so that part costs μ = R²/(√2 σ), for
//! every token alike. The three parts are independent coordinates: `μ² = μ_counts² + μ_sums² + μ_moments²` ([`Shares`]).
//! A patient with k images is protected with k μ.
//!
//! # Split over sites
//! No site can be trusted to add the noise of all. In a cohort of at least `m` sites of which at most `f` collude, at least `m − f`
//! honest sites take part, so each adds the variance σ²/(m − f): the honest part of the smallest cohort suffices, and larger cohorts
//! carry more noise than needed.
//!
//! # Rounding
//! A site adds Gaussian noise to integers and rounds: what it sends is a rounding of the continuous mechanism. The sum over sites is a
//! Gaussian smoothed by uniform noise and read at the integers, up to terms of size `exp(−2π²σᵢ²)` for each site's deviation σᵢ; no
//! part of the noise is smaller than [`MIN_DEVIATION`], where those terms are 1e-34, even where less would be enough.
//! The samples are double floats made by Box and Muller from the system's randomness. Mironov's attack (2012) on floating-point noise
//! reads the low bits of a released float; here they are rounded away, at a deviation of at least two integers. The tail ends
//! at 8.6 σ, since a uniform has 53 bits; that adds less than 1e-17 to δ for each value.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{FederationError, statistics::Shape};

/// Smallest deviation of the noise of one site.
pub const MIN_DEVIATION: f64 = 2.0;
/// Largest absolute value that a contribution may reach with its noise: the range of `SUM_2048_Q52`.
pub const NOISY_LIMIT: i64 = 1 << 35;

/// Distribution function of the standard normal law.
fn normal_cdf(x: f64) -> f64 {
    libm::erfc(-x / core::f64::consts::SQRT_2) / 2.0
}

/// The δ of a μ-Gaussian-differentially private mechanism at `epsilon`.
pub fn delta(mu: f64, epsilon: f64) -> f64 {
    if mu <= 0.0 {
        return 0.0;
    }
    let tail = normal_cdf(-mu / 2.0 - epsilon / mu);
    // e^ε overflows only where the tail is zero in a double.
    let weighted = if tail > 0.0 { libm::exp(epsilon + libm::log(tail)) } else { 0.0 };
    (normal_cdf(mu / 2.0 - epsilon / mu) - weighted).max(0.0)
}

/// The smallest ε ≥ 0 at which a μ-Gaussian-differentially private mechanism has at most this δ.
///
/// # Errors
/// [`FederationError::OutOfRange`] for a δ outside 0..1 (exclusive) or a μ that is negative or above 100.
pub fn epsilon(mu: f64, delta_limit: f64) -> Result<f64, FederationError> {
    check_delta(delta_limit)?;
    if !(0.0..=100.0).contains(&mu) {
        return Err(FederationError::OutOfRange { what: "μ", value: mu, range: "0..=100" });
    }
    if delta(mu, 0.0) <= delta_limit {
        return Ok(0.0);
    }
    // δ falls in ε; at ε = μ²/2 + 40 μ both tails are gone.
    Ok(bisect(0.0, mu * mu / 2.0 + 40.0 * mu, |epsilon| delta(mu, epsilon) <= delta_limit))
}

/// The largest μ that is still (ε, δ)-DP. The noise's deviation is the sensitivity over it.
///
/// # Errors
/// [`FederationError::OutOfRange`] for an ε that is not above zero (or above 1000) or a δ outside 0..1 (exclusive).
pub fn mu(epsilon: f64, delta_limit: f64) -> Result<f64, FederationError> {
    check_delta(delta_limit)?;
    if !(epsilon > 0.0 && epsilon <= 1000.0) {
        return Err(FederationError::OutOfRange { what: "ε", value: epsilon, range: "above 0, up to 1000" });
    }
    // By 1/μ: δ rises in μ, so it falls in its inverse, and the search ends on the safe side.
    Ok(1.0 / bisect(1e-2, 1e9, |inverse| delta(1.0 / inverse, epsilon) <= delta_limit))
}

fn check_delta(delta: f64) -> Result<(), FederationError> {
    if delta > 0.0 && delta < 1.0 {
        return Ok(());
    }
    Err(FederationError::OutOfRange { what: "δ", value: delta, range: "between 0 and 1" })
}

/// The least number between `low` and `high` for which `enough` holds, from above; `enough` is false below it and true from it on.
fn bisect(mut low: f64, mut high: f64, enough: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = if low > 0.0 { libm::sqrt(low) * libm::sqrt(high) } else { (low + high) / 2.0 };
        if enough(middle) { high = middle } else { low = middle }
    }
    high
}

/// How a round's μ² is divided between counts, sums and second moments. The shares sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Of the counts.
    pub counts: f64,
    /// Of the sums by class.
    pub sums: f64,
    /// Of the second moments.
    pub moments: f64,
}

impl Shares {
    /// A tenth for the counts, the rest in equal parts.
    pub const EVEN: Self = Self { counts: 0.1, sums: 0.45, moments: 0.45 };
}

/// The noise of a round: deviations of the *whole* noise, and into how many parts it is divided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Deviation of a count's noise.
    pub counts: f64,
    /// Deviation of a sum's.
    pub sums: f64,
    /// Deviation of an off-diagonal second moment's; on the diagonal it is √2 times as much.
    pub moments: f64,
    /// Honest sites that are certain to take part, each of which adds its part of the variance.
    pub honest: u16,
}

impl Noise {
    /// Noise that makes the sum of statistics of this shape μ-Gaussian-differentially private towards everyone outside `honest` sites.
    /// For rules with minimum cohort `m` and collusion bound `f`, `honest` is `m − f`. It costs a little less than `mu` where a part is
    /// raised to [`MIN_DEVIATION`]: see [`Self::mu`].
    ///
    /// # Errors
    /// [`FederationError::OutOfRange`] where μ, the shares or `honest` make no sense.
    pub fn derive(shape: Shape, mu: f64, shares: Shares, honest: u16) -> Result<Self, FederationError> {
        let refuse = |what, value, range| Err(FederationError::OutOfRange { what, value, range });
        if !(mu > 0.0 && mu <= 100.0) {
            return refuse("μ", mu, "above 0, up to 100");
        }
        let parts = [shares.counts, shares.sums, shares.moments];
        let sum: f64 = parts.iter().sum();
        if !parts.iter().all(|share| *share > 0.0) || (sum - 1.0).abs() > 1e-9 {
            return refuse("the sum of the noise's shares", sum, "1, none of them zero");
        }
        if honest == 0 {
            return refuse("the number of honest sites", 0.0, "1 and above");
        }
        let clip = f64::from(shape.clip_norm());
        let least = MIN_DEVIATION * libm::sqrt(f64::from(honest));
        let deviation = |sensitivity: f64, share: f64| (sensitivity / (mu * libm::sqrt(share))).max(least);
        Ok(Self {
            counts: deviation(1.0, shares.counts),
            sums: deviation(clip, shares.sums),
            moments: deviation(clip * clip / core::f64::consts::SQRT_2, shares.moments),
            honest,
        })
    }

    /// What this noise costs in a round.
    pub fn mu(&self, shape: Shape) -> f64 {
        let clip = f64::from(shape.clip_norm());
        let squares = [1.0 / self.counts, clip / self.sums, clip * clip / (core::f64::consts::SQRT_2 * self.moments)];
        libm::sqrt(squares.iter().map(|part| part * part).sum())
    }

    /// Adds one site's part of the noise to its statistics' `values`; clamps to ±2^35, which depends on nothing but the noisy value.
    ///
    /// # Errors
    /// [`FederationError::WrongLength`] where the values are of another shape; [`FederationError::Randomness`] without randomness.
    pub fn add_part(&self, shape: Shape, values: &mut [i64]) -> Result<(), FederationError> {
        if values.len() != shape.length() {
            return Err(FederationError::WrongLength { found: values.len(), expected: shape.length() });
        }
        let part = 1.0 / libm::sqrt(f64::from(self.honest));
        let (counts, rest) = values.split_at_mut(shape.classes());
        let (sums, mut moments) = rest.split_at_mut(shape.classes() * shape.dim());
        add_gaussian(counts, self.counts * part)?;
        add_gaussian(sums, self.sums * part)?;
        for width in (1..=shape.dim()).rev() {
            let (row, rest) = moments.split_at_mut(width);
            let (diagonal, off) = row.split_at_mut(1);
            add_gaussian(diagonal, self.moments * part * core::f64::consts::SQRT_2)?;
            add_gaussian(off, self.moments * part)?;
            moments = rest;
        }
        Ok(())
    }

    /// A bound on the second moments' noise as a matrix, for [`crate::statistics::Statistics::raise_diagonal`]: noise of `sites` parts
    /// has a spectral norm of about `2 σ √d`, and a tenth more is exceeded hardly ever. Needs no data, so it costs no privacy.
    pub fn spectral_norm(&self, shape: Shape, sites: u16) -> i64 {
        let parts = f64::from(sites) / f64::from(self.honest);
        libm::ceil(2.2 * self.moments * libm::sqrt(parts * shape.dim() as f64)) as i64
    }
}

/// Adds rounded Gaussian noise of this deviation to each value.
fn add_gaussian(values: &mut [i64], deviation: f64) -> Result<(), FederationError> {
    for pair in values.chunks_mut(2) {
        for (value, noise) in pair.iter_mut().zip(normal_pair()?) {
            let noisy = value.saturating_add(libm::round(noise * deviation) as i64);
            *value = noisy.clamp(-NOISY_LIMIT, NOISY_LIMIT);
        }
    }
    Ok(())
}

/// Two independent standard normal numbers (Box, Muller 1958).
fn normal_pair() -> Result<[f64; 2], FederationError> {
    let mut bytes = Zeroizing::new([0u8; 16]);
    getrandom::fill(&mut *bytes).map_err(|error| FederationError::Randomness { reason: error.to_string() })?;
    let bits = u128::from_le_bytes(*bytes);
    let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let radius = libm::sqrt(-2.0 * libm::log(unit(bits as u64)));
    let angle = 2.0 * core::f64::consts::PI * unit((bits >> 64) as u64);
    Ok([radius * libm::cos(angle), radius * libm::sin(angle)])
}

/// What a site has spent of its privacy budget. It is kept with the site's state, and asked before each noisy contribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    epsilon: f64,
    delta: f64,
    entries: Vec<(String, f64)>,
}

impl Ledger {
    /// An empty ledger with a budget of (ε, δ).
    ///
    /// # Errors
    /// [`FederationError::OutOfRange`] for an ε or δ out of range.
    pub fn new(epsilon: f64, delta: f64) -> Result<Self, FederationError> {
        mu(epsilon, delta)?;
        Ok(Self { epsilon, delta, entries: Vec::new() })
    }

    /// Enters a round of this μ.
    ///
    /// # Errors
    /// [`FederationError::BudgetSpent`] where it would exceed the budget, [`FederationError::AlreadySpent`] for a round that is in the
    /// ledger; the ledger then stays as it was.
    pub fn spend(&mut self, round: &str, mu: f64) -> Result<(), FederationError> {
        if self.entries.iter().any(|(name, _)| name == round) {
            return Err(FederationError::AlreadySpent { round: round.into() });
        }
        let would_be = epsilon(libm::hypot(self.mu(), mu), self.delta)?;
        if would_be > self.epsilon * (1.0 + 1e-9) {
            return Err(FederationError::BudgetSpent { would_be, budget: self.epsilon });
        }
        self.entries.push((round.into(), mu));
        Ok(())
    }

    /// μ of all rounds together.
    pub fn mu(&self) -> f64 {
        libm::sqrt(self.entries.iter().map(|(_, mu)| mu * mu).sum())
    }

    /// ε of all rounds together, at the ledger's δ.
    ///
    /// # Errors
    /// [`FederationError::OutOfRange`] for a ledger that was tampered with.
    pub fn spent(&self) -> Result<f64, FederationError> {
        epsilon(self.mu(), self.delta)
    }
}
