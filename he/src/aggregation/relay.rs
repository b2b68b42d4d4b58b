//! The role of the relay: add ciphertexts, fix the set, and open the sum from enough answers. It holds no secret at all.

use super::answer::Answer;
use super::cipher::{add_to, open};
use super::consortium::{Consortium, Round};
use super::contribution::{Contribution, Entry};
use super::parameters::ZEROS;
use super::set::{Delivery, Set};
use super::sharing::Word;
use crate::HeError;

/// A running sum of contributions.
pub struct Tally {
    round: Round,
    entries: Vec<Entry>,
    sum: Vec<u64>,
}

impl Tally {
    /// An empty sum.
    pub fn new(round: &Round) -> Self {
        Self { round: round.clone(), entries: Vec::new(), sum: vec![0; round.length() + ZEROS] }
    }

    /// Adds a contribution.
    ///
    /// # Errors
    /// [`HeError::SecondContribution`] of a site; nothing is added then.
    pub fn add(&mut self, contribution: &Contribution) -> Result<(), HeError> {
        match self.entries.binary_search_by_key(&contribution.site(), |entry| entry.site) {
            Ok(_) => Err(HeError::SecondContribution { site: contribution.site() }),
            Err(place) => {
                add_to(self.round.parameters(), &mut self.sum, &contribution.bodies);
                self.entries.insert(place, contribution.entry.clone());
                Ok(())
            }
        }
    }

    /// The set of all that was added.
    ///
    /// # Errors
    /// [`HeError::SmallCohort`].
    pub fn derive_set(&self, consortium: &Consortium) -> Result<Set, HeError> {
        Set::from_entries(consortium, &self.round, self.entries.clone())
    }
}

/// What to send to a member for confirmation.
///
/// # Errors
/// A contribution of the set that is not at hand.
pub fn derive_delivery(set: &Set, contributions: &[&Contribution], member: u16) -> Result<Delivery, HeError> {
    Delivery::derive(set, contributions, member)
}

/// An opened round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The exact sum of the contributions in the set.
    pub sum: Vec<i64>,
    /// Members whose answers did not fit the others' and were left out.
    pub outliers: Vec<u16>,
}

/// Opens the sum of a set.
///
/// # Errors
/// [`HeError::TooFewAnswers`], a member's second answer, an answer or tally of another set, [`HeError::InconsistentAnswers`] if
/// it cannot be told whose is wrong, or [`HeError::Unopenable`]. With the latter two, further answers may still help.
pub fn open_sum(consortium: &Consortium, set: &Set, tally: &Tally, answers: &[Answer]) -> Result<Opened, HeError> {
    let rules = consortium.rules();
    if tally.entries != set.entries {
        return Err(HeError::OtherSet { what: "the tally" });
    }
    answers.iter().try_for_each(|answer| answer.check_set(set))?;
    let mut points: Vec<(u16, &[u16])> = answers.iter().map(|answer| (answer.member(), &answer.sum[..])).collect();
    points.sort_by_key(|(member, _)| *member);
    if let Some(pair) = points.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(HeError::SecondAnswer { member: pair[0].0 });
    }
    if points.len() < usize::from(rules.threshold()) {
        return Err(HeError::TooFewAnswers { found: points.len(), threshold: rules.threshold() });
    }
    let word = Word { points };
    let outliers = if word.is_consistent(rules) { Vec::new() } else { word.outliers(rules) };
    let good = word.without(&outliers);
    if !good.is_consistent(rules) {
        return Err(HeError::InconsistentAnswers);
    }
    let key = good.derive_key(rules);
    let sum = open(&tally.round, &key, &tally.sum, set.entries.len())?;
    Ok(Opened { sum, outliers })
}
