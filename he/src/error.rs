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
    /// A rule of a consortium outside its range.
    #[error("{what} is {found}, it must lie between {least} and {most}")]
    Rule {
        /// Which rule.
        what: &'static str,
        /// Value given.
        found: u16,
        /// Smallest value allowed.
        least: u16,
        /// Largest value allowed.
        most: u16,
    },
    /// A roster of another length than the rules say.
    #[error("the roster has {found} identities and the rules speak of {sites} sites: wait until all sites have enrolled")]
    RosterLength {
        /// Identities given.
        found: usize,
        /// Sites of the rules.
        sites: u16,
    },
    /// The same keys stand in the roster twice.
    #[error("site {site} has the keys of an earlier site in the roster: each site must make its own identity")]
    RepeatedIdentity {
        /// The later of the two.
        site: u16,
    },
    /// Bytes that are no identity, or keys that do not belong together.
    #[error("the identity is not valid: its keys must be made and signed by one site's own client")]
    BadIdentity,
    /// The caller's identity is not in the roster.
    #[error("this identity is not in the consortium's roster: enrol, or use the identity that was enrolled")]
    NotInRoster,
    /// A site index beyond the roster.
    #[error("there is no site {site} in this consortium")]
    UnknownSite {
        /// The index.
        site: u16,
    },
    /// A message ended early.
    #[error("{what} ends too early: it was cut on its way, send it again")]
    Truncated {
        /// Which message.
        what: &'static str,
    },
    /// A message with bytes behind its end.
    #[error("{what} has {bytes} bytes behind its end: it was not made by this protocol")]
    Trailing {
        /// Which message.
        what: &'static str,
        /// Bytes too many.
        bytes: usize,
    },
    /// A message of another version.
    #[error("the message has version {found} and version 1 is spoken here: update the older of the two programs")]
    MessageVersion {
        /// The version that came.
        found: u8,
    },
    /// Another kind of message.
    #[error("these bytes are not {what}: they belong to another step of the round")]
    MessageKind {
        /// Which message was wanted.
        what: &'static str,
    },
    /// A message of another round.
    #[error("{what} belongs to another round: a stale or replayed message is not taken")]
    OtherRound {
        /// Which message.
        what: &'static str,
    },
    /// A message about another set.
    #[error("{what} is for another set of contributions: fetch the round's set again")]
    OtherSet {
        /// Which message.
        what: &'static str,
    },
    /// A field element out of range.
    #[error("{what} holds a number that is no element of the field: it was not made by this protocol")]
    NotAnElement {
        /// Which message.
        what: &'static str,
    },
    /// A forged message.
    #[error("{what} does not bear the signature of site {site}: it is forged or was changed on its way")]
    BadSignature {
        /// Which message.
        what: &'static str,
        /// Who should have signed.
        site: u16,
    },
    /// A vector of another length than the round's.
    #[error("the vector has {found} values and the round sums {expected}: check the model and its classes")]
    VectorLength {
        /// Values given.
        found: usize,
        /// Values of the round.
        expected: usize,
    },
    /// A value is too large. The value itself is a secret.
    #[error("value {index} of the vector is beyond ±{limit}: clip it, or contribute fewer images")]
    VectorValue {
        /// Where.
        index: usize,
        /// Largest magnitude allowed.
        limit: i64,
    },
    /// Too few contributions to hide each other.
    #[error("{found} sites contributed and at least {least} must: fewer would show what a single one sent")]
    SmallCohort {
        /// Contributions in the set.
        found: usize,
        /// Fewest allowed.
        least: u16,
    },
    /// A set whose sites are not strictly ascending.
    #[error("the set names a site twice or out of order: it was not made by this protocol")]
    DisorderedSet,
    /// A contribution of the set is not at hand.
    #[error("the contribution of site {site} is not at hand")]
    MissingContribution {
        /// Whose.
        site: u16,
    },
    /// A second contribution of one site.
    #[error("site {site} has contributed to this round before: the first contribution stands")]
    SecondContribution {
        /// Whose.
        site: u16,
    },
    /// A second confirmation of one member.
    #[error("member {member} has confirmed before: the first confirmation stands")]
    SecondConfirmation {
        /// Whose.
        member: u16,
    },
    /// A second answer of one member.
    #[error("member {member} has answered before: the first answer stands")]
    SecondAnswer {
        /// Whose.
        member: u16,
    },
    /// A member was asked to confirm two sets of one round.
    #[error("another set of this round was confirmed before: the relay showed two sets, which may open single contributions")]
    SecondSet,
    /// A member was asked to answer for a set it had not confirmed.
    #[error("this set was not confirmed here: confirm it before answering")]
    NotConfirmed,
    /// Too few members have confirmed.
    #[error("{found} members confirmed and {quorum} must: wait for more")]
    NoQuorum {
        /// Confirmations.
        found: usize,
        /// Confirmations needed.
        quorum: u16,
    },
    /// A delivery that is meant for another member.
    #[error("the delivery is for member {found} and this is member {own}")]
    OtherMember {
        /// Whom it is for.
        found: u16,
        /// Who asked.
        own: u16,
    },
    /// A site dealt shares that do not fit each other, or a member says so.
    #[error("the key shares of site {site} are bad (members in doubt: {members:?}): begin a new round without that site")]
    BadShare {
        /// The site that dealt them.
        site: u16,
        /// The members whose shares do not fit the rest, where that can be told: either the site or they are at fault.
        members: Vec<u16>,
    },
    /// Too few members have answered.
    #[error("{found} members answered and {threshold} must: wait for more")]
    TooFewAnswers {
        /// Answers.
        found: usize,
        /// Answers needed.
        threshold: u16,
    },
    /// Answers that contradict each other.
    #[error("the members' answers contradict each other and it cannot be told whose is wrong: wait for more answers")]
    InconsistentAnswers,
    /// The sum of keys does not open the sum of contributions.
    #[error("the sum does not open: an answer or a contribution was not made by the protocol; begin a new round")]
    Unopenable,
}
