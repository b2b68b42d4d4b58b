//! Rounds: what sites send is checked and kept before it is answered, and every state follows from what is kept. A relay that is killed
//! at any point goes on from there.

mod events;
mod intake;
pub(crate) mod protocol;
mod refusals;
mod settle;
mod state;
mod upload;
mod view;

pub(crate) use events::{Change, Listening};
pub(crate) use intake::Intake;
pub(crate) use refusals::sentence;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use he::HeError;
use he::aggregation::Consortium;
use tokio::sync::Semaphore;

use crate::config;
use crate::error::RelayError;
use crate::store::{Founded, RoundId};
use events::Events;
use upload::Uploads;

/// What rounds need beside the store and the workers. It holds nothing that a restart could miss.
pub(crate) struct Rounds {
    pub(crate) events: Events,
    pub(crate) uploads: Uploads,
    /// Contributions that are read, checked and stored at a time: each is in memory as a whole then.
    checks: Semaphore,
    steps: Mutex<HashMap<RoundId, Arc<tokio::sync::Mutex<()>>>>,
    /// Complete rosters by consortium, whose signatures were checked once; they never change.
    rosters: Mutex<HashMap<String, Arc<Consortium>>>,
}

impl Rounds {
    pub(crate) fn open(config: &config::Federation, data_dir: &Path) -> Result<Self, RelayError> {
        Ok(Self {
            events: Events::new(config.event_streams),
            uploads: Uploads::open(data_dir)?,
            checks: Semaphore::new(config.uploads),
            steps: Mutex::default(),
            rosters: Mutex::default(),
        })
    }

    /// The roster of a consortium whose sites have all enrolled.
    fn roster(&self, founded: &Founded) -> Result<Arc<Consortium>, HeError> {
        let id = &founded.founding.id;
        let known = self.rosters.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some(roster) = known {
            return Ok(roster);
        }
        let roster = Arc::new(protocol::derive_consortium(founded)?);
        self.rosters.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), Arc::clone(&roster));
        Ok(roster)
    }

    /// Who computes a round's next step, so that no two do the same work at once. The store decides which step counts.
    fn step_lock(&self, id: &RoundId) -> Arc<tokio::sync::Mutex<()>> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(steps.entry(id.clone()).or_default())
    }
}
