//! What can go wrong, each with a sentence that says what to do.

use thiserror::Error;

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FederationError {
    /// Statistics of an impossible or another shape.
    #[error("the statistics do not fit: {reason}; check classes, token width and clip norm of the consortium")]
    BadShape {
        /// What was wrong.
        reason: String,
    },
    /// A token or class that does not fit the statistics.
    #[error("an image does not fit the statistics: {reason}; encode it with the consortium's model")]
    BadToken {
        /// What was wrong.
        reason: String,
    },
    /// More images than a sum has room for.
    #[error("a site may contribute at most {limit} images at this clip norm; leave some out")]
    TooManyImages {
        /// Most images of one site.
        limit: i64,
    },
    /// Another number of values than needed.
    #[error("{found} values are there and {expected} are needed; check model and classes of the round")]
    WrongLength {
        /// Values found.
        found: usize,
        /// Values needed.
        expected: usize,
    },
    /// A class of which nobody has an image.
    #[error("class {class} has no image in the sum; let a site that has some contribute, or leave the class out")]
    EmptyClass {
        /// Index of the class.
        class: usize,
    },
    /// A covariance that cannot be inverted.
    #[error("the tokens' covariance is not positive definite; raise the shrinkage, or the diagonal where the sum carries noise")]
    Singular,
    /// A setting out of range.
    #[error("{what} is {value}, which is outside its range {range}; choose another")]
    OutOfRange {
        /// Name of the setting.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        range: &'static str,
    },
    /// A round that the privacy budget does not allow.
    #[error(
        "the round would bring the privacy loss to ε = {would_be:.3}, over the budget of {budget:.3}; add more noise, or take no part"
    )]
    BudgetSpent {
        /// ε after the round.
        would_be: f64,
        /// ε of the budget.
        budget: f64,
    },
    /// A round that is in the ledger already.
    #[error("round {round} is in the ledger already; a site contributes once to a round")]
    AlreadySpent {
        /// Name of the round.
        round: String,
    },
    /// No randomness from the system.
    #[error("the system gave no randomness ({reason}); try again")]
    Randomness {
        /// The system's words.
        reason: String,
    },
}
