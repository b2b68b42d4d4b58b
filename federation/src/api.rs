//! The JSON that relay, sites and viewers exchange. Everything binary (contributions, shares, answers) is opaque here: see [`he::aggregation`].

use serde::{Deserialize, Serialize};

/// Who may do what on the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Founds consortia, invites, opens rounds, publishes heads.
    Admin,
    /// Contributes to rounds and takes part in their opening.
    Site,
    /// Reads rounds, results and the audit log.
    Viewer,
}

/// What an administrator sends to found a consortium. Rules left out become [`he::aggregation::Rules::recommended`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewConsortium {
    /// Lower-case letters, digits and dashes.
    pub id: String,
    /// For people.
    pub title: String,
    /// The model pack whose head the consortium learns.
    pub model: String,
    /// Ids of the classes, in the order of the head's logits.
    pub classes: Vec<String>,
    /// Number of sites, 3 to 63.
    pub sites: u16,
    /// Members that must answer for a sum to open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u16>,
    /// Members that may collude with the relay and still learn nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collusion: Option<u16>,
    /// Fewest contributions that may be summed and opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<u16>,
    /// Largest Euclidean norm of a quantised CLS token; longer ones are scaled down.
    pub clip_norm: u32,
}

/// The rules of a consortium: [`he::aggregation::Rules`] in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rules {
    /// Number of sites.
    pub sites: u16,
    /// Members that must answer for a sum to open.
    pub threshold: u16,
    /// Members that may collude with the relay and still learn nothing.
    pub collusion: u16,
    /// Fewest contributions that may be summed and opened.
    pub cohort: u16,
    /// Members that must confirm the same set before any of them answers.
    pub quorum: u16,
}

/// Whether all sites have enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConsortiumState {
    /// Sites are missing.
    Enrolling,
    /// The roster is complete and fixed; rounds may begin.
    Ready,
}

/// One enrolled site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Site {
    /// Its place in the roster, from 0.
    pub index: u16,
    /// The name the administrator gave its invitation.
    pub name: String,
    /// [`he::aggregation::Identity`] in hexadecimal.
    pub identity: String,
}

/// A consortium as its participants see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Consortium {
    /// Its id.
    pub id: String,
    /// For people.
    pub title: String,
    /// The model pack whose head it learns.
    pub model: String,
    /// Ids of the classes.
    pub classes: Vec<String>,
    /// Its rules.
    pub rules: Rules,
    /// Largest Euclidean norm of a quantised CLS token.
    pub clip_norm: u32,
    /// Whether all sites have enrolled.
    pub state: ConsortiumState,
    /// The sites that have enrolled, by index.
    pub sites: Vec<Site>,
    /// Digest of the roster in hexadecimal, once it is complete. Sites compute it themselves and compare it out of band.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What an administrator sends to invite a site or viewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Name of the site or viewer, for people.
    pub name: String,
    /// Site or viewer.
    pub role: Role,
}

/// An invitation, shown once. It is a credential: it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitation {
    /// The one-time secret, `vsi_…`.
    pub invitation: String,
    /// When it ends, in seconds since 1970.
    pub expires_at: i64,
}

/// What a site or viewer sends to take up an invitation. It carries a credential: it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The one-time secret.
    pub invitation: String,
    /// [`he::aggregation::Identity`] in hexadecimal; sites only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// What a newly enrolled site or viewer gets, once. It carries a credential: it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enrolled {
    /// Id of the consortium.
    pub consortium: String,
    /// The site's place in the roster; sites only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<u16>,
    /// What the token permits.
    pub role: Role,
    /// The bearer token.
    pub token: String,
}

/// What a round sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Counts, sums and second moments of CLS tokens.
    Statistics,
    /// An update of a model's parameters, for FedAvg.
    Update,
}

/// How a head is computed from opened statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// Linear discriminant analysis with shrinkage.
    Lda,
    /// Ridge regression on one-hot classes.
    Ridge,
}

/// What an administrator sends to begin a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRound {
    /// What is summed.
    pub purpose: Purpose,
    /// Values of a contribution; needed for updates, implied by the model for statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Name of the [`he::aggregation::SumParameters`]; implied by the purpose where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// Seconds for contributing.
    pub contribute_s: u32,
    /// Seconds for confirming.
    pub confirm_s: u32,
    /// Seconds for answering.
    pub open_s: u32,
    /// Publish a head from the opened statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<HeadKind>,
}

/// Where a round stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RoundState {
    /// Sites send contributions.
    Contributing,
    /// The set is fixed; members confirm it.
    Confirming,
    /// A quorum has confirmed; members answer.
    Opening,
    /// The sum is open. Final.
    Opened,
    /// A deadline passed with too few sites or members. Final.
    Expired,
    /// A share was bad or the sum did not open. Final.
    Failed,
}

impl RoundState {
    /// Whether nothing changes any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Opened | Self::Expired | Self::Failed)
    }
}

/// Why a round expired or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// Stable word for programs.
    pub code: String,
    /// Sentence for people, with what to do.
    pub detail: String,
    /// The sites that are named.
    pub sites: Vec<u16>,
}

/// A round as its participants see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Round {
    /// Its number in the consortium, from 1.
    pub number: u64,
    /// What is summed.
    pub purpose: Purpose,
    /// Name of the [`he::aggregation::SumParameters`].
    pub parameters: String,
    /// Values of a contribution.
    pub length: usize,
    /// Where it stands.
    pub state: RoundState,
    /// When this state ends, in seconds since 1970; meaningless in a final state.
    pub deadline: i64,
    /// Sites that have contributed.
    pub contributed: Vec<u16>,
    /// Members that have confirmed.
    pub confirmed: Vec<u16>,
    /// Members that have answered.
    pub answered: Vec<u16>,
    /// Digest of the fixed set in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_digest: Option<String>,
    /// Why it expired or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Version of the model's head that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<u32>,
}

/// The opened sum of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoundResult {
    /// The sites whose contributions were summed.
    pub cohort: Vec<u16>,
    /// The sum; every value is exact in a double.
    pub sum: Vec<i64>,
}

/// The bytes that bind a round to what it is for: contributions made for another model, class order or clipping do not open in it.
pub fn purpose_bytes(purpose: Purpose, consortium: &Consortium) -> Vec<u8> {
    let purpose = match purpose {
        Purpose::Statistics => "statistics",
        Purpose::Update => "update",
    };
    format!("{purpose}:{}:{}:{}", consortium.model, consortium.classes.join(","), consortium.clip_norm).into_bytes()
}
