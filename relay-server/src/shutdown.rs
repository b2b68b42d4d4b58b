//! When to stop.

use crate::error::RelayError;

/// A future that resolves at Ctrl-C or SIGTERM. Signals count from this call on, not only from the first poll.
///
/// # Errors
/// [`RelayError::Runtime`] where the system does not let signals be heard.
///
/// # Panics
/// Outside a tokio runtime.
pub fn signalled() -> Result<impl Future<Output = ()> + Send, RelayError> {
    imp::signalled().map_err(RelayError::Runtime)
}

#[cfg(unix)]
mod imp {
    use tokio::signal::unix::{SignalKind, signal};

    pub(super) fn signalled() -> std::io::Result<impl Future<Output = ()> + Send> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {},
                _ = terminate.recv() => {},
            }
        })
    }
}

#[cfg(not(unix))]
mod imp {
    pub(super) fn signalled() -> std::io::Result<impl Future<Output = ()> + Send> {
        Ok(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
