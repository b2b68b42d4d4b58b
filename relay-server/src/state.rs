//! What every handler sees.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

use crate::answer::Prepared;
use crate::budget::Budget;
use crate::client::Identifier;
use crate::config::Config;
use crate::error::RelayError;
use crate::infer::Workers;
use crate::metrics::Metrics;
use crate::purification::Purification;
use crate::rate::RateLimiter;
use crate::rounds::Rounds;
use crate::sessions::Sessions;
use crate::store::Store;
use crate::zoo::Zoo;

/// The parts of a running relay.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) zoo: Zoo,
    pub(crate) store: Store,
    pub(crate) identifier: Identifier,
    pub(crate) sessions: Sessions<Prepared>,
    pub(crate) budget: Budget,
    pub(crate) rate: RateLimiter,
    pub(crate) workers: Workers,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    pub(crate) rounds: Rounds,
    pub(crate) purification: Purification,
}

impl App {
    pub(crate) async fn open(config: Config) -> Result<Self, RelayError> {
        config.check()?;
        let zoo = Zoo::load(&config.models_dir)?;
        let store = Store::open(&config.data_dir, config.database_url.as_ref()).await?;
        let key = store.client_key().await?;
        zoo.refresh(&store).await?;
        let limits = &config.limits;
        Ok(Self {
            identifier: Identifier::new(&key, config.trusted_proxies.clone()),
            sessions: Sessions::new(&config.sessions),
            budget: Budget::new(config.budget.clone()),
            rate: RateLimiter::new(limits.posts_per_minute, limits.post_burst),
            workers: Workers::start(&config.infer, limits.retry_after_s)?,
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            metrics: Metrics::new()?,
            rounds: Rounds::open(&config.federation, &config.data_dir)?,
            purification: Purification::open(&config.purification, &zoo)?,
            zoo,
            store,
            config,
        })
    }

    /// Why the relay cannot answer inferences at the moment; nothing when it can.
    pub(crate) async fn reasons_not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.zoo.is_empty() {
            reasons.push(format!("No model pack lies in {}.", self.config.models_dir.display()));
        }
        if let Err(error) = self.store.probe().await {
            tracing::error!(%error, "the database does not answer");
            reasons.push("The database cannot be read and written.".to_owned());
        }
        reasons
    }

    /// Serves the heads that the store says; one that cannot be read now is tried again with the next housekeeping.
    pub(crate) async fn refresh_heads(&self) {
        if let Err(error) = self.zoo.refresh(&self.store).await {
            tracing::error!(%error, "the active heads cannot be read");
        }
    }

    /// What has to be done now and then.
    pub(crate) async fn housekeeping(&self) {
        self.sessions.sweep(Instant::now());
        self.metrics.upkeep();
        self.budget.prune(&self.store).await;
        self.refresh_heads().await;
    }
}
