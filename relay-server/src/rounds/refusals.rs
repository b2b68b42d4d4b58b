//! What is said to those whose request is refused in consortia and rounds: each case has a word of its own.

use axum::http::StatusCode;
use federation::api::RoundState;
use he::HeError;

use super::protocol::Refusal;
use crate::problem::Problem;
use crate::store::Kind;

impl Problem {
    pub(crate) fn unauthorised() -> Self {
        let detail = "Send the token that the enrolment or the purification gave, as `Authorization: Bearer …`; it is missing or unknown here.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "Not authorised", detail)
    }

    pub(crate) fn no_administrator() -> Self {
        let detail = "This relay has no administrator: run `relay-server --make-admin-token`, put the SHA-256 that it prints into the \
                      configuration as federation.admin_token_sha256, and start the relay again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no-administrator", "No administrator", detail)
    }

    pub(crate) fn wrong_role(needed: &'static str) -> Self {
        let detail = format!("This needs the token of {needed}; the token sent belongs to another role.");
        Self::new(StatusCode::FORBIDDEN, "wrong-role", "Wrong role", detail)
    }

    pub(crate) fn unknown_consortium() -> Self {
        let detail = "No consortium of this name is known to the holder of this token; check the name in the address.";
        Self::new(StatusCode::NOT_FOUND, "unknown-consortium", "Unknown consortium", detail)
    }

    pub(crate) fn unknown_round() -> Self {
        let detail = "The consortium has no round of this number; GET /v1/consortia/{id}/rounds lists those it has.";
        Self::new(StatusCode::NOT_FOUND, "unknown-round", "Unknown round", detail)
    }

    pub(crate) fn unknown_version() -> Self {
        let detail =
            "The model has no head of this version that its encoder fits; GET /v1/models/{id}/versions lists those it has.";
        Self::new(StatusCode::NOT_FOUND, "unknown-version", "Unknown version", detail)
    }

    pub(crate) fn wrong_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong-request", "Wrong request", detail)
    }

    pub(crate) fn consortium_exists() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "consortium-exists",
            "Consortium exists",
            "The id is taken by another consortium; choose another.",
        )
    }

    pub(crate) fn consortium_full() -> Self {
        let detail = "All places of the consortium are taken; its roster is fixed. Found a new consortium for more sites.";
        Self::new(StatusCode::CONFLICT, "consortium-full", "Consortium full", detail)
    }

    pub(crate) fn not_ready() -> Self {
        let detail = "Sites are still missing in the consortium; a round can begin once all have enrolled.";
        Self::new(StatusCode::CONFLICT, "not-ready", "Consortium not ready", detail)
    }

    pub(crate) fn unknown_invitation() -> Self {
        let detail = "This invitation is unknown; copy it whole, or ask the administrator for another.";
        Self::new(StatusCode::NOT_FOUND, "unknown-invitation", "Unknown invitation", detail)
    }

    pub(crate) fn invitation_used() -> Self {
        let detail =
            "This invitation was taken up before. If that was not you, tell the administrator at once; else ask for another.";
        Self::new(StatusCode::CONFLICT, "invitation-used", "Invitation used", detail)
    }

    pub(crate) fn invitation_expired() -> Self {
        let detail = "This invitation has expired; ask the administrator for another.";
        Self::new(StatusCode::GONE, "invitation-expired", "Invitation expired", detail)
    }

    pub(crate) fn wrong_identity(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong-identity", "Wrong identity", detail)
    }

    pub(crate) fn identity_taken() -> Self {
        let detail = "A site with one of these keys has enrolled already; each site makes an identity of its own.";
        Self::new(StatusCode::CONFLICT, "identity-taken", "Identity taken", detail)
    }

    pub(crate) fn stale_round(state: RoundState) -> Self {
        let detail = format!("The round no longer takes this message: it is {} now, or the deadline has passed.", word(state));
        Self::new(StatusCode::CONFLICT, "stale-round", "Round has moved on", detail)
    }

    pub(crate) fn too_early(state: RoundState) -> Self {
        let detail = format!("The round is {} and not that far yet; wait for its next state.", word(state));
        Self::new(StatusCode::CONFLICT, "too-early", "Round not that far", detail)
    }

    pub(crate) fn too_few(found: usize, needed: u16) -> Self {
        let detail =
            format!("Only {found} messages are here and {needed} are needed to go on; wait for more, or for the deadline.");
        Self::new(StatusCode::CONFLICT, "too-few", "Too few to go on", detail)
    }

    /// A second message of a site that differs from its first.
    pub(crate) fn second(kind: Kind) -> Self {
        let (slug, title) = match kind {
            Kind::Confirmation => ("second-confirmation", "Second confirmation"),
            Kind::Answer => ("second-answer", "Second answer"),
            _ => ("second-contribution", "Second contribution"),
        };
        let detail = "The site has sent another message of this kind in this round; the first one stands.";
        Self::new(StatusCode::CONFLICT, slug, title, detail)
    }

    pub(crate) fn wrong_size(found: usize, expected: usize) -> Self {
        let detail =
            format!("The message has {found} bytes and must have {expected}; it was cut off, or made for another round.");
        Self::new(StatusCode::BAD_REQUEST, "wrong-size", "Wrong size", detail)
    }

    /// Why a message of the protocol is not taken.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let Refusal::Bad(error) = refusal else {
            let detail = "The message was made by another member than the one whose token came with it; each sends its own.";
            return Self::new(StatusCode::FORBIDDEN, "another-sender", "Another member's message", detail);
        };
        let (status, slug, title) = match error {
            HeError::BadSignature { .. } => (StatusCode::FORBIDDEN, "forged-signature", "Forged signature"),
            HeError::OtherRound { .. } => (StatusCode::CONFLICT, "other-round", "Message of another round"),
            HeError::OtherSet { .. } => (StatusCode::CONFLICT, "other-set", "Message for another set"),
            _ => (StatusCode::BAD_REQUEST, "wrong-message", "Wrong message"),
        };
        Self::new(status, slug, title, sentence(error))
    }
}

/// An error of another crate as a sentence.
pub(crate) fn sentence(error: impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

const fn word(state: RoundState) -> &'static str {
    crate::store::state_name(state)
}
