//! A relay in this process, as benchmarks ask it over HTTP.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use axum::Router;
use relay_server::{Config, Relay};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// The relay, on threads of its own: one for its connections, others for its computations.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    runtime: Runtime,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<(), relay_server::RelayError>>,
    // The database's folder lives as long as the relay.
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts a relay with the packs in `models`, other routes beside its own, no limits that a load would meet, and the configuration
    /// changed by `configure`.
    ///
    /// # Errors
    /// Where it cannot start.
    pub fn start(models: &Path, beside: Router, configure: impl FnOnce(&mut Config)) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let data = tempfile::tempdir()?;
        let mut config = Config { data_dir: data.path().to_owned(), models_dir: models.to_owned(), ..Config::default() };
        config.budget.enabled = false;
        config.limits.posts_per_minute = u32::MAX;
        config.limits.post_burst = u32::MAX;
        configure(&mut config);
        let (stop, stopped) = oneshot::channel();
        let (address, serving) = runtime.block_on(async {
            let relay = Relay::open(config).await?;
            let router = relay.router_with(beside);
            let listener = Relay::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            let address = listener.local_addr()?;
            let shutdown = async { stopped.await.unwrap_or(()) };
            anyhow::Ok((address, tokio::spawn(relay.serve_router(router, listener, shutdown))))
        })?;
        Ok(Self { runtime, address, stop, serving, _data: data })
    }

    /// Stops it and waits until it has gone.
    ///
    /// # Errors
    /// Where it ended badly.
    pub fn stop(self) -> Result<()> {
        // The relay has gone already where nobody listens.
        let _ = self.stop.send(());
        Ok(self.runtime.block_on(self.serving)??)
    }
}
