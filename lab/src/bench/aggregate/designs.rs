//! The bytes of a round under the designs that were weighed. Ours is measured; the other two are computed from their parameters, with every
//! choice made in their favour: no signatures, no envelopes, no confirmation of the set.

use anyhow::{Context, Result};
use he::aggregation::Rules;
use serde_json::{Value, json};

/// Ring dimension of all three.
const DIMENSION: usize = 2048;

/// Long-lived keys, shared once over the field of 2^64 − 2^32 + 1: bodies as ours; each member answers with a smudged body of eight bytes for each value. To
/// be 40 bits above the noise, the smudge needs N = 4096 and a longer modulus (notes in docs/PROTOCOL.md): not counted here.
fn long_lived_shares(rules: &Rules, dim: usize) -> usize {
    let sites = usize::from(rules.sites());
    let body = dim * body_bits(dim) / 8;
    sites * (body + dim * 8)
}

/// Willow's: the vector under a one-time key as ours, and that key (2,048 coefficients) under a threshold key: two polynomials, switched down to 14 and 10 bits
/// a coefficient for sending. Each member answers with 2,048 smudged words of eight bytes, whatever the vector's length.
fn threshold_ahe(rules: &Rules, dim: usize) -> usize {
    let sites = usize::from(rules.sites());
    let body = dim * body_bits(dim) / 8;
    sites * (body + DIMENSION * (14 + 10) / 8 + DIMENSION * 8)
}

fn body_bits(dim: usize) -> usize {
    if dim <= 2048 { 32 } else { 52 }
}

/// Bytes that all sites together send and receive in a round of each design; `round` is one of ours that was measured.
pub fn compare(round: &Value) -> Result<Value> {
    let number = |key: &str| round[key].as_u64().with_context(|| format!("the round has no {key}"));
    let (sites, dim) = (number("sites")? as u16, number("dim")? as usize);
    let rules = Rules::recommended(sites)?;
    Ok(json!({
        "sites": sites, "dim": dim,
        "one_time_keys": round["round_bytes"],
        "long_lived_shares": long_lived_shares(&rules, dim),
        "threshold_ahe": threshold_ahe(&rules, dim),
    }))
}
