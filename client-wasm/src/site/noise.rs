//! Differential privacy as the page offers it: from a wish (ε, δ) to noise, and what it then really costs.

use federation::api::Rules;
use federation::privacy::{self, Noise, Shares};
use federation::statistics::Shape;
use serde::Serialize;

use super::record::Wish;
use crate::error::ClientError;

/// What a wish means in numbers.
#[derive(Serialize)]
pub struct Offer {
    /// ε that one image of this site loses, where every site of the cohort adds its part.
    epsilon: f64,
    delta: f64,
    /// The same where this site alone does.
    alone_epsilon: f64,
    /// Standard deviation of this site's part on a count.
    count_deviation: f64,
    /// Standard deviation of this site's part on an entry of a per-class sum, in quantised steps.
    sum_deviation: f64,
}

/// The noise for a wish under a consortium's rules: the smallest cohort, less those who may collude, adds enough.
///
/// # Errors
/// `refused` for an ε or δ out of range.
pub fn derive(wish: Wish, shape: Shape, rules: Rules) -> Result<Noise, ClientError> {
    let mu = privacy::mu(wish.epsilon, wish.delta)?;
    Ok(Noise::derive(shape, mu, Shares::EVEN, rules.cohort.saturating_sub(rules.collusion))?)
}

/// What that noise promises.
///
/// # Errors
/// `refused` for an ε or δ out of range.
pub fn offer(wish: Wish, shape: Shape, rules: Rules) -> Result<Offer, ClientError> {
    let noise = derive(wish, shape, rules)?;
    let mu = noise.mu(shape);
    let parts = f64::from(noise.honest).sqrt();
    Ok(Offer {
        epsilon: privacy::epsilon(mu, wish.delta)?,
        delta: wish.delta,
        alone_epsilon: privacy::epsilon((mu * parts).min(100.0), wish.delta)?,
        count_deviation: noise.counts / parts,
        sum_deviation: noise.sums / parts,
    })
}
