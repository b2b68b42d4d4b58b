//! Where a PostgreSQL database is, with what may be a password in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands in place of a password wherever the URL is shown.
const HIDDEN: &str = "***";

/// The URL of a PostgreSQL database. Shown, printed and serialised without its password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its password, for the driver only.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    fn hidden(&self) -> String {
        let (base, query) = self.0.split_once('?').map_or((self.0.as_str(), None), |(base, query)| (base, Some(query)));
        let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", ""));
        let base = match rest.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((name, _)) => format!("{scheme}://{name}:{HIDDEN}@{host}"),
                None => base.to_owned(),
            },
            None => base.to_owned(),
        };
        let secret = |pair: &str| pair.to_ascii_lowercase().contains("pass");
        let hide = |pair: &str| if secret(pair) { format!("password={HIDDEN}") } else { pair.to_owned() };
        match query {
            Some(query) => format!("{base}?{}", query.split('&').map(hide).collect::<Vec<_>>().join("&")),
            None => base,
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err("it is no URL of a PostgreSQL database; write for example postgres://relay@localhost/veilsight, or leave it out for \
                        the SQLite file in data_dir"
                .to_owned());
        }
        if text.contains(HIDDEN) {
            return Err(format!("it holds {HIDDEN} in place of the password, as the relay prints it; put the password in"));
        }
        Ok(Self(text))
    }
}

impl From<DatabaseUrl> for String {
    fn from(url: DatabaseUrl) -> Self {
        url.hidden()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hidden())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://relay:hunter2@db.example:5432/veilsight", "postgres://relay:***@db.example:5432/veilsight"),
            ("postgresql://relay:hun@ter2@db/veilsight", "postgresql://relay:***@db/veilsight"),
            ("postgres:///veilsight?host=/run/pg&user=relay", "postgres:///veilsight?host=/run/pg&user=relay"),
            (
                "postgres://db/v?user=relay&password=hunter2&sslmode=require",
                "postgres://db/v?user=relay&password=***&sslmode=require",
            ),
        ] {
            let parsed = DatabaseUrl::try_from(url.to_owned()).unwrap();
            assert_eq!(format!("{parsed:?}"), shown);
            assert_eq!(String::from(parsed.clone()), shown);
            assert_eq!(parsed.expose(), url);
        }
    }

    #[test]
    fn another_scheme_or_a_hidden_password_is_refused_without_repeating_it() {
        for url in ["mysql://root:hunter2@db/v", "hunter2", "postgres://relay:***@db/v"] {
            assert!(!DatabaseUrl::try_from(url.to_owned()).unwrap_err().contains("hunter2"));
        }
    }
}
