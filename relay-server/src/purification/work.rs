//! The worker: fills its batches, takes a step with each in turn, keeps what is finished.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, Over};
use super::job::{Failure, JobState};
use super::vault::Content;
use crate::error::RelayError;
use crate::state::App;

impl App {
    /// Purifies tiles as long as the relay runs: while one batch's outcome is put away and the next is filled, the other is at work.
    pub(crate) async fn keep_purifying(self: Arc<Self>) {
        tokio::join!(self.work_on(0), self.work_on(1));
    }

    /// Keeps the batch of this number at work. What is over is kept in the store while its next tiles are at work.
    async fn work_on(self: &Arc<Self>, number: usize) {
        let mut batch = Batch::new(self.purification.config.batch);
        loop {
            self.fill(number, &mut batch);
            let over = batch.take_over();
            if batch.len() == 0 {
                if over.is_empty() {
                    self.purification.arrived.notified().await;
                }
                self.settle_jobs(over).await;
                continue;
            }
            let (passed, ()) = tokio::join!(self.pass(batch), self.settle_jobs(over));
            batch = match passed {
                Ok(batch) => batch,
                // The runtime stops.
                Err(_) => return,
            };
            self.purification.events.wake();
        }
    }

    fn fill(&self, number: usize, batch: &mut Batch) {
        let mut board = self.purification.lock();
        batch.fill(&mut board.queue, Instant::now());
        board.working[number] = batch.len();
    }

    /// One step of all tiles in the batch, on a thread that may take its time.
    async fn pass(self: &Arc<Self>, mut batch: Batch) -> Result<Batch, tokio::task::JoinError> {
        let app = Arc::clone(self);
        let step = move || {
            let (start, tiles) = (Instant::now(), batch.len());
            let stepped = catch_unwind(AssertUnwindSafe(|| batch.step(&app.purification.engine)));
            match &stepped {
                Ok(Ok(())) => app.metrics.passed(tiles, start.elapsed()),
                Ok(Err(error)) => tracing::error!(%error, "a pass through a purifier failed"),
                Err(_) => tracing::error!("a pass through a purifier panicked"),
            }
            if !matches!(stepped, Ok(Ok(()))) {
                batch.abandon();
            }
            batch
        };
        tokio::task::spawn_blocking(step).await
    }

    async fn settle_jobs(&self, over: Vec<Over>) {
        for over in over {
            self.settle_job(over).await;
        }
    }

    /// Keeps how a job ended. Where the store fails, the job is as it was before it was begun: its client's next request lets it go on.
    async fn settle_job(&self, (job, outcome): Over) {
        let settled = match outcome {
            Ok(()) => match seal_result(&job) {
                Ok(sealed) => self.move_job(&job.id, JobState::Queued, JobState::Done, Some(sealed), None).await,
                Err(error) => {
                    tracing::error!(%error, "a result cannot be sealed");
                    Ok(false)
                }
            },
            Err(failure) => self.move_job(&job.id, JobState::Queued, JobState::Failed, None, Some(failure)).await,
        };
        if let Err(error) = settled {
            tracing::error!(%error, "how a purification ended cannot be kept");
        }
        self.purification.drop_job(&job.id);
    }

    /// Fails the jobs that run for too long.
    pub(super) async fn stop_overdue(&self) {
        let (limit, now) = (Duration::from_secs(self.purification.config.timeout_s), Instant::now());
        let overdue: Vec<_> = self.purification.lock().jobs.values().filter(|job| job.overdue(limit, now)).cloned().collect();
        for job in overdue {
            self.settle_job((job, Err(Failure::TimedOut))).await;
        }
    }
}

fn seal_result(job: &super::Job) -> Result<Vec<u8>, RelayError> {
    let result = zeroize::Zeroizing::new(job.result().map_err(|_| RelayError::Sealing)?);
    job.vault.seal(&job.id, Content::Result, &result)
}
