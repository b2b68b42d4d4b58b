//! The database: SQLite in the data directory, or PostgreSQL by URL. Every query is written once, for both.
//!
//! Ciphertexts lie in the database too, in parts of a quarter of a megabyte. As files beside it they could not be committed together
//! with the state of their round, and a backup would have to hold both at one moment.

mod audit;
mod budget;
mod consortia;
mod heads;
mod invitations;
mod messages;
mod purifications;
mod rounds;
mod url;

pub(crate) use audit::Happening;
pub(crate) use budget::Account;
pub(crate) use consortia::{Founded, Registered};
pub(crate) use heads::StoredHead;
pub(crate) use invitations::{Enrolling, Invited, TakenUp};
pub(crate) use messages::{Kind, RoundId, Stored, WHOLE_ROUND};
pub(crate) use purifications::JobRow;
pub(crate) use rounds::{RoundRow, Step, Stepped, state_name};
pub use url::DatabaseUrl;

use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Any, AnyPool, ConnectOptions, Executor, Transaction};

use crate::error::RelayError;

/// Name of the database in the data directory.
const FILE: &str = "relay.sqlite";
/// Connections to PostgreSQL.
const CONNECTIONS: u32 = 8;

static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// A change that is taken as a whole or not at all.
pub(crate) type Change = Transaction<'static, Any>;

/// The open database.
pub(crate) struct Store {
    /// Commits are on the disk before they return.
    pool: AnyPool,
    /// For the budgets, which may lose their last moments with the power, though not with the process.
    counts: AnyPool,
    /// What begins a change: SQLite must take its one write lock at once, or two readers could both want it later.
    begin: &'static str,
    /// Something was deleted that may still lie in SQLite's log of writes. At first, an earlier process may have left it so.
    to_scrub: AtomicBool,
}

/// How a change begins in SQLite.
const BEGIN_IMMEDIATE: &str = "BEGIN IMMEDIATE";

impl Store {
    /// Opens the database that `url` names, or the file in `data_dir`, and brings it up to date.
    pub(crate) async fn open(data_dir: &Path, url: Option<&DatabaseUrl>) -> Result<Self, RelayError> {
        make_private_dir(data_dir).map_err(|source| RelayError::DataDir { path: data_dir.to_path_buf(), source })?;
        install_default_drivers();
        match url {
            Some(url) => Self::open_postgres(url).await,
            None => Self::open_sqlite(data_dir).await,
        }
    }

    async fn open_sqlite(data_dir: &Path) -> Result<Self, RelayError> {
        let file = std::path::absolute(data_dir.join(FILE)).map_err(RelayError::Runtime)?;
        let url = SqliteConnectOptions::new().filename(file).create_if_missing(true).to_url_lossy();
        let options = AnyConnectOptions::from_url(&url)?;
        let pool = sqlite_pool(&options, DURABLE).await?;
        SQLITE.run(&pool).await?;
        Ok(Self { counts: sqlite_pool(&options, QUICK).await?, pool, begin: BEGIN_IMMEDIATE, to_scrub: AtomicBool::new(true) })
    }

    async fn open_postgres(url: &DatabaseUrl) -> Result<Self, RelayError> {
        let options = AnyConnectOptions::from_str(url.expose())?;
        let pool = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(Duration::from_secs(5));
        let pool = pool.connect_with(options).await?;
        POSTGRES.run(&pool).await?;
        Ok(Self { counts: pool.clone(), pool, begin: "BEGIN", to_scrub: AtomicBool::new(false) })
    }

    fn is_sqlite(&self) -> bool {
        self.begin == BEGIN_IMMEDIATE
    }

    /// Begins a change; it is undone unless it is committed.
    pub(crate) async fn begin(&self) -> Result<Change, sqlx::Error> {
        self.pool.begin_with(self.begin).await
    }

    /// Whether the budgets can be read and the database be written.
    pub(crate) async fn probe(&self) -> Result<(), sqlx::Error> {
        let mut change = self.begin().await?;
        sqlx::query("SELECT used FROM budget LIMIT 1").fetch_optional(&mut *change).await?;
        change.rollback().await
    }

    /// Writes everything to the file and closes it.
    pub(crate) async fn close(&self) {
        self.counts.close().await;
        self.pool.close().await;
    }
}

/// For rounds: a commit is on the disk before it returns, and what is deleted is overwritten.
const DURABLE: &str =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;";
/// For budgets: a commit outlives the process.
const QUICK: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;";

/// SQLite has one writer; one connection means nobody waits for a lock inside a change.
async fn sqlite_pool(options: &AnyConnectOptions, pragmas: &'static str) -> Result<AnyPool, sqlx::Error> {
    let pool = AnyPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
    let pool = pool.after_connect(move |connection, _| Box::pin(async move { connection.execute(pragmas).await.map(drop) }));
    pool.connect_with(options.clone()).await
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// The deadline of what may take so many seconds from now, and never fewer for this second having begun.
pub(crate) fn deadline_in(seconds: u32) -> i64 {
    unix_now().saturating_add(i64::from(seconds)).saturating_add(1)
}

/// A value that was written by the relay and cannot be read back.
fn damaged(what: &str, error: impl std::fmt::Display) -> sqlx::Error {
    sqlx::Error::Protocol(format!("the stored {what} cannot be read: {error}"))
}

/// Makes a directory that only the relay's own account can enter.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;

    #[tokio::test]
    async fn a_database_from_before_federation_is_brought_up_to_date_and_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("old");
        std::fs::create_dir(&old).unwrap();
        std::fs::write(old.join("0001_budget.sql"), include_str!("../../migrations/sqlite/0001_budget.sql")).unwrap();
        let url = format!("sqlite://{}?mode=rwc", dir.path().join(FILE).display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        Migrator::new(old).await.unwrap().run_direct(None, &mut connection, false).await.unwrap();
        let key = "INSERT INTO secret (id, client_key) VALUES (1, $1)";
        sqlx::query(key).bind(vec![7; 32]).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let store = Store::open(dir.path(), None).await.unwrap();
        assert_eq!(store.client_key().await.unwrap(), [7; 32]);
        assert!(store.consortium_ids().await.unwrap().is_empty());
        store.close().await;
    }

    /// A schema without what the two databases say differently, and without comments.
    fn plain(schema: &str) -> String {
        let lines = schema.lines().filter(|line| !line.starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let text = text.replace(" STRICT, WITHOUT ROWID;", ";").replace(" STRICT;", ";");
        text.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA")
    }

    #[test]
    fn both_databases_have_the_same_tables() {
        for (sqlite, postgres) in [
            (include_str!("../../migrations/sqlite/0001_budget.sql"), include_str!("../../migrations/postgres/0001_budget.sql")),
            (
                include_str!("../../migrations/sqlite/0002_federation.sql"),
                include_str!("../../migrations/postgres/0002_federation.sql"),
            ),
            (
                include_str!("../../migrations/sqlite/0003_purification.sql"),
                include_str!("../../migrations/postgres/0003_purification.sql"),
            ),
            (
                include_str!("../../migrations/sqlite/0004_open_jobs.sql"),
                include_str!("../../migrations/postgres/0004_open_jobs.sql"),
            ),
        ] {
            assert_eq!(plain(sqlite), plain(postgres));
        }
    }
}
