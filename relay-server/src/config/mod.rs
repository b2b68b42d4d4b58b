//! Everything that can be set about a relay, with its defaults.
//!
//! Precedence, lowest first: the defaults here, the file named by `--config`, environment variables
//! (`VEILSIGHT_RELAY_LISTEN`, `VEILSIGHT_RELAY_BUDGET__QUERIES`, …), flags. A key that the relay does not know is an error.

mod check;
mod flags;
mod load;
mod purification;

pub use flags::Flags;
pub use load::load;
pub use purification::{Device, Purification};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use crate::store::DatabaseUrl;

/// The whole configuration of a relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address of the page and the API.
    pub listen: SocketAddr,
    /// A second address for `/metrics`; without it they are served on `listen`.
    pub admin_listen: Option<SocketAddr>,
    /// Where the database lies, and uploads until they are checked.
    pub data_dir: PathBuf,
    /// A PostgreSQL database to use in place of the SQLite file in `data_dir`.
    pub database_url: Option<DatabaseUrl>,
    /// The folder of model packs, one folder each.
    pub models_dir: PathBuf,
    /// The built page; without it only the API is served.
    pub www_dir: Option<PathBuf>,
    /// Reverse proxies whose `X-Forwarded-For` is believed, as addresses or networks. Empty: the header is ignored.
    pub trusted_proxies: Vec<Network>,
    /// Who may call from other origins.
    pub cors: Cors,
    /// Time-outs, sizes and rates.
    pub limits: Limits,
    /// Sessions, which hold prepared public keys in memory.
    pub sessions: Sessions,
    /// The threads that compute on ciphertexts.
    pub infer: Infer,
    /// How many answers a client may have.
    pub budget: Budget,
    /// Consortia and their rounds.
    pub federation: Federation,
    /// Purification of tiles.
    pub purification: Purification,
    /// What is logged, and how.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            admin_listen: None,
            data_dir: PathBuf::from("data"),
            database_url: None,
            models_dir: PathBuf::from("models/zoo"),
            www_dir: None,
            trusted_proxies: Vec::new(),
            cors: Cors::default(),
            limits: Limits::default(),
            sessions: Sessions::default(),
            infer: Infer::default(),
            budget: Budget::default(),
            federation: Federation::default(),
            purification: Purification::default(),
            log: Log::default(),
        }
    }
}

/// An address or a network in CIDR notation; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether the network holds the address.
    pub fn contains(&self, address: &IpAddr) -> bool {
        self.0.contains(address)
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| format!("`{text}` is no address and no network; write for example 10.0.0.1 or 10.0.0.0/8"))
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

/// Origins that may embed the widget and call the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Exact origins, for example `https://hospital.example`. Empty: the relay's own origin only.
    pub allow_origins: Vec<String>,
    /// How long a browser may remember the answer to a preflight, in seconds.
    pub max_age_s: u64,
}

impl Default for Cors {
    fn default() -> Self {
        Self { allow_origins: Vec::new(), max_age_s: 600 }
    }
}

/// Time-outs in milliseconds, sizes in requests or connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections; further ones wait to be accepted.
    pub connections: usize,
    /// Requests to the API in progress; further ones are answered 503.
    pub in_flight: usize,
    /// How long a client may take to send the head of a request, also while a connection is idle.
    pub header_timeout_ms: u64,
    /// How long a client may take to send the body of a request.
    pub body_timeout_ms: u64,
    /// How long a whole request may take until its answer begins.
    pub request_timeout_ms: u64,
    /// How long open requests may take after the relay was told to stop.
    pub shutdown_grace_ms: u64,
    /// POST requests per client and minute on average; 0 for no limit.
    pub posts_per_minute: u32,
    /// POST requests that a client may send at once.
    pub post_burst: u32,
    /// What `Retry-After` says to a request that was refused for load, in seconds.
    pub retry_after_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            in_flight: 256,
            header_timeout_ms: 15_000,
            body_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            shutdown_grace_ms: 20_000,
            posts_per_minute: 120,
            post_burst: 60,
            retry_after_s: 1,
        }
    }
}

/// Sessions are lost at a restart; a client then makes a new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// How long a session lives, in seconds.
    pub ttl_s: u64,
    /// Sessions in memory (about 64 KiB each); the least recently used one gives way.
    pub max: usize,
    /// Sessions of one client; its least recently used one gives way.
    pub max_per_client: usize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { ttl_s: 3600, max: 2048, max_per_client: 32 }
    }
}

/// The threads that compute on ciphertexts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Infer {
    /// Worker threads; 0 for one per core.
    pub workers: usize,
    /// Jobs that may wait for a worker; further ones are answered 503.
    pub queue: usize,
}

impl Default for Infer {
    fn default() -> Self {
        Self { workers: 0, queue: 64 }
    }
}

/// Exact logits give a linear head of `d` weights a class away in `d + 1` answers: the budget bounds how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Whether answers are counted at all. Switch off for benchmarks only.
    pub enabled: bool,
    /// Answers per client, model and window.
    pub queries: u32,
    /// The window in seconds; it begins with a client's first query.
    pub window_s: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { enabled: true, queries: 60, window_s: 24 * 3600 }
    }
}

/// Consortia of sites, and the rounds in which they learn a head together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Federation {
    /// SHA-256 of the administrator's token, 64 hexadecimal digits; `--make-admin-token` makes both. Without it nobody can found a consortium.
    pub admin_token_sha256: Option<String>,
    /// How long an invitation can be taken up, in seconds.
    pub invitation_ttl_s: u64,
    /// How long a site may take to send a contribution.
    pub upload_timeout_ms: u64,
    /// Contributions that are checked and stored at a time; further ones wait.
    pub uploads: usize,
    /// Open streams of events; further ones are answered 503.
    pub event_streams: usize,
}

impl Default for Federation {
    fn default() -> Self {
        Self {
            admin_token_sha256: None,
            invitation_ttl_s: 7 * 24 * 3600,
            upload_timeout_ms: 300_000,
            uploads: 4,
            event_streams: 256,
        }
    }
}

/// Logging goes to standard error. Payloads and addresses of clients are never logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A filter in the form of `tracing`, for example `info` or `relay_server=debug,info`.
    pub filter: String,
    /// Lines for people or JSON for machines.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
