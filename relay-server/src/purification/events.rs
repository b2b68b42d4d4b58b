//! Who waits for jobs to go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Open streams of events; further ones are answered 503.
const STREAMS: usize = 256;

/// Wakes all listeners when something has gone on; each looks for itself what. Nothing of one job can so reach another's stream.
pub(crate) struct Events {
    sender: Mutex<Option<watch::Sender<()>>>,
    places: Arc<Semaphore>,
}

/// One listener's place.
pub(crate) struct Listening {
    woken: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
}

impl Listening {
    /// Waits until something has gone on since the last call; `false` when the relay stops.
    pub(crate) async fn next(&mut self) -> bool {
        self.woken.changed().await.is_ok()
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { sender: Mutex::new(Some(watch::Sender::new(()))), places: Arc::new(Semaphore::new(STREAMS)) }
    }

    pub(crate) fn wake(&self) {
        if let Some(sender) = &*self.lock() {
            sender.send_replace(());
        }
    }

    /// A place among the listeners; nothing when all are taken or the relay stops.
    pub(crate) fn listen(&self) -> Option<Listening> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let woken = self.lock().as_ref()?.subscribe();
        Some(Listening { woken, _place: place })
    }

    /// Ends all streams, so that they do not hold up the end of the relay.
    pub(crate) fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<watch::Sender<()>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
