//! Who listens to rounds as they go.

use std::sync::{Arc, Mutex, PoisonError};

use federation::api::Round;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// Changes that a slow listener may fall behind; then its stream ends and it connects anew.
const BACKLOG: usize = 256;

/// A round that has changed.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) consortium: Arc<str>,
    pub(crate) round: Arc<Round>,
}

/// Sends changes to all listeners.
pub(crate) struct Events {
    sender: Mutex<Option<broadcast::Sender<Change>>>,
    places: Arc<Semaphore>,
}

/// One listener's place and changes.
pub(crate) struct Listening {
    pub(crate) changes: broadcast::Receiver<Change>,
    pub(crate) place: OwnedSemaphorePermit,
}

impl Events {
    pub(crate) fn new(streams: usize) -> Self {
        Self { sender: Mutex::new(Some(broadcast::Sender::new(BACKLOG))), places: Arc::new(Semaphore::new(streams)) }
    }

    pub(crate) fn announce(&self, consortium: &str, round: Round) {
        let change = Change { consortium: consortium.into(), round: Arc::new(round) };
        if let Some(sender) = &*self.lock() {
            // Without listeners there is nobody to tell.
            let _ = sender.send(change);
        }
    }

    /// A place among the listeners; nothing when all are taken or the relay stops.
    pub(crate) fn listen(&self) -> Option<Listening> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let changes = self.lock().as_ref()?.subscribe();
        Some(Listening { changes, place })
    }

    /// Ends all streams, so that they do not hold up the end of the relay.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<broadcast::Sender<Change>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
