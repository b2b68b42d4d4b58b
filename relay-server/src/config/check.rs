//! What a configuration must satisfy beyond its types.

use std::path::{Path, PathBuf};

use axum::http::Uri;

use super::Config;
use crate::error::RelayError;

impl Config {
    /// Checks the values against one another.
    ///
    /// # Errors
    /// [`RelayError::Config`] with a sentence that names the key and says what to write instead.
    pub fn check(&self) -> Result<(), RelayError> {
        for (key, value) in self.numbers() {
            if value == 0 {
                return wrong(format!("`{key}` is 0; write a number of at least 1."));
            }
        }
        for origin in &self.cors.allow_origins {
            check_origin("cors.allow_origins", origin)?;
        }
        for origin in &self.purification.relays {
            check_origin("purification.relays", origin)?;
        }
        if self.admin_listen == Some(self.listen) && self.listen.port() != 0 {
            return wrong("`admin_listen` equals `listen`; choose another port or leave it out.".to_owned());
        }
        self.check_admin()?;
        self.check_www()
    }

    fn check_admin(&self) -> Result<(), RelayError> {
        let Some(digits) = &self.federation.admin_token_sha256 else { return Ok(()) };
        if digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(());
        }
        // The value may be the token itself by mistake, so it is not repeated.
        wrong(
            "`federation.admin_token_sha256` is not 64 lower-case hexadecimal digits; take them from --make-admin-token."
                .to_owned(),
        )
    }

    fn numbers(&self) -> [(&'static str, u64); 21] {
        let (limits, sessions, federation, purification) = (&self.limits, &self.sessions, &self.federation, &self.purification);
        [
            ("limits.connections", limits.connections as u64),
            ("limits.in_flight", limits.in_flight as u64),
            ("limits.header_timeout_ms", limits.header_timeout_ms),
            ("limits.body_timeout_ms", limits.body_timeout_ms),
            ("limits.request_timeout_ms", limits.request_timeout_ms),
            ("limits.post_burst", limits.post_burst.into()),
            ("limits.retry_after_s", limits.retry_after_s),
            ("sessions.ttl_s", sessions.ttl_s),
            ("sessions.max", sessions.max as u64),
            ("sessions.max_per_client", sessions.max_per_client as u64),
            ("budget.queries", self.budget.queries.into()),
            ("budget.window_s", self.budget.window_s),
            ("federation.invitation_ttl_s", federation.invitation_ttl_s),
            ("federation.upload_timeout_ms", federation.upload_timeout_ms),
            ("federation.uploads", federation.uploads as u64),
            ("federation.event_streams", federation.event_streams as u64),
            ("purification.batch", purification.batch as u64),
            ("purification.queue_tiles", purification.queue_tiles as u64),
            ("purification.jobs_per_site", purification.jobs_per_site.into()),
            ("purification.timeout_s", purification.timeout_s),
            ("purification.ttl_s", purification.ttl_s),
        ]
    }

    /// The page's folder is public, so neither the heads nor the database may lie in it.
    fn check_www(&self) -> Result<(), RelayError> {
        let Some(www) = &self.www_dir else { return Ok(()) };
        if !www.is_dir() {
            return wrong(format!("`www_dir` {} is no folder; build the page or leave --www out.", www.display()));
        }
        let www_real = real(www);
        for (key, dir) in [("models_dir", &self.models_dir), ("data_dir", &self.data_dir)] {
            if real(dir).starts_with(&www_real) {
                return wrong(format!(
                    "`{key}` {} lies in the public folder {}; move one of them, for everything there is served.",
                    dir.display(),
                    www.display()
                ));
            }
        }
        Ok(())
    }
}

/// The path with symbolic links resolved, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let existing = absolute.ancestors().find_map(|ancestor| {
        let rest = absolute.strip_prefix(ancestor).ok()?;
        Some(ancestor.canonicalize().ok()?.join(rest))
    });
    existing.unwrap_or(absolute)
}

fn check_origin(key: &str, origin: &str) -> Result<(), RelayError> {
    let exact = || {
        let uri: Uri = origin.parse().ok()?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "https" | "http"))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        Some(format!("{scheme}://{authority}").to_ascii_lowercase())
    };
    if exact().as_deref() == Some(origin) {
        return Ok(());
    }
    wrong(format!(
        "`{key}` holds `{origin}`, which is no exact origin; write for example https://hospital.example \
         (scheme, lower-case host, port if unusual; no path, no slash at the end, no *)."
    ))
}

fn wrong<T>(sentence: String) -> Result<T, RelayError> {
    Err(RelayError::Config(sentence))
}
