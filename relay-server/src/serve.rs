//! The accept loop: connections in, requests to the router, an orderly end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt;

use crate::client::Peer;
use crate::config::{Config, Limits};
use crate::error::RelayError;
use crate::http;
use crate::state::App;

const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(30);
/// How late a deadline of a round, or the end of a purification's time, may be noticed.
const DEADLINES_EVERY: Duration = Duration::from_secs(1);

/// Opens a relay and serves it until `shutdown` resolves and the open requests are answered.
///
/// # Errors
/// As [`Relay::open`] and [`Relay::serve`].
pub async fn serve(config: Config, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> Result<(), RelayError> {
    Relay::open(config).await?.serve(listener, shutdown).await
}

/// A whole relay, not yet listening.
pub struct Relay {
    app: Arc<App>,
}

impl Relay {
    /// Loads the model packs and opens the database.
    ///
    /// # Errors
    /// [`RelayError`] for a bad configuration, an unusable pack or database.
    pub async fn open(config: Config) -> Result<Self, RelayError> {
        let app = Arc::new(App::open(config).await?);
        Ok(Self { app })
    }

    /// Listens on the configured address.
    ///
    /// # Errors
    /// [`RelayError::PortInUse`] or [`RelayError::Listen`].
    pub async fn bind(address: SocketAddr) -> Result<TcpListener, RelayError> {
        TcpListener::bind(address).await.map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => RelayError::PortInUse(address),
            _ => RelayError::Listen { address, source },
        })
    }

    /// The names of the loaded models.
    pub fn models(&self) -> Vec<String> {
        self.app.zoo.iter().map(|model| model.id().to_owned()).collect()
    }

    /// The page, the API and what belongs to it.
    pub fn router(&self) -> Router {
        self.router_with(Router::new())
    }

    /// As [`Relay::router`], with further routes behind the same limits, time-outs, headers and counters as the API's:
    /// what a benchmark compares an inference with.
    pub fn router_with(&self, extra: Router) -> Router {
        http::router(&self.app, extra)
    }

    /// Serves until `shutdown` resolves and the open requests are answered.
    ///
    /// # Errors
    /// [`RelayError`] where the admin address cannot be listened on.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> Result<(), RelayError> {
        let router = self.router();
        self.serve_router(router, listener, shutdown).await
    }

    /// As [`Relay::serve`], for a router made by [`Relay::router_with`].
    ///
    /// # Errors
    /// As [`Relay::serve`].
    pub async fn serve_router(
        self,
        router: Router,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), RelayError> {
        let (stop, stopped) = watch::channel(());
        let limits = self.app.config.limits.clone();
        let admin = match self.app.config.admin_listen {
            Some(address) => Some((Self::bind(address).await?, http::admin_router(&self.app))),
            None => None,
        };
        let admin = admin.map(|(listener, router)| tokio::spawn(accept(listener, router, limits.clone(), stopped.clone())));
        self.app.rounds.uploads.clear();
        let housekeeping = tokio::spawn(keep_house(Arc::clone(&self.app)));
        let rounds = tokio::spawn(keep_deadlines(Arc::clone(&self.app)));
        let purifying = tokio::spawn(Arc::clone(&self.app).keep_purifying());
        let main = tokio::spawn(accept(listener, router, limits, stopped));
        shutdown.await;
        tracing::info!("stopping: open requests are being answered");
        drop(stop);
        self.app.rounds.events.close();
        self.app.purification.events.close();
        // Neither task panics or is aborted before this point, so there is nothing to learn from how they ended.
        let _ = main.await;
        if let Some(admin) = admin {
            let _ = admin.await;
        }
        housekeeping.abort();
        rounds.abort();
        purifying.abort();
        self.app.store.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn keep_house(app: Arc<App>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING_EVERY);
    loop {
        ticks.tick().await;
        app.housekeeping().await;
    }
}

/// Goes on with the rounds that are stored, from the first moment on, and ends purifications in time.
async fn keep_deadlines(app: Arc<App>) {
    let mut ticks = tokio::time::interval(DEADLINES_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        app.settle_all().await;
        app.keep_lifetimes().await;
    }
}

/// Accepts connections until `stopped` closes, then waits for the open ones, though not for ever.
async fn accept(listener: TcpListener, router: Router, limits: Limits, mut stopped: watch::Receiver<()>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = next(&listener, &places) => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
            // The sender never sends; it is dropped when the relay stops.
            _ = stopped.changed() => break,
        };
        let header_timeout = Duration::from_millis(limits.header_timeout_ms);
        tokio::spawn(converse(stream, peer, router.clone(), header_timeout, graceful.watcher(), place));
    }
    drop(listener);
    let grace = Duration::from_millis(limits.shutdown_grace_ms);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not answered within the grace period");
    }
}

/// The next connection, once there is a place for it.
async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            // Out of file descriptors, most likely: give the open connections time to end.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
) {
    // Answers are small and awaited; a failure to say so only costs time.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        answer(router.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    router.oneshot(request.map(Body::new)).await
}
