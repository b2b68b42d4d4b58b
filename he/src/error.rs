use thiserror::Error;

/// Why an operation of this crate did not happen. No variant carries a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeError {
    /// The operating system or browser gave no randomness.
    #[error("the system gave no random bytes: nothing can be encrypted until it does")]
    NoRandomness,
    /// Bytes of another length than the object has.
    #[error("{what} takes {expected} bytes, {found} came: check the sender's parameters and dimension")]
    Length {
        /// Which object.
        what: &'static str,
        /// Bytes it has.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Bits behind the last packed value are set.
    #[error("{what} has bits set behind its last value: it was not packed by this protocol")]
    Padding {
        /// Which object.
        what: &'static str,
    },
    /// A count outside its range.
    #[error("{what} is {found}, it must lie between 1 and {most}")]
    Count {
        /// Which count.
        what: &'static str,
        /// Value given.
        found: usize,
        /// Largest value allowed.
        most: usize,
    },
    /// Lists whose lengths do not fit each other.
    #[error("{what} are {found}, {expected} are needed: pass classes × dim weights and one bias a class")]
    Entries {
        /// Which list.
        what: &'static str,
        /// Entries given.
        found: usize,
        /// Entries needed.
        expected: usize,
    },
    /// A token and a head of different dimensions.
    #[error("the token has {token} values, the head takes {head}: use the encoder that belongs to the head")]
    Dimension {
        /// Values in the token.
        token: usize,
        /// Values the head takes.
        head: usize,
    },
    /// Objects of two parameter sets met.
    #[error("these objects belong to different parameter sets: make both under the same one")]
    OtherParameters,
    /// A value of the token is too large. The value itself is a secret.
    #[error("value {index} of the token is beyond ±{limit}: quantise with the model's quantiser first")]
    TokenValue {
        /// Where.
        index: usize,
        /// Largest magnitude allowed.
        limit: i16,
    },
    /// A weight is too large.
    #[error("weight {index} of class {class} is beyond ±{limit}: quantise the head to fewer bits")]
    Weight {
        /// Row of the weight.
        class: usize,
        /// Column of the weight.
        index: usize,
        /// Largest magnitude allowed.
        limit: i16,
    },
    /// A head whose largest logit does not fit the message space.
    #[error("a logit of class {class} can reach {reach}, at most {most} fits: scale the head's weights down")]
    Overflow {
        /// Row of the head.
        class: usize,
        /// Largest magnitude a logit can reach.
        reach: u64,
        /// Largest magnitude that decrypts exactly.
        most: u64,
    },
    /// A head whose answers would be wrong too often.
    #[error("logits of class {class} would be wrong more often than once in 2^64: scale the head's weights down")]
    TooNoisy {
        /// Row of the head.
        class: usize,
    },
}
