//! What the page is told when something fails: a code to branch on, a sentence, and what to do next.

use federation::site::SiteError;
use serde::Serialize;
use wasm_bindgen::JsValue;

/// A failure as JavaScript sees it.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct ClientError {
    /// One of the codes that the page knows.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub action: String,
    /// Seconds after which another try makes sense, where the relay said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

impl ClientError {
    /// An error with a code, a sentence and an advice.
    pub fn new(code: &'static str, message: impl Into<String>, action: impl Into<String>) -> Self {
        Self { code, message: message.into(), action: action.into(), retry_after_s: None }
    }

    /// The user asked to stop.
    pub fn cancelled() -> Self {
        Self::new("cancelled", "The scan was cancelled.", "Start it again when you like.")
    }

    /// One relay alone would hold the image, and the person was not asked.
    pub fn one_relay(what: impl std::fmt::Display) -> Self {
        Self::new("one-relay", capitalised(&what.to_string()), "Name a second relay, purify on this device, or agree to it.")
    }

    /// Something that should not happen; `what` must hold no secret.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        Self::new(
            "internal",
            format!("The client failed: {what}."),
            "Reload the page and try again; if it happens again, tell the people who run this page.",
        )
    }

    /// The relay could not be reached, or broke off.
    pub fn no_relay(what: impl std::fmt::Display) -> Self {
        Self::new(
            "no-relay",
            format!("The relay cannot be reached ({what})."),
            "Check the network, then try again. Your image is still here; it never left this device.",
        )
    }

    /// The browser cannot seal or keep the site.
    pub fn no_vault(what: impl std::fmt::Display) -> Self {
        Self::new(
            "no-vault",
            format!("This browser cannot keep the site safe: {what}."),
            "Open this page over https in an ordinary window, not a private one. If the site was here before, its data may have been cleared.",
        )
    }

    /// A step that does not fit the state of the site or of the round.
    pub fn refused(what: impl std::fmt::Display) -> Self {
        Self::new("refused", capitalised(&what.to_string()), "Look at the state of the round: it says what this site can do now.")
    }

    /// Client and relay do not speak the same version.
    pub fn wrong_version(what: impl std::fmt::Display) -> Self {
        Self::new(
            "wrong-version",
            format!("This page and the relay do not fit together: {what}."),
            "Reload the page; if that does not help, the relay or the page must be updated by the people who run them.",
        )
    }
}

impl From<models::ModelError> for ClientError {
    fn from(error: models::ModelError) -> Self {
        let action = match error.code() {
            "wrong-file" | "too-large" => "Choose a PNG or JPEG file of the image.",
            "wrong-version" => "Reload the page, so that page and relay fit together.",
            "corrupt-pack" => "Try again: the files are fetched anew. If it happens again, tell the people who run the relay.",
            _ => "Reload the page and try again; if it happens again, tell the people who run this page.",
        };
        Self::new(error.code(), capitalised(&error.to_string()), action)
    }
}

/// A library's error as a sentence of its own.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

impl From<purify::PurifyError> for ClientError {
    fn from(error: purify::PurifyError) -> Self {
        match error {
            purify::PurifyError::OneRelay => Self::one_relay(error),
            other => Self::internal(other),
        }
    }
}

impl From<he::HeError> for ClientError {
    fn from(error: he::HeError) -> Self {
        Self::internal(error)
    }
}

impl From<federation::FederationError> for ClientError {
    fn from(error: federation::FederationError) -> Self {
        Self::refused(error)
    }
}

impl From<SiteError<ClientError>> for ClientError {
    fn from(error: SiteError<ClientError>) -> Self {
        match error {
            SiteError::Outside(error) => error,
            SiteError::BadRelay { .. } => Self::wrong_version(error),
            other => Self::refused(other),
        }
    }
}

impl From<wire::WireError> for ClientError {
    fn from(error: wire::WireError) -> Self {
        Self::wrong_version(error)
    }
}

impl From<ClientError> for JsValue {
    fn from(error: ClientError) -> Self {
        serde_wasm_bindgen::to_value(&error).unwrap_or_else(|_| JsValue::from_str(error.code))
    }
}
