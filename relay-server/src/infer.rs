//! The worker threads: everything that computes on ciphertexts runs here, off the async threads, in a bounded queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::config;
use crate::error::RelayError;
use crate::problem::Problem;

/// A pool of threads and the places in front of it.
pub(crate) struct Workers {
    pool: rayon::ThreadPool,
    /// One permit for each job that runs or waits.
    places: Arc<Semaphore>,
    all_places: usize,
    retry_after_s: u64,
}

impl Workers {
    pub(crate) fn start(config: &config::Infer, retry_after_s: u64) -> Result<Self, RelayError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(config.workers)
            .thread_name(|number| format!("infer-{number}"))
            .build()?;
        let all_places = pool.current_num_threads() + config.queue;
        Ok(Self { pool, places: Arc::new(Semaphore::new(all_places)), all_places, retry_after_s })
    }

    /// Takes a place for one job.
    ///
    /// # Errors
    /// 503 when all places are taken.
    pub(crate) fn place(&self) -> Result<Place<'_>, Problem> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::busy(self.retry_after_s))?;
        Ok(Place { pool: &self.pool, permit })
    }

    /// Takes a place for one job of the relay's own, as soon as there is one.
    ///
    /// # Errors
    /// 503 when the relay stops.
    pub(crate) async fn wait_for_place(&self) -> Result<Place<'_>, Problem> {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.map_err(|_| Problem::busy(self.retry_after_s))?;
        Ok(Place { pool: &self.pool, permit })
    }

    /// Jobs that run or wait.
    pub(crate) fn jobs(&self) -> usize {
        self.all_places - self.places.available_permits()
    }
}

/// The right to run one job.
pub(crate) struct Place<'a> {
    pool: &'a rayon::ThreadPool,
    permit: tokio::sync::OwnedSemaphorePermit,
}

impl Place<'_> {
    /// Runs a job on a worker. A job whose caller has gone away before it began is dropped.
    ///
    /// # Errors
    /// 500 when the job panics.
    pub(crate) async fn run<T: Send + 'static>(self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let (sender, receiver) = oneshot::channel();
        let permit = self.permit;
        self.pool.spawn_fifo(move || {
            if sender.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(job));
            // The place is free before the caller hears of it.
            drop(permit);
            if let Ok(outcome) = outcome {
                // An error here means that the caller has gone away.
                let _ = sender.send(outcome);
            }
        });
        receiver.await.map_err(|_| {
            tracing::error!("a job on a worker thread panicked");
            Problem::internal()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn workers(queue: usize) -> Workers {
        Workers::start(&config::Infer { workers: 1, queue }, 2).unwrap()
    }

    #[tokio::test]
    async fn when_every_place_is_taken_the_next_job_is_told_to_come_back() {
        let workers = workers(1);
        let taken = (workers.place().unwrap(), workers.place().unwrap());
        let refused = workers.place().err().unwrap().into_response();
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "2");
        assert_eq!(workers.jobs(), 2);
        drop(taken);
        assert_eq!(workers.place().unwrap().run(|| 6 * 7).await.unwrap(), 42);
        assert_eq!(workers.jobs(), 0);
    }

    #[tokio::test]
    async fn a_panic_on_a_worker_is_an_internal_error_and_frees_its_place() {
        let workers = workers(0);
        let place = workers.place().unwrap();
        let outcome = place.run(|| -> u8 { panic!("as the test wants it") }).await;
        assert_eq!(outcome.unwrap_err().into_response().status(), 500);
        assert_eq!(workers.place().unwrap().run(|| 1).await.unwrap(), 1);
    }
}
