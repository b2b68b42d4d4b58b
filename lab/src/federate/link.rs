//! The relay's calls over HTTP, for sites and administrators.

use std::sync::Mutex;
use std::time::Duration;

use federation::{
    api::{Consortium, Enrolled, Enrolment, Round, RoundResult},
    site::RelayLink,
};
use reqwest::{Client, Method, RequestBuilder};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// Most bytes of an answer that are read: a delivery to one of 63 sites is far smaller.
const MAX_ANSWER_BYTES: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No answer.
    #[error("the relay does not answer ({0}); check its address and whether it runs")]
    Unreachable(#[source] reqwest::Error),
    /// An answer that refuses.
    #[error("the relay refuses ({status}, {kind}): {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable name of the problem.
        kind: String,
        /// The relay's sentence.
        detail: String,
    },
    /// An answer that cannot be read.
    #[error("the relay's answer cannot be read ({0}); use the same version on both sides")]
    Garbled(String),
    /// The state could not be kept.
    #[error("the site's state cannot be stored: {0}")]
    State(String),
}

/// Bytes of the bodies that went over a link, by kind of message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Kind of message, bytes sent, bytes received.
    pub messages: Vec<(&'static str, u64, u64)>,
}

impl Traffic {
    /// Bytes sent and received of one kind of message.
    pub fn of(&self, kind: &str) -> (u64, u64) {
        self.messages.iter().filter(|m| m.0 == kind).fold((0, 0), |sum, m| (sum.0 + m.1, sum.1 + m.2))
    }
}

/// A connection to a relay, with a bearer token.
pub struct HttpLink {
    client: Client,
    base: String,
    token: Zeroizing<String>,
    traffic: Mutex<Traffic>,
}

impl HttpLink {
    /// A connection to the relay at `base`, for example `http://127.0.0.1:8080`. An empty token sends none.
    ///
    /// # Errors
    /// [`LinkError::Unreachable`] where the system gives no HTTP client.
    pub fn new(base: &str, token: Zeroizing<String>) -> Result<Self, LinkError> {
        // A site is silent for minutes while it encodes; a connection that was kept open could be closed just when it is used again.
        let client = Client::builder().timeout(PATIENCE).pool_max_idle_per_host(0).build().map_err(LinkError::Unreachable)?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token, traffic: Mutex::default() })
    }

    /// What went over the link so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.lock().map(|traffic| traffic.clone()).unwrap_or_default()
    }

    /// Takes up an invitation.
    ///
    /// # Errors
    /// As every call: [`LinkError`].
    pub async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolled, LinkError> {
        self.post("enrolment", "/v1/enrolments", enrolment).await
    }

    /// All rounds of a consortium.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn rounds(&self, id: &str) -> Result<Vec<Round>, LinkError> {
        self.get("status", &format!("/v1/consortia/{id}/rounds")).await
    }

    /// A JSON document.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn get<T: DeserializeOwned>(&self, kind: &'static str, path: &str) -> Result<T, LinkError> {
        read(&self.send(kind, self.request(Method::GET, path), 0).await?)
    }

    /// Sends a JSON document and reads one.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn post<T: DeserializeOwned>(&self, kind: &'static str, path: &str, body: &impl Serialize) -> Result<T, LinkError> {
        let body = Zeroizing::new(serde_json::to_vec(body).map_err(|error| LinkError::Garbled(error.to_string()))?);
        let request = self.request(Method::POST, path).header("content-type", "application/json").body(body.to_vec());
        read(&self.send(kind, request, body.len()).await?)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn put_bytes(&self, kind: &'static str, method: Method, path: &str, body: Vec<u8>) -> Result<(), LinkError> {
        let sent = body.len();
        let request = self.request(method, path).header("content-type", "application/octet-stream").body(body);
        self.send(kind, request, sent).await.map(|_| ())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        if self.token.is_empty() { request } else { request.bearer_auth(self.token.as_str()) }
    }

    async fn send(&self, kind: &'static str, request: RequestBuilder, sent: usize) -> Result<Vec<u8>, LinkError> {
        let unreachable = |error: reqwest::Error| LinkError::Unreachable(error.without_url());
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(LinkError::Garbled(format!("it is longer than {MAX_ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if let Ok(mut traffic) = self.traffic.lock() {
            traffic.messages.push((kind, sent as u64, body.len() as u64));
        }
        if status.is_success() { Ok(body) } else { Err(refusal(status.as_u16(), &body)) }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, LinkError> {
    serde_json::from_slice(body).map_err(|error| LinkError::Garbled(error.to_string()))
}

fn refusal(status: u16, body: &[u8]) -> LinkError {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().unwrap_or("no reason given").to_owned();
    LinkError::Refused { status, kind: text("type"), detail: text("detail") }
}

impl RelayLink for HttpLink {
    type Error = LinkError;

    async fn consortium(&self, id: &str) -> Result<Consortium, LinkError> {
        self.get("status", &format!("/v1/consortia/{id}")).await
    }

    async fn round(&self, id: &str, number: u64) -> Result<Round, LinkError> {
        self.get("status", &path(id, number, "")).await
    }

    async fn send_contribution(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), LinkError> {
        self.put_bytes("contribution", Method::PUT, &path(id, number, "/contribution"), bytes).await
    }

    async fn delivery(&self, id: &str, number: u64) -> Result<Vec<u8>, LinkError> {
        self.send("delivery", self.request(Method::GET, &path(id, number, "/delivery")), 0).await
    }

    async fn send_confirmation(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), LinkError> {
        self.put_bytes("confirmation", Method::POST, &path(id, number, "/confirmation"), bytes).await
    }

    async fn certificate(&self, id: &str, number: u64) -> Result<Vec<u8>, LinkError> {
        self.send("certificate", self.request(Method::GET, &path(id, number, "/certificate")), 0).await
    }

    async fn send_answer(&self, id: &str, number: u64, bytes: Vec<u8>) -> Result<(), LinkError> {
        self.put_bytes("answer", Method::POST, &path(id, number, "/answer"), bytes).await
    }

    async fn result(&self, id: &str, number: u64) -> Result<RoundResult, LinkError> {
        self.get("result", &path(id, number, "/result")).await
    }
}

fn path(id: &str, number: u64, rest: &str) -> String {
    format!("/v1/consortia/{id}/rounds/{number}{rest}")
}
