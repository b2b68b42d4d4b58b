//! Progress and ledger entries, sent to one JavaScript callback.

use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

/// The steps of opening a client and of a scan, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Asking the relay which models it serves.
    Models,
    /// Fetching the model's card.
    Card,
    /// Fetching, checking and loading the encoder.
    Encoder,
    /// Fetching, checking and loading the detector, where the model has one.
    Detector,
    /// Making the key pair.
    Key,
    /// Sending the public key.
    Session,
    /// Reading the picture.
    Decode,
    /// Looking for signs of tampering: the passes of the detector and the encoding of the copy.
    Detect,
    /// Encoding it into the CLS token.
    Encode,
    /// Fetching, checking and loading the purifier, once it is needed.
    Purifier,
    /// Purifying a flagged image, here or on relays.
    Purify,
    /// Sealing the CLS token.
    Seal,
    /// Waiting for the relay's answer.
    Send,
    /// Opening the answer.
    Open,
}

/// One request, as the egress ledger shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Counts the requests of this client.
    pub id: u32,
    /// HTTP method.
    pub method: &'static str,
    /// Full address.
    pub url: String,
    /// Why it was made.
    pub purpose: &'static str,
    /// What its body is, in words.
    pub content: &'static str,
    /// Bytes of the request's body.
    pub bytes_out: usize,
    /// Bytes of the answer's body.
    pub bytes_in: usize,
    /// HTTP status; 0 where no answer came.
    pub status: u16,
    /// Milliseconds from start to the last byte.
    pub ms: f64,
    /// The first bytes that left, in hexadecimal.
    pub preview_out: String,
    /// The first bytes that came, in hexadecimal.
    pub preview_in: String,
    /// Whether the browser's cache answered, so that nothing crossed the network.
    pub cached: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event<'a> {
    Step {
        step: Step,
        done: f64,
        total: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        ms: Option<f64>,
    },
    Request {
        request: &'a Entry,
    },
}

/// Sends events to the page.
#[derive(Clone)]
pub struct Events(Function);

impl Events {
    /// Events to this callback.
    pub fn new(callback: Function) -> Self {
        Self(callback)
    }

    /// A step is `done` of `total` through.
    pub fn progress(&self, step: Step, done: f64, total: f64) {
        self.send(&Event::Step { step, done, total, ms: None });
    }

    /// A step has ended after `ms` milliseconds.
    pub fn finished(&self, step: Step, ms: f64) {
        self.send(&Event::Step { step, done: 1.0, total: 1.0, ms: Some(ms) });
    }

    /// A request has ended.
    pub fn request(&self, entry: &Entry) {
        self.send(&Event::Request { request: entry });
    }

    fn send(&self, event: &Event<'_>) {
        // A page whose callback throws loses its progress display, not its scan.
        if let Ok(value) = serde_wasm_bindgen::to_value(event) {
            let _ignored = self.0.call1(&JsValue::NULL, &value);
        }
    }
}

/// Times a step and tells the page of its beginning and end.
pub struct Clock<'a> {
    events: &'a Events,
    step: Step,
    started: f64,
}

impl<'a> Clock<'a> {
    /// The step begins.
    pub fn start(events: &'a Events, step: Step) -> Self {
        events.progress(step, 0.0, 1.0);
        Self { events, step, started: now() }
    }

    /// The step ends; answers its milliseconds.
    pub fn stop(self) -> f64 {
        let ms = now() - self.started;
        self.events.finished(self.step, ms);
        ms
    }
}

/// Milliseconds since the worker began.
pub fn now() -> f64 {
    js_sys::global()
        .dyn_into::<web_sys::WorkerGlobalScope>()
        .ok()
        .and_then(|scope| scope.performance())
        .map_or_else(js_sys::Date::now, |performance| performance.now())
}
