//! Purifying the image whose token is kept: on this device, or on relays that get noised tiles of it.

use js_sys::{Function, Object, Reflect, Uint8Array};
use models::{ModelError, PurifierCard};
use purify::{Bound, Change, Consent, Mission, Order, Plan, RelayReport, RelayState, Report};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, Url};
use zeroize::Zeroizing;

use super::{Client, Look, Restored, Timings};
use crate::detector::Verdict;
use crate::error::{ClientError, capitalised};
use crate::events::{Clock, Events, Step};
use crate::purifier::Purifier;
use crate::remote::{Remote, SLOW_MS};
use crate::to_js;

/// What the page asks for.
#[derive(Deserialize)]
struct Options {
    r#where: Place,
    /// Steps of DDIM; the card's where it is absent or 0.
    #[serde(default)]
    steps: u8,
    /// Addresses, for purification on relays.
    #[serde(default)]
    relays: Vec<String>,
    /// The person has agreed that a single relay gets every tile.
    #[serde(default)]
    one_relay_holds_all: bool,
    /// Milliseconds after which a relay counts as lost.
    slow_ms: Option<u32>,
}

/// Where an image is purified.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Device,
    Relays,
}

/// How an image was purified.
#[derive(Clone, Copy, Serialize)]
pub struct Treatment {
    r#where: Place,
    t: u16,
    steps: u8,
}

/// What came of it, but for the pictures.
#[derive(Serialize)]
struct Purified {
    #[serde(flatten)]
    treatment: Treatment,
    ms: f64,
    verdict: Option<Verdict>,
    change: Change,
    relays: Vec<RelayPart>,
    #[serde(rename = "localTiles")]
    local_tiles: usize,
}

/// One relay's part, by its address.
#[derive(Serialize)]
struct RelayPart {
    url: String,
    tiles: usize,
    share: f64,
    state: RelayState,
    error: Option<String>,
}

impl From<(String, RelayReport)> for RelayPart {
    fn from((url, report): (String, RelayReport)) -> Self {
        let RelayReport { tiles, share, state, error } = report;
        Self { url, tiles, share, state, error: error.map(|error| capitalised(&error)) }
    }
}

/// Purified pixels, and who has done what.
struct Outcome {
    pixels: Zeroizing<Vec<f32>>,
    relays: Vec<RelayPart>,
    local_tiles: usize,
}

#[wasm_bindgen]
impl Client {
    /// What so many relays would see of an image: `{relays, share, tiles}`; `share` is the largest part of its area that one of them may
    /// see, 0 to 1, whoever fails.
    ///
    /// # Errors
    /// A `ClientError` object `{code, message, action}` where tiles cannot be dealt to them, or the model has no purifier.
    pub fn purify_plan(&self, relays: usize) -> Result<JsValue, JsValue> {
        let bound = Bound::of(&self.purifier_card()?.remote, self.card.preprocess.size, relays).map_err(ClientError::from)?;
        Ok(to_js(&bound)?)
    }

    /// Purifies the image whose token is kept and keeps the purified one's token beside it, to be sent by `proceed`.
    ///
    /// `options` is `{where: "device", steps}` or `{where: "relays", steps, relays, one_relay_holds_all, slow_ms}`. Relays get noised tiles,
    /// which are not encrypted; a single relay gets them only where `one_relay_holds_all` says that the person has agreed.
    ///
    /// # Errors
    /// A `ClientError` object `{code, message, action}`. The original's token is kept in any case.
    pub async fn purify(&mut self, options: JsValue, on_event: Function, signal: AbortSignal) -> Result<JsValue, JsValue> {
        let options = serde_wasm_bindgen::from_value(options);
        let options = options.map_err(|_| ClientError::internal("the options of the purification are not understood"))?;
        self.discard_purified();
        let events = Events::new(on_event);
        self.http.set_events(events.clone());
        Ok(self.restore(&options, &events, &signal).await?)
    }

    /// Overwrites the purified image's token; the original's is the one that is kept.
    pub fn discard_purified(&mut self) {
        if let Some(held) = &mut self.held {
            held.purified = None;
        }
    }
}

impl Client {
    async fn restore(&mut self, options: &Options, events: &Events, signal: &AbortSignal) -> Result<JsValue, ClientError> {
        let held = self.held.as_ref().ok_or_else(|| ClientError::internal("there is no image to purify"))?;
        let before = Zeroizing::new(self.card.preprocess.pixels_of(&held.input));
        let plan = plan(self.purifier_card()?, options, held.score)?;
        let treatment = Treatment { r#where: options.r#where, t: plan.t, steps: plan.steps };

        if options.r#where == Place::Device {
            // Before the clock starts; relays may leave nothing for it to do.
            self.purifier(events, signal).await?;
        }
        let clock = Clock::start(events, Step::Purify);
        let outcome = match options.r#where {
            Place::Device => self.purify_here(&plan, &before, events, signal).await?,
            Place::Relays => self.purify_there(plan, &before, options, events, signal).await?,
        };
        let ms = clock.stop();

        let input = Zeroizing::new(self.card.preprocess.input_of(&outcome.pixels));
        let Look { token, verdict } = self.look_at(&input, &mut Timings::default(), events, signal).await?;
        let change = Change::between(&before, &outcome.pixels);
        let Outcome { pixels: after, relays, local_tiles } = outcome;
        let answer = to_js(&Purified { treatment, ms, verdict, change, relays, local_tiles })?;
        for (name, pixels) in [("before", &before[..]), ("after", &after), ("difference", &Change::picture(&before, &after))] {
            set(&answer, name, &self.picture(pixels)?)?;
        }
        if let Some(held) = &mut self.held {
            held.purified = Some(Restored { token, treatment });
        }
        Ok(answer)
    }

    fn purifier_card(&self) -> Result<&PurifierCard, ClientError> {
        Ok(self.card.purifier.as_ref().ok_or(ModelError::NoPurifier)?)
    }

    /// The purifier, fetched and loaded where it is needed for the first time.
    async fn purifier(&mut self, events: &Events, signal: &AbortSignal) -> Result<&Purifier, ClientError> {
        let purifier = match self.purifier.take() {
            Some(purifier) => purifier,
            None => Purifier::load(&self.http, events, &self.model, &self.card, &self.backend, signal).await?,
        };
        Ok(self.purifier.insert(purifier))
    }

    async fn purify_here(
        &mut self,
        plan: &Plan,
        pixels: &[f32],
        events: &Events,
        signal: &AbortSignal,
    ) -> Result<Outcome, ClientError> {
        let side = self.card.preprocess.size;
        let purified = self.purifier(events, signal).await?.image(pixels, side, plan, seed()?, events, signal).await?;
        let pixels = Zeroizing::new(self.purifier_card()?.smooth(purified, plan.t));
        Ok(Outcome { pixels, relays: Vec::new(), local_tiles: 0 })
    }

    async fn purify_there(
        &mut self,
        plan: Plan,
        pixels: &[f32],
        options: &Options,
        events: &Events,
        signal: &AbortSignal,
    ) -> Result<Outcome, ClientError> {
        let (addresses, t) = (distinct(&options.relays)?, plan.t);
        let consent = if options.one_relay_holds_all { Consent::OneRelayHoldsAll } else { Consent::SharedOnly };
        let channels = self.card.preprocess.channels.count() as u8;
        let mut mission = Mission::new(plan, pixels, channels, addresses.len(), consent, seed()?)?;
        let lines = addresses.iter().map(|address| self.http.to(address));
        let left = Remote::new(lines, events, signal, options.slow_ms.unwrap_or(SLOW_MS))?.run(&mut mission).await?;
        for Order { number, request, .. } in left {
            let result = self.purifier(events, signal).await?.tiles(&request, signal).await?;
            mission.took(number, &result)?;
            events.progress(Step::Purify, mission.done() as f64, mission.total() as f64);
        }

        let Report { relays, local_tiles } = mission.report();
        let relays = addresses.into_iter().zip(relays).map(RelayPart::from).collect();
        let pixels = Zeroizing::new(self.purifier_card()?.smooth(mission.finish()?, t));
        Ok(Outcome { pixels, relays, local_tiles })
    }

    /// Pixels `[C, H, H]` as a canvas takes them: `{width, height, rgba}`.
    fn picture(&self, pixels: &[f32]) -> Result<JsValue, ClientError> {
        let picture = JsValue::from(Object::new());
        let size = JsValue::from(self.card.preprocess.size as u32);
        let rgba = self.card.preprocess.image_of(pixels).to_rgba();
        set(&picture, "width", &size)?;
        set(&picture, "height", &size)?;
        set(&picture, "rgba", &Uint8Array::from(rgba.as_slice()))?;
        Ok(picture)
    }
}

/// The noise level that the detector's score asks for; on relays at least as much as tiles must have.
fn plan(card: &PurifierCard, options: &Options, score: Option<f32>) -> Result<Plan, ClientError> {
    let level = score.and_then(|score| card.level(score));
    let level = level.ok_or_else(|| ClientError::internal("this image is not one to purify"))?;
    let steps = if options.steps == 0 { card.steps } else { options.steps };
    let plan = Plan::of(card, level, steps);
    Ok(match options.r#where {
        Place::Device => Plan { t: level, ..plan },
        Place::Relays => plan,
    })
}

/// The addresses without doubles, so that nobody gets two parts.
fn distinct(relays: &[String]) -> Result<Vec<String>, ClientError> {
    let mut addresses: Vec<String> = Vec::new();
    for relay in relays {
        let url = Url::new(relay).map_err(|_| ClientError::no_relay(format!("{relay:?} is no address")))?;
        let address = url.href().trim_end_matches('/').to_owned();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn seed() -> Result<[u8; 32], ClientError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| ClientError::internal("the browser gave no randomness"))?;
    Ok(seed)
}

fn set(object: &JsValue, name: &str, value: &JsValue) -> Result<(), ClientError> {
    let done = Reflect::set(object, &name.into(), value);
    done.map(drop).map_err(|_| ClientError::internal("a result could not be handed to the page"))
}
