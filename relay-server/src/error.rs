//! What can keep the relay from starting or from running on.

use std::net::SocketAddr;
use std::path::PathBuf;

/// One sentence each: what is wrong and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// The configuration file does not exist or cannot be read.
    #[error("The configuration file {path} cannot be read ({source}); name an existing file with --config.")]
    ConfigFile {
        /// The file that was named.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// Another program listens on the address.
    #[error(
        "{0} is already in use; stop the other program or choose another port, for example --listen {ip}:{port}.",
        ip = .0.ip(), port = .0.port().wrapping_add(1)
    )]
    PortInUse(SocketAddr),
    /// The address cannot be listened on for another reason.
    #[error("Cannot listen on {address} ({source}); choose another address with --listen.")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The data directory cannot be made.
    #[error("The data directory {path} cannot be made ({source}); choose a writable one with --data-dir.")]
    DataDir {
        /// The directory asked for.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The database cannot be opened, migrated or used.
    #[error(
        "The database failed ({0}); check that the data directory is writable and the disk not full, or that the server in database_url can be reached."
    )]
    Database(#[from] sqlx::Error),
    /// The database was written by a newer relay or is damaged.
    #[error(
        "The database cannot be brought up to date ({0}); it may come from a newer relay: restore a backup or choose another --data-dir or database_url."
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A model pack is unusable.
    #[error("The model pack in {path} cannot be used: {reason}")]
    Pack {
        /// The folder of the pack.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A pack's purifier cannot be loaded.
    #[error("The purifier of the model pack {model} cannot be used: {reason}")]
    Purifier {
        /// Name of the model.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration asks for a GPU.
    #[error("No GPU can be used ({0}); install its driver, or set purification.device to auto or cpu.")]
    NoGpu(String),
    /// Tiles cannot be sealed for the disk.
    #[error("The tiles of a purification cannot be sealed; the job is not taken.")]
    Sealing,
    /// The pool of worker threads cannot be made.
    #[error("The worker threads cannot be started ({0}); lower infer.workers or purification.workers.")]
    Workers(#[from] rayon::ThreadPoolBuildError),
    /// The system gives no randomness.
    #[error("The operating system gives no random bytes ({0}); the relay cannot run without them.")]
    Randomness(getrandom::Error),
    /// The program's own input, output or threads fail.
    #[error("The program cannot run ({0}); check the system's limits and where its output goes.")]
    Runtime(std::io::Error),
    /// The metrics recorder cannot be built.
    #[error("The metrics cannot be set up ({0}).")]
    Metrics(String),
}
