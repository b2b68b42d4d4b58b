//! The relay's HTTP interface, as the client uses it.

use models::card::MAX_ENCODER_BYTES;
use models::detector::MAX_DETECTOR_BYTES;
use models::pack::{sha256_hex, verify_detector, verify_purifier};
use models::purifier::{MAX_PURIFIER_BYTES, PurifierCard};
use models::{DetectorCard, ModelCard, ModelError, PublicPack};
use serde::Deserialize;
use web_sys::AbortSignal;
use wire::{InferAnswer, InferRequest, MEDIA_TYPE, SessionKey};

use crate::cache;
use crate::error::ClientError;
use crate::events::{Events, Step};
use crate::http::{Answer, Ask, Http, SHORT_ANSWER};

/// Version of the HTTP interface that this client speaks.
const PROTOCOL: u32 = 1;

#[derive(Deserialize)]
struct Models {
    protocol: u32,
    models: Vec<Model>,
}

/// A model as the relay lists it.
#[derive(Deserialize)]
pub struct Model {
    id: String,
    card: String,
    encoder: PublicFile,
    /// Absent where the model has none.
    detector: Option<PublicFile>,
    /// Absent where the model has none.
    purifier: Option<PublicFile>,
    parameters: String,
}

#[derive(Deserialize)]
struct PublicFile {
    url: String,
}

#[derive(Deserialize)]
struct Session {
    session: String,
}

/// An error answer, as RFC 9457 has it.
#[derive(Deserialize)]
pub struct Problem {
    /// `urn:veilsight:…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: Option<String>,
    /// What happened and what to do.
    pub detail: Option<String>,
}

/// A model's card, and the SHA-256 by which the relay's answers name it.
pub struct NamedCard {
    /// The card, checked.
    pub card: ModelCard,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// Encrypted logits, and what the relay says beside them.
pub struct Reply {
    /// The encrypted logits.
    pub answer: InferAnswer,
    /// How many more queries the relay grants.
    pub left: Option<u32>,
    /// SHA-256 of the card whose calibration reads these logits.
    pub card: Option<String>,
}

/// What became of a sealed token.
pub enum Inference {
    /// The relay has answered.
    Answered(Reply),
    /// The relay has forgotten the session: make another.
    UnknownSession,
}

/// Finds a model in the relay's list.
///
/// # Errors
/// `no-relay`, `wrong-version`, or `no-model` where the relay does not serve it.
pub async fn find_model(http: &Http, id: &str, signal: &AbortSignal) -> Result<Model, ClientError> {
    let answer = http.ask(get("/v1/models", "find the model", "list of models (public)"), signal, |_| ()).await?;
    let list: Models = json(&accept(answer)?)?;
    if list.protocol != PROTOCOL {
        return Err(ClientError::wrong_version(format!(
            "the relay speaks version {}, this page version {PROTOCOL}",
            list.protocol
        )));
    }
    let names = list.models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join(", ");
    let model = list.models.into_iter().find(|model| model.id == id).ok_or_else(|| {
        ClientError::new("no-model", format!("The relay does not serve the model {id:?}."), format!("Choose one of: {names}."))
    })?;
    if model.parameters != he::GLWE_2048_TU17.name() {
        return Err(ClientError::wrong_version(format!("the relay asks for the parameter set {:?}", model.parameters)));
    }
    Ok(model)
}

/// Fetches a model's card and checks it.
///
/// # Errors
/// `no-relay`, `wrong-version`, or `corrupt-pack` where it is no card that this client can use.
pub async fn fetch_card(http: &Http, model: &Model, signal: &AbortSignal) -> Result<NamedCard, ClientError> {
    read_card(http, &model.card, signal).await
}

/// Fetches the card of the head that has answered, where it is another than `known`: sites may have published a new head since.
///
/// # Errors
/// `busy` where the head was changed once more, `wrong-version` where encoder or classes are others too.
pub async fn follow_card(http: &Http, known: &ModelCard, sha256: &str, signal: &AbortSignal) -> Result<NamedCard, ClientError> {
    let found = read_card(http, &format!("/v1/models/{}/card.json", known.id), signal).await?;
    if found.sha256 != sha256 {
        let message = "The relay's model was changed in this moment.";
        return Err(ClientError::new("busy", message, "Try again. Your image is still here."));
    }
    if found.card.encoder.sha256 != known.encoder.sha256 || found.card.classes != known.classes {
        return Err(ClientError::wrong_version("the model has another encoder or other classes now"));
    }
    Ok(found)
}

async fn read_card(http: &Http, path: &str, signal: &AbortSignal) -> Result<NamedCard, ClientError> {
    let answer = http.ask(get(path, "read the model's card", "model card (public)"), signal, |_| ()).await?;
    let bytes = accept(answer)?;
    Ok(NamedCard { card: ModelCard::from_json(&bytes)?, sha256: sha256_hex(&bytes) })
}

/// Fetches the encoder that a card names, from the browser's cache where it is there, and checks it against the card.
///
/// # Errors
/// `no-relay`, or `corrupt-pack` where the file is not what the card says.
pub async fn fetch_pack(
    http: &Http,
    events: &Events,
    model: &Model,
    card: ModelCard,
    signal: &AbortSignal,
) -> Result<PublicPack, ClientError> {
    let ask =
        || Ask { limit: MAX_ENCODER_BYTES as usize, ..get(&model.encoder.url, "fetch the encoder", "encoder weights (public)") };
    let total = card.encoder.bytes as f64;
    let progress = |body: &[u8]| events.progress(Step::Encoder, body.len() as f64, total);
    let check = |bytes| PublicPack::from_card(card.clone(), bytes);
    fetch_file(http, ask, signal, progress, check, PublicPack::encoder_bytes).await
}

/// Fetches the file of the detector that a card names, as [`fetch_pack`] fetches the encoder's.
///
/// # Errors
/// As [`fetch_pack`]; `wrong-version` where the relay does not list the file.
pub async fn fetch_detector(
    http: &Http,
    events: &Events,
    model: &Model,
    card: &ModelCard,
    detector: &DetectorCard,
    signal: &AbortSignal,
) -> Result<Vec<u8>, ClientError> {
    let file = model.detector.as_ref();
    let file =
        file.ok_or_else(|| ClientError::wrong_version("the model's card names a detector that the relay does not offer"))?;
    let ask = || Ask { limit: MAX_DETECTOR_BYTES as usize, ..get(&file.url, "fetch the detector", "detector weights (public)") };
    let total = detector.bytes as f64;
    let progress = |body: &[u8]| events.progress(Step::Detector, body.len() as f64, total);
    let check = |bytes: Vec<u8>| verify_detector(card, &bytes).map(|()| bytes);
    fetch_file(http, ask, signal, progress, check, Vec::as_slice).await
}

/// Fetches the file of the purifier that a card names, as [`fetch_pack`] fetches the encoder's.
///
/// # Errors
/// As [`fetch_pack`]; `wrong-version` where the relay does not list the file.
pub async fn fetch_purifier(
    http: &Http,
    events: &Events,
    model: &Model,
    card: &ModelCard,
    purifier: &PurifierCard,
    signal: &AbortSignal,
) -> Result<Vec<u8>, ClientError> {
    let file = model.purifier.as_ref();
    let file =
        file.ok_or_else(|| ClientError::wrong_version("the model's card names a purifier that the relay does not offer"))?;
    let ask = || Ask { limit: MAX_PURIFIER_BYTES as usize, ..get(&file.url, "fetch the purifier", "purifier weights (public)") };
    let total = purifier.bytes as f64;
    let progress = |body: &[u8]| events.progress(Step::Purifier, body.len() as f64, total);
    let check = |bytes: Vec<u8>| verify_purifier(card, &bytes).map(|()| bytes);
    fetch_file(http, ask, signal, progress, check, Vec::as_slice).await
}

/// Fetches a public file, from the browser's cache where it is there; `check` makes of its bytes what is wanted, or refuses them.
async fn fetch_file<'a, T>(
    http: &Http,
    ask: impl Fn() -> Ask<'a>,
    signal: &AbortSignal,
    progress: impl Fn(&[u8]),
    check: impl Fn(Vec<u8>) -> Result<T, ModelError>,
    bytes_of: impl Fn(&T) -> &[u8],
) -> Result<T, ClientError> {
    let address = http.url(ask().path);
    if let Some(bytes) = cache::get(&address).await {
        http.note_cached(&ask(), &bytes);
        match check(bytes) {
            Ok(file) => return Ok(file),
            // A damaged cache entry is no reason to fail: the relay still has the file.
            Err(_) => cache::remove(&address).await,
        }
    }
    let file = check(accept(http.ask(ask(), signal, progress).await?)?)?;
    cache::put(&address, bytes_of(&file)).await;
    Ok(file)
}

/// Registers a public key; answers the session.
///
/// # Errors
/// `no-relay`, `busy`, or an answer that is not a session.
pub async fn open_session(http: &Http, key: &SessionKey, signal: &AbortSignal) -> Result<[u8; 16], ClientError> {
    let body = key.encode();
    let ask = Ask {
        method: "POST",
        body: Some((&body, MEDIA_TYPE)),
        ..get("/v1/sessions", "register the session's public key", "public key (opens nothing)")
    };
    let session: Session = json(&accept(http.ask(ask, signal, |_| ()).await?)?)?;
    let mut id = [0; 16];
    hex::decode_to_slice(&session.session, &mut id)
        .map_err(|_| ClientError::wrong_version("the session's name is not 32 hex digits"))?;
    Ok(id)
}

/// Sends a sealed token and reads the encrypted logits.
///
/// # Errors
/// `no-relay`, `busy`, `budget`, `wrong-version`.
pub async fn infer(
    http: &Http,
    card: &ModelCard,
    request: &InferRequest,
    signal: &AbortSignal,
) -> Result<Inference, ClientError> {
    let body = request.encode();
    let path = format!("/v1/models/{}/infer", card.id);
    let ask = Ask {
        method: "POST",
        body: Some((&body, MEDIA_TYPE)),
        ..get(&path, "classify the sealed token", "sealed token (ciphertext) out, encrypted logits in")
    };
    let answer = http.ask(ask, signal, |_| ()).await?;
    if answer.status == 404 && problem(&answer).is_some_and(|problem| problem.kind == "urn:veilsight:unknown-session") {
        return Ok(Inference::UnknownSession);
    }
    let left = answer.header("x-veilsight-budget-left").and_then(|text| text.parse().ok());
    let card = answer.header("x-veilsight-card");
    Ok(Inference::Answered(Reply { answer: InferAnswer::decode(&accept(answer)?)?, left, card }))
}

/// A question without a token or a body, and a short answer.
pub fn get<'a>(path: &'a str, purpose: &'static str, content: &'static str) -> Ask<'a> {
    Ask { method: "GET", path, purpose, content, token: None, body: None, limit: SHORT_ANSWER }
}

/// Reads JSON of the relay.
///
/// # Errors
/// `wrong-version` where it is something else.
pub fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(bytes).map_err(|_| ClientError::wrong_version("the relay's answer is not what this page expects"))
}

/// What the relay says is wrong.
pub fn problem(answer: &Answer) -> Option<Problem> {
    serde_json::from_slice(&answer.body).ok()
}

/// The body of a good answer; else the relay's problem in the client's terms.
fn accept(answer: Answer) -> Result<Vec<u8>, ClientError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let (title, detail) = problem(&answer).map_or((None, None), |problem| (problem.title, problem.detail));
    let message = title.unwrap_or_else(|| format!("The relay answered with status {}.", answer.status));
    let (code, advice) = match answer.status {
        429 if answer.header("x-veilsight-budget-left").is_some() => {
            ("budget", "Wait until the budget is renewed, or ask the relay's administrator for more.")
        }
        429 | 503 => ("busy", "Wait a moment, then try again. Your image is still here."),
        404 => ("no-model", "Check the address of the relay and the name of the model."),
        400 | 409 | 413 | 415 | 422 => ("wrong-version", "Reload the page, so that page and relay fit together."),
        _ => ("no-relay", "Try again in a moment; if it goes on, tell the people who run the relay."),
    };
    let mut error = ClientError::new(code, message, detail.unwrap_or_else(|| advice.into()));
    error.retry_after_s = answer.header("retry-after").and_then(|text| text.parse().ok());
    Err(error)
}
