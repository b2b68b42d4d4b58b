//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use serde_json::{Map, Value, json};

use super::LogFormat;

/// The Veilsight relay: answers sealed tokens with encrypted logits and serves the page.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "relay-server", version, about)]
pub struct Flags {
    /// Configuration file (TOML); see relay-server.example.toml.
    #[arg(long, value_name = "FILE", env = "VEILSIGHT_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address of the page and the API [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Separate address for /metrics.
    #[arg(long, value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// Folder of the database [default: data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder of the model packs [default: models/zoo].
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Folder of the built page; without it only the API is served.
    #[arg(long, value_name = "DIR")]
    pub www: Option<PathBuf>,
    /// Origin that may embed the widget; may be given several times.
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// Answers per client, model and window.
    #[arg(long, value_name = "N")]
    pub budget_queries: Option<u32>,
    /// Log filter, for example info or relay_server=debug.
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Form of the log.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Make an administrator's token, print it with its SHA-256 for the configuration, and exit.
    #[arg(long)]
    pub make_admin_token: bool,
    /// Print the configuration in force as TOML and exit.
    #[arg(long)]
    pub print_config: bool,
    /// Check the configuration, the model packs and the database, and exit.
    #[arg(long)]
    pub check_config: bool,
}

impl Flags {
    /// The flags that were given, in the shape of the configuration.
    pub(super) fn values(&self) -> Value {
        let top = [
            ("listen", self.listen.map(|value| json!(value))),
            ("admin_listen", self.admin_listen.map(|value| json!(value))),
            ("data_dir", self.data_dir.as_ref().map(|value| json!(value))),
            ("models_dir", self.models.as_ref().map(|value| json!(value))),
            ("www_dir", self.www.as_ref().map(|value| json!(value))),
        ];
        let log = [
            ("filter", self.log_filter.as_ref().map(|value| json!(value))),
            ("format", self.log_format.map(|value| json!(value))),
        ];
        let origins = (!self.allow_origin.is_empty()).then(|| json!(self.allow_origin));
        let mut values = given(top);
        values.insert("log".to_owned(), Value::Object(given(log)));
        values.insert("cors".to_owned(), Value::Object(given([("allow_origins", origins)])));
        values.insert("budget".to_owned(), Value::Object(given([("queries", self.budget_queries.map(|value| json!(value)))])));
        Value::Object(values)
    }
}

fn given<const N: usize>(values: [(&str, Option<Value>); N]) -> Map<String, Value> {
    values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}
