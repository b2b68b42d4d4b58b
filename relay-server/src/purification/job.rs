//! A job: which tiles a client wants purified, and how far they are.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use models::ModelError;
use models::purifier::Walk;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use wire::tile::{Tile, TileShape, from_fixed, to_fixed};
use wire::{PurifyRequest, PurifyResult, WireError};

use super::engine::Network;
use super::vault::Vault;
use crate::client::ClientId;
use crate::error::RelayError;

/// The random public name of a job; it opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct JobId(pub(crate) [u8; 16]);

impl JobId {
    /// # Errors
    /// [`RelayError::Randomness`] when the system gives none.
    pub(crate) fn make() -> Result<Self, RelayError> {
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(RelayError::Randomness)?;
        Ok(Self(name))
    }

    /// The name that 32 lower-case hexadecimal digits write.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut name = [0; 16];
        let plain = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        (plain && hex::decode_to_slice(text, &mut name).is_ok()).then_some(Self(name))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobState {
    /// All its tiles wait.
    Queued,
    /// Some of its tiles were begun.
    Running,
    /// The result can be fetched, once.
    Done,
    /// It could not be done; `error` says why.
    Failed,
    /// The client took it back.
    Cancelled,
    /// Its time was over.
    Expired,
    /// The result was fetched.
    Fetched,
}

impl JobState {
    pub(crate) const ALL: [Self; 7] =
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::Expired, Self::Fetched];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Fetched => "fetched",
        }
    }

    /// Whether work is still to be done.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// Why a job failed, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    TimedOut,
    NotComputed,
    NoPurifier,
    Unreadable,
}

impl Failure {
    pub(crate) const ALL: [Self; 4] = [Self::TimedOut, Self::NotComputed, Self::NoPurifier, Self::Unreadable];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::TimedOut => "timed-out",
            Self::NotComputed => "not-computed",
            Self::NoPurifier => "no-purifier",
            Self::Unreadable => "unreadable",
        }
    }

    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::TimedOut => {
                "The tiles took longer than a job may run; send fewer tiles or steps at a time, or ask another relay."
            }
            Self::NotComputed => {
                "The purifier did not get through on these tiles; send them to another relay, or purify on the device."
            }
            Self::NoPurifier => "The relay was started anew without this purifier; load the model again, or ask another relay.",
            Self::Unreadable => "The stored tiles can no longer be read; send them again.",
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct JobView {
    pub(crate) state: JobState,
    /// Tiles that are purified.
    pub(crate) done: usize,
    /// Tiles of the job.
    pub(crate) total: usize,
    /// Tiles that are begun before its next one.
    pub(crate) ahead: usize,
    /// Why it failed, a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'static str>,
}

/// A job that is queued or running in this process.
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) site: ClientId,
    pub(crate) vault: Vault,
    pub(crate) network: Arc<Network>,
    request: PurifyRequest,
    progress: Mutex<Progress>,
    /// The tiles' places in the queue, free again when the job is dropped.
    _places: OwnedSemaphorePermit,
}

/// Jobs are the same if their names are.
impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

struct Progress {
    begun: Option<Instant>,
    /// Purified tiles by their place in the request.
    purified: Vec<Option<Tile>>,
    ended: bool,
}

impl Job {
    pub(crate) fn new(
        id: JobId,
        site: ClientId,
        vault: Vault,
        network: Arc<Network>,
        request: PurifyRequest,
        places: OwnedSemaphorePermit,
    ) -> Self {
        let purified = vec![None; request.tiles().len()];
        let progress = Mutex::new(Progress { begun: None, purified, ended: false });
        Self { id, site, vault, network, request, progress, _places: places }
    }

    /// Channels and side of its tiles.
    pub(crate) fn shape(&self) -> TileShape {
        self.request.shape()
    }

    /// Tiles in all.
    pub(crate) fn tiles(&self) -> usize {
        self.request.tiles().len()
    }

    /// Whether tiles of both can share a pass through the network.
    pub(crate) fn shares_passes_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.network, &other.network) && self.shape() == other.shape()
    }

    /// Begins with a tile.
    ///
    /// # Errors
    /// [`ModelError::Purification`] where noise level and steps cannot be walked; the request was checked, so they can.
    pub(crate) fn begin(&self, tile: usize, now: Instant) -> Result<Walk, ModelError> {
        self.lock().begun.get_or_insert(now);
        let values = self.request.tiles()[tile].values.iter().map(|value| from_fixed(*value)).collect();
        Walk::new(self.network.card.schedule, values, self.request.t(), self.request.steps())
    }

    /// Takes a purified tile, values in diffusion units; tells whether it was the last one.
    pub(crate) fn finish(&self, tile: usize, values: &[f32]) -> bool {
        let id = self.request.tiles()[tile].id;
        let values = values.iter().map(|value| to_fixed(*value)).collect();
        let mut progress = self.lock();
        progress.purified[tile] = Some(Tile { id, values });
        progress.purified.iter().all(Option::is_some)
    }

    /// The message with all purified tiles, in the order of the request.
    ///
    /// # Errors
    /// [`WireError`] where tiles are missing.
    pub(crate) fn result(&self) -> Result<Vec<u8>, WireError> {
        let tiles = self.lock().purified.iter().flatten().cloned().collect();
        Ok(PurifyResult::new(self.shape(), tiles)?.encode())
    }

    /// Lets go of tiles that are being walked, between two steps.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
    }

    pub(crate) fn ended(&self) -> bool {
        self.lock().ended
    }

    /// Whether it has been running for longer than `limit`.
    pub(crate) fn overdue(&self, limit: Duration, now: Instant) -> bool {
        self.lock().begun.is_some_and(|begun| now.saturating_duration_since(begun) > limit)
    }

    /// How far it is, with `ahead` tiles before its next one.
    pub(crate) fn view(&self, ahead: usize) -> JobView {
        let progress = self.lock();
        let state = if progress.begun.is_some() { JobState::Running } else { JobState::Queued };
        JobView { state, done: progress.purified.iter().flatten().count(), total: self.tiles(), ahead, error: None }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
