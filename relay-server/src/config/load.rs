//! Puts defaults, file, environment and flags together.

use std::path::Path;

use figment::Figment;
use figment::error::{Error, Kind};
use figment::providers::{Env, Format, Serialized, Toml};

use super::{Config, Flags};
use crate::error::RelayError;

/// What every environment variable of the relay begins with; `__` separates a section from its key.
const ENV_PREFIX: &str = "VEILSIGHT_RELAY_";

/// Loads and checks the configuration.
///
/// # Errors
/// [`RelayError::ConfigFile`] when the file cannot be read, [`RelayError::Config`] for an unknown key or a bad value.
pub fn load(flags: &Flags) -> Result<Config, RelayError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(path) = &flags.config {
        let text = std::fs::read_to_string(path).map_err(|source| RelayError::ConfigFile { path: path.clone(), source })?;
        figment = figment.merge(Toml::string(&text));
    }
    let config: Config = figment
        .merge(Env::prefixed(ENV_PREFIX).split("__"))
        .merge(Serialized::defaults(flags.values()))
        .extract()
        .map_err(|error| RelayError::Config(sentences(&error, flags.config.as_deref())))?;
    config.check()?;
    Ok(config)
}

impl Config {
    /// The configuration as a file that [`load`] reads.
    ///
    /// # Errors
    /// [`RelayError::Config`] for a path that is no text.
    pub fn to_toml(&self) -> Result<String, RelayError> {
        toml::to_string(self).map_err(|error| RelayError::Config(format!("This configuration has no text form: {error}.")))
    }
}

fn sentences(error: &Error, file: Option<&Path>) -> String {
    let each: Vec<String> = error.clone().into_iter().map(|one| sentence(&one, file)).collect();
    each.join("\n")
}

fn sentence(error: &Error, file: Option<&Path>) -> String {
    let place = place(error, file);
    let path = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(name, known) => {
            // figment counts the unknown key to the path in some providers and not in others.
            let section = path.strip_suffix(name.as_str()).unwrap_or(&path).trim_end_matches('.');
            let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            format!("{place}: the key `{key}` is unknown; known here are {}.", known.join(", "))
        }
        kind => format!("{place}: the value of `{path}` cannot be used: {kind}."),
    }
}

fn place(error: &Error, file: Option<&Path>) -> String {
    let name = error.metadata.as_ref().map(|metadata| metadata.name.to_string()).unwrap_or_default();
    if name.contains("environment") {
        return format!("Environment ({ENV_PREFIX}*)");
    }
    match file {
        Some(path) if name.contains("TOML") => path.display().to_string(),
        _ => "Configuration".to_owned(),
    }
}
