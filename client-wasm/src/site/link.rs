//! The relay as a site calls it: every request through [`Http`], and so in the page's ledger.

use std::cell::RefCell;
use std::rc::Rc;

use federation::api::{Consortium, Enrolled, Enrolment, Round, RoundResult};
use federation::site::RelayLink;
use web_sys::AbortSignal;

use super::record::Secrets;
use crate::error::ClientError;
use crate::http::{Answer, Ask, Http, SHORT_ANSWER};
use crate::relay::{json, problem};

const BINARY: &str = "application/octet-stream";
const JSON: &str = "application/json";
/// Longest delivery, certificate or result: 63 sites and the longest sum fit.
const LONG_ANSWER: usize = 64 << 20;

/// One site's connection. The signal of the running call is set before it.
pub struct Link {
    http: Rc<Http>,
    secrets: Rc<Secrets>,
    signal: RefCell<AbortSignal>,
}

/// What a request is for, in the ledger's words.
struct Words {
    purpose: &'static str,
    content: &'static str,
}

impl Link {
    /// A link with this site's token.
    pub fn new(http: Rc<Http>, secrets: Rc<Secrets>, signal: AbortSignal) -> Self {
        Self { http, secrets, signal: RefCell::new(signal) }
    }

    /// Later requests end with this signal.
    pub fn set_signal(&self, signal: &AbortSignal) {
        self.signal.replace(signal.clone());
    }

    /// All rounds of the consortium.
    ///
    /// # Errors
    /// As every call: `no-relay`, `busy`, `not-enrolled`, `refused`.
    pub async fn rounds(&self, id: &str) -> Result<Vec<Round>, ClientError> {
        let words = Words { purpose: "ask how the rounds stand", content: "the site's token (in a header)" };
        json(&self.get(&format!("/v1/consortia/{id}/rounds"), &words, SHORT_ANSWER).await?)
    }

    async fn get(&self, path: &str, words: &Words, limit: usize) -> Result<Vec<u8>, ClientError> {
        self.ask("GET", path, words, None, limit).await
    }

    async fn send(&self, method: &'static str, path: &str, words: &Words, body: &[u8]) -> Result<(), ClientError> {
        self.ask(method, path, words, Some((body, BINARY)), SHORT_ANSWER).await.map(drop)
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        words: &Words,
        body: Option<(&[u8], &'static str)>,
        limit: usize,
    ) -> Result<Vec<u8>, ClientError> {
        let signal = self.signal.borrow().clone();
        let Words { purpose, content } = *words;
        let ask = Ask { method, path, purpose, content, token: Some(&self.secrets.token), body, limit };
        accept(self.http.ask(ask, &signal, |_| ()).await?)
    }
}

impl RelayLink for Link {
    type Error = ClientError;

    async fn consortium(&self, id: &str) -> Result<Consortium, ClientError> {
        let words = Words { purpose: "read the roster", content: "the site's token (in a header)" };
        json(&self.get(&format!("/v1/consortia/{id}"), &words, SHORT_ANSWER).await?)
    }

    async fn round(&self, id: &str, number: u64) -> Result<Round, ClientError> {
        let words = Words { purpose: "ask how the round stands", content: "the site's token (in a header)" };
        json(&self.get(&of_round(id, number, ""), &words, SHORT_ANSWER).await?)
    }

    async fn send_contribution(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), ClientError> {
        let words = Words { purpose: "contribute", content: "statistics, encrypted under a key for this round alone" };
        self.send("PUT", &of_round(id, number, "/contribution"), &words, &bytes).await
    }

    async fn delivery(&self, id: &str, number: u64) -> Result<Vec<u8>, ClientError> {
        let words =
            Words { purpose: "fetch the set and this site's key shares", content: "the site's token out, encrypted shares in" };
        self.get(&of_round(id, number, "/delivery"), &words, LONG_ANSWER).await
    }

    async fn send_confirmation(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), ClientError> {
        let words = Words { purpose: "confirm the set", content: "signature and blinded check values" };
        self.send("POST", &of_round(id, number, "/confirmation"), &words, &bytes).await
    }

    async fn certificate(&self, id: &str, number: u64) -> Result<Vec<u8>, ClientError> {
        let words = Words { purpose: "fetch the others' confirmations", content: "the site's token (in a header)" };
        self.get(&of_round(id, number, "/certificate"), &words, LONG_ANSWER).await
    }

    async fn send_answer(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), ClientError> {
        let words = Words { purpose: "help to open the sum", content: "sum of key shares over the whole set, signed" };
        self.send("POST", &of_round(id, number, "/answer"), &words, &bytes).await
    }

    async fn result(&self, id: &str, number: u64) -> Result<RoundResult, ClientError> {
        let words = Words { purpose: "read the opened sum", content: "the site's token out, the sum in" };
        json(&self.get(&of_round(id, number, "/result"), &words, LONG_ANSWER).await?)
    }
}

/// Takes up an invitation.
///
/// # Errors
/// `invitation` where the relay does not accept it; else as every call.
pub async fn enrol(http: &Http, enrolment: &Enrolment, signal: &AbortSignal) -> Result<Enrolled, ClientError> {
    let body = serde_json::to_vec(enrolment).map(zeroize::Zeroizing::new).map_err(ClientError::internal)?;
    let ask = Ask {
        method: "POST",
        path: "/v1/enrolments",
        purpose: "enrol",
        content: "invitation, and the public half of this site's identity",
        token: None,
        body: Some((&body, JSON)),
        limit: SHORT_ANSWER,
    };
    let answer = http.ask_quietly(ask, signal).await?;
    if matches!(answer.status, 400 | 401 | 403 | 404 | 409 | 410) {
        let detail = problem(&answer).and_then(|problem| problem.detail);
        let message = detail.unwrap_or_else(|| "It has been used before, has expired, or another relay made it.".into());
        let advice = "Check that the whole invitation was copied, or ask the administrator of the consortium for a new one.";
        return Err(ClientError::new("invitation", message, advice));
    }
    json(&accept(answer)?)
}

fn of_round(id: &str, number: u64, what: &str) -> String {
    format!("/v1/consortia/{id}/rounds/{number}{what}")
}

/// The body of a good answer; else the relay's problem in a site's terms.
fn accept(answer: Answer) -> Result<Vec<u8>, ClientError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.body);
    }
    let problem = problem(&answer);
    let title = problem.as_ref().and_then(|problem| problem.title.clone());
    let message = title.unwrap_or_else(|| format!("The relay answered with status {}", answer.status));
    let (code, advice) = match answer.status {
        401 | 403 => ("not-enrolled", "Ask the administrator of the consortium whether this site is still part of it."),
        429 | 502..=504 => ("busy", "Nothing has to be done: this page asks again by itself."),
        404..=499 => ("refused", "Look at the state of the round: it says what this site can do now."),
        _ => ("no-relay", "Try again in a moment; if it goes on, tell the people who run the relay."),
    };
    let detail = problem.and_then(|problem| problem.detail);
    let mut error = ClientError::new(code, format!("{message}."), detail.unwrap_or_else(|| advice.into()));
    error.retry_after_s = answer.header("retry-after").and_then(|text| text.parse().ok());
    Err(error)
}
