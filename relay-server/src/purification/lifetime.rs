//! How long jobs are kept: each state for `ttl_s`. Tiles and results then go, and what has ended is forgotten.

use super::job::{Failure, JobId, JobState};
use crate::state::App;
use crate::store::unix_now;

impl App {
    /// Takes a job from state to state in the store, with what is kept of it from now on; `false` where it is no longer in state `from`.
    pub(super) async fn move_job(
        &self,
        id: &JobId,
        from: JobState,
        to: JobState,
        sealed: Option<Vec<u8>>,
        failure: Option<Failure>,
    ) -> Result<bool, sqlx::Error> {
        let settled = self.store.settle_job(id, from, to, sealed, failure, self.job_deadline()).await?;
        if settled {
            self.metrics.job_ended(to);
        }
        Ok(settled)
    }

    /// When what begins now is over, in seconds since 1970.
    pub(super) fn job_deadline(&self) -> i64 {
        let ttl_s = i64::try_from(self.purification.config.ttl_s).unwrap_or(i64::MAX);
        unix_now().saturating_add(ttl_s)
    }

    /// Ends what has run or lain for too long, and removes from the disk what was deleted since the last call. To be called every second
    /// or so.
    pub(crate) async fn keep_lifetimes(&self) {
        self.stop_overdue().await;
        match self.store.expire_jobs(unix_now(), self.job_deadline()).await {
            Ok(expired) => {
                for id in &expired {
                    self.purification.drop_job(id);
                    self.metrics.job_ended(JobState::Expired);
                }
            }
            Err(error) => tracing::error!(%error, "old purifications cannot be removed"),
        }
        self.store.scrub().await;
    }
}
