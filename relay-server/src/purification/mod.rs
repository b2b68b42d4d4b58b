//! Purification jobs: noised tiles come in, wait their turn, are walked back to clean ones, and go out once.
//!
//! The tiles are not the image, but they are not ciphertext either: who holds enough of them can make something out (THREAT_MODEL.md).
//! So they lie in memory or sealed in the store, under a key that only the client's token gives ([`vault`]), for a bounded time, and
//! what is deleted is overwritten. A relay that is killed finds its jobs again but cannot read them; the next request of their client
//! with the token lets them go on.

mod batch;
mod engine;
mod events;
mod intake;
mod job;
mod lifetime;
mod queue;
mod refusals;
mod vault;
mod work;

pub(crate) use events::Listening;
pub(crate) use intake::Holder;
pub(crate) use job::{Failure, JobId, JobState, JobView};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::config;
use crate::error::RelayError;
use crate::zoo::Zoo;
use engine::{Engine, Network};
use events::Events;
use job::Job;
use queue::Queue;

/// The jobs of this process and what they run on. The store knows of all jobs; what stands here is only what goes on now.
pub(crate) struct Purification {
    pub(crate) config: config::Purification,
    pub(crate) events: Events,
    engine: Engine,
    /// By the first eight bytes of the SHA-256 of their file.
    networks: HashMap<[u8; 8], Arc<Network>>,
    /// One permit for each tile that waits or is at work.
    places: Arc<Semaphore>,
    board: Mutex<Board>,
    /// Wakes the worker when tiles have come.
    arrived: Notify,
}

/// The jobs that are queued or running, and their tiles that wait.
struct Board {
    jobs: HashMap<JobId, Arc<Job>>,
    queue: Queue<Arc<Job>>,
    /// Tiles at work in each of the two batches.
    working: [usize; 2],
}

impl Purification {
    /// Loads the purifiers of all packs onto the device.
    ///
    /// # Errors
    /// [`RelayError`] where the device asked for is missing or a purifier cannot be loaded.
    pub(crate) fn open(config: &config::Purification, zoo: &Zoo) -> Result<Self, RelayError> {
        let engine = Engine::start(config)?;
        let mut networks = HashMap::new();
        for model in zoo.iter().filter(|_| config.enabled) {
            let Some((card, file)) = model.purifier() else { continue };
            let loaded = engine.load(card, model.shipped.preprocess.size, file.plain());
            let network =
                loaded.map_err(|error| RelayError::Purifier { model: model.id().to_owned(), reason: error.to_string() })?;
            networks.insert(card.tag(), Arc::new(network));
        }
        if config.enabled {
            tracing::info!(device = engine.name(), purifiers = networks.len(), "purification is offered");
        }
        Ok(Self {
            config: config.clone(),
            events: Events::new(),
            engine,
            networks,
            places: Arc::new(Semaphore::new(config.queue_tiles)),
            board: Mutex::new(Board { jobs: HashMap::new(), queue: Queue::new(), working: [0; 2] }),
            arrived: Notify::new(),
        })
    }

    /// The device in words.
    pub(crate) fn device(&self) -> String {
        self.engine.name()
    }

    /// Most tiles of one job.
    pub(crate) fn tiles_per_job(&self) -> usize {
        self.config.queue_tiles.min(wire::limits::MAX_TILES.into())
    }

    /// Tiles that wait, and tiles at work.
    pub(crate) fn tiles(&self) -> (usize, usize) {
        let board = self.lock();
        (board.queue.len(), board.working.iter().sum())
    }

    /// Whether a purifier with this tag is loaded.
    pub(crate) fn has(&self, tag: &[u8; 8]) -> bool {
        self.networks.contains_key(tag)
    }

    /// How far a job is that goes on in this process.
    fn view(&self, id: &JobId) -> Option<JobView> {
        let board = self.lock();
        let job = board.jobs.get(id)?;
        Some(job.view(board.queue.ahead(job)))
    }

    /// Lets a job wait its turn, once.
    fn enqueue(&self, job: Job) {
        let mut board = self.lock();
        if board.jobs.contains_key(&job.id) {
            return;
        }
        let job = Arc::new(job);
        board.queue.push(job.site, Arc::clone(&job), job.tiles());
        board.jobs.insert(job.id, job);
        drop(board);
        self.arrived.notify_one();
    }

    /// Stops a job in this process.
    fn drop_job(&self, id: &JobId) {
        let mut board = self.lock();
        if let Some(job) = board.jobs.remove(id) {
            job.end();
            board.queue.remove(&job);
        }
        drop(board);
        self.events.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
