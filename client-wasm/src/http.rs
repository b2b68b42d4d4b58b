//! Requests to the relay: bounded, cancellable, with progress, and each one in the ledger.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, ReadableStreamDefaultReader, Request, RequestCredentials, RequestInit, RequestMode, Response, WorkerGlobalScope,
};

use crate::error::ClientError;
use crate::events::{Entry, Events, now};
use crate::pause;

/// Bytes that the ledger shows of each body.
const PREVIEW_BYTES: usize = 64;

/// What to ask for.
pub struct Ask<'a> {
    /// HTTP method.
    pub method: &'static str,
    /// Path below the relay's address, with a leading slash.
    pub path: &'a str,
    /// Why, for the ledger.
    pub purpose: &'static str,
    /// What the body is, for the ledger.
    pub content: &'static str,
    /// Bearer token. It goes into a header; the ledger's `content` says that it is there.
    pub token: Option<&'a str>,
    /// Body and its media type.
    pub body: Option<(&'a [u8], &'static str)>,
    /// Longest answer that is accepted, in bytes.
    pub limit: usize,
}

/// Answers that are not files are short.
pub const SHORT_ANSWER: usize = 1 << 20;

/// What came back.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Vec<u8>,
    response: Response,
}

impl Answer {
    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<String> {
        self.response.headers().get(name).ok().flatten()
    }
}

/// Speaks to one relay.
#[derive(Clone)]
pub struct Http {
    base: String,
    events: RefCell<Events>,
    count: Rc<Cell<u32>>,
}

impl Http {
    /// Requests below this address go to `events`.
    pub fn new(base: &str, events: Events) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), events: RefCell::new(events), count: Rc::default() }
    }

    /// The same for another relay: its requests are counted and told of with those of this one.
    pub fn to(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// The full address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends later events to another callback.
    pub fn set_events(&self, events: Events) {
        self.events.replace(events);
    }

    /// Asks, reads the answer to its end and writes the ledger; `progress` sees the body so far.
    ///
    /// # Errors
    /// `no-relay` where no whole answer came, `cancelled`, or an answer over the limit.
    pub async fn ask(&self, ask: Ask<'_>, signal: &AbortSignal, progress: impl Fn(&[u8])) -> Result<Answer, ClientError> {
        let (mut entry, result) = self.exchange_timed(&ask, signal, &progress).await?;
        entry.preview_out = preview(ask.body.map_or(&[][..], |(bytes, _)| bytes));
        entry.preview_in = result.as_ref().map(|answer| preview(&answer.body)).unwrap_or_default();
        self.events.borrow().request(&entry);
        result
    }

    /// The same for messages that carry credentials: the ledger gets their lengths, and no byte of them.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_quietly(&self, ask: Ask<'_>, signal: &AbortSignal) -> Result<Answer, ClientError> {
        let (entry, result) = self.exchange_timed(&ask, signal, &|_| ()).await?;
        self.events.borrow().request(&entry);
        result
    }

    /// What came of a request, and its entry for the ledger; no entry where it was not even begun.
    async fn exchange_timed(
        &self,
        ask: &Ask<'_>,
        signal: &AbortSignal,
        progress: &impl Fn(&[u8]),
    ) -> Result<(Entry, Result<Answer, ClientError>), ClientError> {
        pause::check(signal)?;
        let started = now();
        let result = self.exchange(ask, signal, progress).await;
        let mut entry = self.entry(ask);
        entry.ms = now() - started;
        if let Ok(answer) = &result {
            entry.status = answer.status;
            entry.bytes_in = answer.body.len();
        }
        Ok((entry, result))
    }

    /// Notes a request that the browser's cache answered.
    pub fn note_cached(&self, ask: &Ask<'_>, body: &[u8]) {
        let mut entry = self.entry(ask);
        entry.cached = true;
        entry.status = 200;
        entry.preview_in = preview(body);
        self.events.borrow().request(&entry);
    }

    fn entry(&self, ask: &Ask<'_>) -> Entry {
        let id = self.count.get() + 1;
        self.count.set(id);
        Entry {
            id,
            method: ask.method,
            url: self.url(ask.path),
            purpose: ask.purpose,
            content: ask.content,
            bytes_out: ask.body.map_or(0, |(bytes, _)| bytes.len()),
            bytes_in: 0,
            status: 0,
            ms: 0.0,
            preview_out: String::new(),
            preview_in: String::new(),
            cached: false,
        }
    }

    async fn exchange(&self, ask: &Ask<'_>, signal: &AbortSignal, progress: &impl Fn(&[u8])) -> Result<Answer, ClientError> {
        let request = self.request(ask, signal).map_err(|_| ClientError::no_relay("its address is not valid"))?;
        let scope: WorkerGlobalScope =
            js_sys::global().dyn_into().map_err(|_| ClientError::internal("the client runs in a worker only"))?;
        let response: Response = JsFuture::from(scope.fetch_with_request(&request))
            .await
            .map_err(|_| broken_off(signal, "no answer"))?
            .unchecked_into();
        let body = read(&response, ask.limit, signal, progress).await?;
        Ok(Answer { status: response.status(), body, response })
    }

    fn request(&self, ask: &Ask<'_>, signal: &AbortSignal) -> Result<Request, JsValue> {
        let init = RequestInit::new();
        init.set_method(ask.method);
        init.set_mode(RequestMode::Cors);
        init.set_credentials(RequestCredentials::Omit);
        init.set_signal(Some(signal));
        if let Some((bytes, _)) = ask.body {
            init.set_body(&Uint8Array::from(bytes).into());
        }
        let request = Request::new_with_str_and_init(&self.url(ask.path), &init)?;
        if let Some((_, media_type)) = ask.body {
            request.headers().set("content-type", media_type)?;
        }
        if let Some(token) = ask.token {
            request.headers().set("authorization", &format!("Bearer {token}"))?;
        }
        Ok(request)
    }
}

/// Reads a body piece by piece, never holding more than `limit` bytes.
async fn read(
    response: &Response,
    limit: usize,
    signal: &AbortSignal,
    progress: &impl Fn(&[u8]),
) -> Result<Vec<u8>, ClientError> {
    let Some(stream) = response.body() else { return Ok(Vec::new()) };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    loop {
        let piece = JsFuture::from(reader.read()).await.map_err(|_| broken_off(signal, "the answer broke off"))?;
        if Reflect::get(&piece, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            return Ok(body);
        }
        let bytes: Uint8Array = Reflect::get(&piece, &"value".into())
            .and_then(JsCast::dyn_into)
            .map_err(|_| ClientError::internal("an answer without bytes"))?;
        if body.len() + bytes.length() as usize > limit {
            return Err(ClientError::wrong_version(format!("an answer is longer than {limit} bytes")));
        }
        let start = body.len();
        body.resize(start + bytes.length() as usize, 0);
        bytes.copy_to(&mut body[start..]);
        progress(&body);
    }
}

fn broken_off(signal: &AbortSignal, what: &str) -> ClientError {
    if signal.aborted() { ClientError::cancelled() } else { ClientError::no_relay(what) }
}

fn preview(bytes: &[u8]) -> String {
    bytes.iter().take(PREVIEW_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
