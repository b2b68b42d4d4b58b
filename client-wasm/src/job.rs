//! One purification at one relay: sent, waited for, fetched or abandoned.
//!
//! Failures are sentences for the report: whatever goes wrong at a relay, its tiles go to others.

use purify::PurifyError;
use serde::Deserialize;
use web_sys::{AbortController, AbortSignal};
use wire::limits::MAX_PURIFY_BYTES;
use wire::{MEDIA_TYPE, PurifyRequest, PurifyResult};
use zeroize::ZeroizeOnDrop;

use crate::error::ClientError;
use crate::http::{Answer, Ask, Http};
use crate::pause;
use crate::relay::{get, problem};

/// Milliseconds before a relay that cannot be reached, or is busy, is asked again; after the last it is given up.
const DELAYS_MS: [i32; 3] = [500, 1_000, 2_000];

/// A job's name, and the secret that opens it.
#[derive(Clone, Deserialize, ZeroizeOnDrop)]
pub struct Job {
    job: String,
    token: String,
}

/// How a job stands.
#[derive(Deserialize)]
struct View {
    state: State,
    done: usize,
    error: Option<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
    Expired,
    Fetched,
}

impl Job {
    fn path(&self, what: &str) -> String {
        format!("/v1/purifications/{}{what}", self.job)
    }

    fn ask<'a>(&'a self, path: &'a str, purpose: &'static str, content: &'static str) -> Ask<'a> {
        Ask { token: Some(&self.token), ..get(path, purpose, content) }
    }
}

/// Sends noised tiles.
///
/// # Errors
/// Why the relay does not take them.
pub async fn submit(http: &Http, request: &PurifyRequest, signal: &AbortSignal) -> Result<Job, String> {
    let body = request.encode();
    let ask =
        || Ask { method: "POST", body: Some((&body, MEDIA_TYPE)), ..get("/v1/purifications", "purify tiles", "noised tiles") };
    // The answer holds the job's token, which the ledger does not show.
    let answer = persist(signal, async || http.ask_quietly(ask(), signal).await).await?;
    serde_json::from_slice(&answer.body).map_err(|_| "its answer is not a job".into())
}

/// Waits until a job is done; `ready` hears how many tiles are purified.
///
/// # Errors
/// Why there will be no result.
pub async fn wait(http: &Http, job: &Job, signal: &AbortSignal, ready: impl Fn(usize)) -> Result<(), String> {
    let path = job.path("/events");
    let ask = || job.ask(&path, "wait for purified tiles", "job's token (in a header)");
    let hear = |body: &[u8]| {
        if let Some(view) = latest(body) {
            ready(view.done);
        }
    };
    loop {
        let answer = persist(signal, async || http.ask(ask(), signal, hear).await).await?;
        match latest(&answer.body) {
            Some(View { state: State::Done, .. }) => return Ok(()),
            Some(View { state: State::Queued | State::Running, .. }) | None => (),
            Some(View { error, .. }) => return Err(error.unwrap_or_else(|| "it has dropped the job".into())),
        }
        // The stream ended before the work did.
        pause::sleep(DELAYS_MS[0], signal).await.map_err(|error| error.message)?;
    }
}

/// Fetches the purified tiles; the relay deletes them.
///
/// # Errors
/// Why they did not come.
pub async fn fetch(http: &Http, job: &Job, signal: &AbortSignal) -> Result<PurifyResult, String> {
    let path = job.path("/result");
    let ask = || Ask { limit: MAX_PURIFY_BYTES, ..job.ask(&path, "fetch purified tiles", "job's token out, purified tiles in") };
    let answer = persist(signal, async || http.ask(ask(), signal, |_| ()).await).await?;
    PurifyResult::decode(&answer.body).map_err(|error| PurifyError::from(error).to_string())
}

/// Has the relay delete a job that nobody waits for any more. Where that fails, the job's lifetime ends it.
pub async fn abandon(http: Http, job: Job) {
    let Ok(signal) = AbortController::new().map(|never| never.signal()) else { return };
    let path = job.path("");
    let ask = Ask { method: "DELETE", ..job.ask(&path, "abandon a job", "job's token (in a header)") };
    let _gone = http.ask(ask, &signal, |_| ()).await;
}

/// A good answer; a relay that is busy or out of reach is asked again, a few times and ever later.
async fn persist(signal: &AbortSignal, ask: impl AsyncFn() -> Result<Answer, ClientError>) -> Result<Answer, String> {
    let mut delays = DELAYS_MS.iter();
    loop {
        let failure = match ask().await {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
            Ok(answer) if !matches!(answer.status, 429 | 502..=504) => return Err(refusal(&answer)),
            Ok(answer) => refusal(&answer),
            Err(error) => error.message,
        };
        let Some(delay) = delays.next() else { return Err(failure) };
        pause::sleep(*delay, signal).await.map_err(|error| error.message)?;
    }
}

fn refusal(answer: &Answer) -> String {
    let said = problem(answer).and_then(|problem| problem.detail.or(problem.title));
    said.unwrap_or_else(|| format!("it answered with status {}", answer.status))
}

/// The last whole event of a stream.
fn latest(stream: &[u8]) -> Option<View> {
    let text = std::str::from_utf8(stream).ok()?;
    let (whole, _) = text.rsplit_once('\n')?;
    let data = whole.lines().rev().find_map(|line| line.strip_prefix("data:"))?;
    serde_json::from_str(data.trim_start()).ok()
}
