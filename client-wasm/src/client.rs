//! A session with one relay and one model.

mod purification;

use he::{EncryptedLogits, GLWE_2048_TU17, SecretKey};
use js_sys::{Function, Uint8Array};
use models::{ModelCard, decode};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;
use wire::{InferAnswer, InferRequest, SessionKey};
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::detector::{Guard, Verdict};
use crate::encoder::Encoder;
use crate::error::ClientError;
use crate::events::{Clock, Events, Step};
use crate::http::Http;
use crate::purifier::Purifier;
use crate::relay::{self, Inference, Model, NamedCard};
use crate::{pause, to_js};
use purification::Treatment;

/// Side of a phantom in pixels.
const PHANTOM_SIZE: usize = 256;

#[derive(Deserialize)]
struct Options {
    relay: String,
    model: String,
}

#[derive(Serialize)]
struct Class<'a> {
    id: &'a str,
    label: &'a str,
    probability: f64,
    logit: i64,
}

#[derive(Serialize, Default)]
struct Timings {
    decode: f64,
    detect: f64,
    encode: f64,
    seal: f64,
    relay: f64,
    open: f64,
}

#[derive(Serialize)]
struct Scan<'a> {
    model: &'a str,
    version: &'a str,
    classes: Vec<Class<'a>>,
    top: usize,
    backend: &'static str,
    timings: Timings,
    sealed_bytes: usize,
    answer_bytes: usize,
    budget_left: Option<u32>,
    purified: Option<Treatment>,
}

/// A token that waits for the decision whether it is sent, and the image that it was made of. They are overwritten when they are dropped.
struct Held {
    token: Zeroizing<Vec<i16>>,
    /// The encoder's input `[C, H, H]`, for the purifier.
    input: Zeroizing<Vec<f32>>,
    /// The detector's score, where the model has one.
    score: Option<f32>,
    timings: Timings,
    purified: Option<Restored>,
}

/// A purified image's token: it is sent instead of the original's.
struct Restored {
    token: Zeroizing<Vec<i16>>,
    treatment: Treatment,
}

/// What one look at an image has found.
struct Look {
    token: Zeroizing<Vec<i16>>,
    verdict: Option<Verdict>,
}

/// Encoder, detector, purifier, keys and session: one for each worker.
#[wasm_bindgen]
pub struct Client {
    http: Http,
    card: ModelCard,
    card_sha256: String,
    backend: Backend,
    guard: Option<Guard>,
    /// Where the relay keeps the model's files.
    model: Model,
    /// Loaded when it is first needed.
    purifier: Option<Purifier>,
    held: Option<Held>,
    secret_key: SecretKey,
    session_key: SessionKey,
    session: [u8; 16],
    /// First bytes of the encoder's SHA-256, by which the relay knows what made a token.
    encoder: [u8; 8],
}

#[wasm_bindgen]
impl Client {
    /// Fetches and checks the model, makes a key pair and registers its public part.
    ///
    /// `options` is `{relay, model}`: the relay's address and the model's id.
    ///
    /// # Errors
    /// A `ClientError` object `{code, message, action}`.
    pub async fn open(options: JsValue, on_event: Function, signal: AbortSignal) -> Result<Client, JsValue> {
        Ok(open(options, Events::new(on_event), &signal).await?)
    }

    /// The model's card, as an object.
    ///
    /// # Errors
    /// None in practice.
    pub fn card(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.card)?)
    }

    /// Where the encoder runs: `"cpu"` or `"webgpu"`.
    pub fn backend(&self) -> String {
        self.backend.name().to_owned()
    }

    /// The picture as the encoder sees it: `{width, height, rgba}`.
    ///
    /// # Errors
    /// `wrong-file`, `too-large`.
    pub fn preview(&self, bytes: &[u8]) -> Result<JsValue, JsValue> {
        let input = self.card.preprocess.letterbox(&decode(bytes).map_err(ClientError::from)?);
        let preview = js_sys::Object::new();
        let size = JsValue::from(self.card.preprocess.size as u32);
        js_sys::Reflect::set(&preview, &"width".into(), &size)?;
        js_sys::Reflect::set(&preview, &"height".into(), &size)?;
        js_sys::Reflect::set(&preview, &"rgba".into(), &Uint8Array::from(input.to_rgba().as_slice()))?;
        Ok(preview.into())
    }

    /// Encodes a picture, keeps its CLS token (and its pixels, for the purifier), and answers the detector's verdict; null where the model has no detector.
    ///
    /// Nothing of the picture leaves the device. A token that was kept before is overwritten.
    ///
    /// # Errors
    /// A `ClientError` object `{code, message, action}`.
    pub async fn examine(&mut self, bytes: Vec<u8>, on_event: Function, signal: AbortSignal) -> Result<JsValue, JsValue> {
        self.held = None;
        let verdict = self.look(&bytes, &Events::new(on_event), &signal).await?;
        Ok(to_js(&verdict)?)
    }

    /// Seals the kept CLS token, has the relay classify it, and opens the answer. The token serves once.
    ///
    /// # Errors
    /// A `ClientError` object `{code, message, action}`; nothing has left the device but what the ledger shows.
    pub async fn proceed(&mut self, on_event: Function, signal: AbortSignal) -> Result<JsValue, JsValue> {
        let held = self.held.take().ok_or_else(|| ClientError::internal("there is no token to send"))?;
        let events = Events::new(on_event);
        self.http.set_events(events.clone());
        Ok(self.ask(held, &events, &signal).await?)
    }

    /// Overwrites the kept CLS token and pixels, if there are any.
    pub fn forget(&mut self) {
        self.held = None;
    }
}

/// A phantom of a brain, drawn by the project, as the bytes of a PNG file.
///
/// # Errors
/// None in practice.
#[wasm_bindgen]
pub fn phantom_png(seed: u32, lesion: bool) -> Result<Vec<u8>, JsValue> {
    Ok(models::phantom::brain_phantom_png(u64::from(seed), lesion, PHANTOM_SIZE).map_err(ClientError::from)?)
}

async fn open(options: JsValue, events: Events, signal: &AbortSignal) -> Result<Client, ClientError> {
    let options: Options =
        serde_wasm_bindgen::from_value(options).map_err(|_| ClientError::internal("the options are not {relay, model}"))?;
    let http = Http::new(&options.relay, events.clone());

    let Encoder { card, card_sha256, model, backend } = Encoder::load(&http, &events, &options.model, signal).await?;
    let guard = Guard::load(&http, &events, &model, &card, signal).await?;
    pause::turn(signal).await?;

    let clock = Clock::start(&events, Step::Key);
    let secret_key = SecretKey::make(&GLWE_2048_TU17)?;
    let public_key = secret_key.make_public_key()?;
    clock.stop();

    let clock = Clock::start(&events, Step::Session);
    let session_key = SessionKey::new(GLWE_2048_TU17.id(), public_key.to_bytes())?;
    let session = relay::open_session(&http, &session_key, signal).await?;
    clock.stop();

    let encoder = card.encoder_tag();
    Ok(Client {
        http,
        card,
        card_sha256,
        backend,
        guard,
        model,
        purifier: None,
        held: None,
        secret_key,
        session_key,
        session,
        encoder,
    })
}

impl Client {
    async fn look(&mut self, bytes: &[u8], events: &Events, signal: &AbortSignal) -> Result<Option<Verdict>, ClientError> {
        let mut timings = Timings::default();

        let clock = Clock::start(events, Step::Decode);
        let input = self.card.preprocess.letterbox(&decode(bytes)?).to_tensor(&self.card.preprocess);
        let input = Zeroizing::new(input);
        timings.decode = clock.stop();
        pause::turn(signal).await?;

        let Look { token, verdict } = self.look_at(&input, &mut timings, events, signal).await?;
        let score = verdict.as_ref().map(Verdict::score);
        self.held = Some(Held { token, input, score, timings, purified: None });
        Ok(verdict)
    }

    /// Examines and encodes a normalised image `[C, H, H]`.
    async fn look_at(
        &self,
        input: &[f32],
        timings: &mut Timings,
        events: &Events,
        signal: &AbortSignal,
    ) -> Result<Look, ClientError> {
        let glance = match &self.guard {
            Some(guard) => Some(guard.look(input, &self.backend, events, signal).await?),
            None => None,
        };
        timings.detect = glance.as_ref().map_or(0.0, |glance| glance.ms);

        let clock = Clock::start(events, Step::Encode);
        let cls = self.backend.encode(input, signal, |share| events.progress(Step::Encode, share, 1.0)).await?;
        timings.encode = clock.stop();

        let verdict = match (&self.guard, glance) {
            (Some(guard), Some(glance)) => Some(guard.judge(&glance, &cls)?),
            _ => None,
        };
        Ok(Look { token: Zeroizing::new(self.card.cls.quantiser.quantise(&cls)), verdict })
    }

    async fn ask(&mut self, held: Held, events: &Events, signal: &AbortSignal) -> Result<JsValue, ClientError> {
        let Held { token, mut timings, purified, .. } = held;
        let (token, treatment) = match purified {
            Some(Restored { token, treatment }) => (token, Some(treatment)),
            None => (token, None),
        };
        let clock = Clock::start(events, Step::Seal);
        let token = self.secret_key.make_sealed_token(&token)?.to_bytes();
        timings.seal = clock.stop();

        let clock = Clock::start(events, Step::Send);
        let sealed_bytes = token.len();
        let (answer, budget_left) = self.infer(token, signal).await?;
        timings.relay = clock.stop();

        let clock = Clock::start(events, Step::Open);
        let logits = EncryptedLogits::from_bytes(&GLWE_2048_TU17, self.card.classes.len(), answer.logits())?;
        let logits = self.secret_key.open(&logits)?;
        timings.open = clock.stop();

        let answer_bytes = answer.logits().len();
        let scan = self.describe(&logits, timings, sealed_bytes, answer_bytes, budget_left);
        to_js(&Scan { purified: treatment, ..scan })
    }

    /// Sends the token; a relay that has forgotten the session gets the same public key once more.
    async fn infer(&mut self, token: Vec<u8>, signal: &AbortSignal) -> Result<(InferAnswer, Option<u32>), ClientError> {
        for _attempt in 0..2 {
            let dim = self.card.cls.dim as u16;
            let request = InferRequest::new(GLWE_2048_TU17.id(), self.session, self.encoder, dim, token.clone())?;
            match relay::infer(&self.http, &self.card, &request, signal).await? {
                Inference::Answered(reply) => {
                    self.follow(reply.card.as_deref(), signal).await?;
                    return Ok((reply.answer, reply.left));
                }
                Inference::UnknownSession => self.session = relay::open_session(&self.http, &self.session_key, signal).await?,
            }
        }
        Err(ClientError::no_relay("it forgets its sessions"))
    }

    /// Takes the card of the head that has answered, if it is a new one: with the old calibration the probabilities would be wrong.
    async fn follow(&mut self, answered_by: Option<&str>, signal: &AbortSignal) -> Result<(), ClientError> {
        let Some(sha256) = answered_by.filter(|sha256| *sha256 != self.card_sha256) else { return Ok(()) };
        let NamedCard { card, sha256 } = relay::follow_card(&self.http, &self.card, sha256, signal).await?;
        (self.card, self.card_sha256) = (card, sha256);
        Ok(())
    }

    fn describe(
        &self,
        logits: &[i64],
        timings: Timings,
        sealed_bytes: usize,
        answer_bytes: usize,
        budget_left: Option<u32>,
    ) -> Scan<'_> {
        let probabilities = self.card.probabilities(logits);
        let classes = self.card.classes.iter().zip(logits).zip(&probabilities);
        let classes: Vec<_> = classes
            .map(|((class, &logit), &probability)| Class { id: &class.id, label: &class.label, probability, logit })
            .collect();
        let top = models::head::top_class(logits);
        Scan {
            model: &self.card.id,
            version: &self.card.version,
            classes,
            top,
            backend: self.backend.name(),
            timings,
            sealed_bytes,
            answer_bytes,
            budget_left,
            purified: None,
        }
    }
}
