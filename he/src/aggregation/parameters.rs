use std::fmt;

use super::sharing::CHECKS;
use crate::HeError;

/// Ring dimension of both sets: bodies come in chunks of this many values, each chunk with its own mask.
pub(crate) const DIMENSION: usize = 2048;

/// Key coefficients are differences of two sums of this many fair bits: within ±4, variance 2.
pub(crate) const KEY_BITS: u32 = 4;

/// Noise coefficients are differences of two sums of this many fair bits: within ±42, standard deviation 4.58.
pub(crate) const NOISE_BITS: u32 = 42;

/// Most sites of a consortium: the sum of 63 keys stays within ±252 and is unique modulo 509.
pub(crate) const MAX_SITES: u16 = 63;

/// Most values of one contribution: 2^24, about 11 million parameters with room to spare.
pub(crate) const MAX_LENGTH: usize = 1 << 24;

/// Zeros behind every vector. A sum opened with a wrong key shows anything but zeros here.
pub(crate) const ZEROS: usize = 4;

/// A named, immutable set of parameters for sums. `docs/PROTOCOL.md` derives security and failure probability.
pub struct SumParameters {
    id: u16,
    name: &'static str,
    /// The modulus is 2^modulus_log2, and a body travels whole.
    pub(crate) modulus_log2: u32,
    /// A value is scaled by 2^delta_log2.
    pub(crate) delta_log2: u32,
    /// Values lie within ±2^value_log2.
    value_log2: u32,
}

/// N = 2048, q = 2^32, Δ = 2^10: values within ±2^15, four bytes each. For updates and tokens.
pub static SUM_2048_Q32: SumParameters =
    SumParameters { id: 1, name: "SUM_2048_Q32", modulus_log2: 32, delta_log2: 10, value_log2: 15 };

/// N = 2048, q = 2^52, Δ = 2^10: values within ±2^35, six and a half bytes each. For statistics.
pub static SUM_2048_Q52: SumParameters =
    SumParameters { id: 2, name: "SUM_2048_Q52", modulus_log2: 52, delta_log2: 10, value_log2: 35 };

impl fmt::Debug for SumParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for SumParameters {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for SumParameters {}

impl SumParameters {
    /// The set of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        [&SUM_2048_Q32, &SUM_2048_Q52].into_iter().find(|set| set.name == name)
    }

    /// Number of this set in messages.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Largest magnitude of a contributed value: 2^15 or 2^35. A sum of [`Self::max_sites`] such values cannot overflow.
    pub fn value_limit(&self) -> i64 {
        1 << self.value_log2
    }

    /// Most sites of a consortium, and so most contributions in a sum: 63.
    pub fn max_sites(&self) -> u16 {
        MAX_SITES
    }

    /// Bytes of the bodies of `length` values.
    pub(crate) fn body_bytes(&self, length: usize) -> usize {
        ((length + ZEROS) * self.modulus_log2 as usize).div_ceil(8)
    }
}

/// Who must take part, and who may collude, in a consortium whose members are all its sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    sites: u16,
    threshold: u16,
    collusion: u16,
    cohort: u16,
}

impl Rules {
    /// Rules for `sites` sites: any `threshold` members open a sum that a quorum agreed on, `collusion` members and the relay together
    /// learn no single contribution, and no sum of fewer than `cohort` contributions is opened.
    ///
    /// # Errors
    /// Sites outside 3..=63, collusion outside 1..threshold, a threshold over the sites, or a cohort outside collusion + 2 ..= sites
    /// (with fewer, the colluding members would subtract their own and see one site's vector).
    pub fn new(sites: u16, threshold: u16, collusion: u16, cohort: u16) -> Result<Self, HeError> {
        check("the number of sites", sites, 3, MAX_SITES)?;
        check("the threshold", threshold, 2, sites)?;
        check("the collusion bound", collusion, 1, threshold - 1)?;
        check("the minimum cohort", cohort, collusion + 2, sites)?;
        Ok(Self { sites, threshold, collusion, cohort })
    }

    /// A fifth of the sites (at least one) may collude, and as many may be missing at the opening.
    ///
    /// # Errors
    /// Sites outside 3..=63.
    pub fn recommended(sites: u16) -> Result<Self, HeError> {
        check("the number of sites", sites, 3, MAX_SITES)?;
        let collusion = (sites / 5).max(1);
        Self::new(sites, sites - collusion, collusion, collusion + 2)
    }

    /// Number of sites n.
    pub fn sites(&self) -> u16 {
        self.sites
    }

    /// Members t whose answers open a sum.
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// Members f that may collude with the relay.
    pub fn collusion(&self) -> u16 {
        self.collusion
    }

    /// Fewest contributions in an opened sum.
    pub fn cohort(&self) -> u16 {
        self.cohort
    }

    /// Members that must confirm a set: more than (n + f)/2, so that two sets of one round cannot both find a quorum.
    pub fn quorum(&self) -> u16 {
        self.threshold.max((self.sites + self.collusion) / 2 + 1)
    }

    /// Key coefficients that one polynomial carries: k = t − f.
    pub(crate) fn packing(&self) -> usize {
        usize::from(self.threshold - self.collusion)
    }

    /// Polynomials that carry the whole key.
    pub(crate) fn rows(&self) -> usize {
        DIMENSION.div_ceil(self.packing())
    }

    /// Field elements of one share: a value of each key polynomial and of each check polynomial.
    pub(crate) fn share_length(&self) -> usize {
        self.rows() + CHECKS
    }
}

fn check(what: &'static str, found: u16, least: u16, most: u16) -> Result<(), HeError> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(HeError::Rule { what, found, least, most }) }
}
