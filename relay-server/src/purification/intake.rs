//! What clients ask: to purify tiles, how far they are, for the result, to forget them.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wire::PurifyRequest;
use zeroize::Zeroizing;

use super::engine::Network;
use super::job::{Failure, Job, JobId, JobState, JobView};
use super::vault::{Content, Vault};
use crate::client::ClientId;
use crate::error::RelayError;
use crate::problem::Problem;
use crate::state::App;
use crate::store::JobRow;
use crate::tokens::{self, TokenKind};

/// A job that was taken in.
pub(crate) struct Submitted {
    pub(crate) id: JobId,
    /// The job's secret, given out once.
    pub(crate) token: Zeroizing<String>,
    pub(crate) tiles: usize,
}

/// Who holds the token of a job.
pub(crate) struct Holder {
    id: JobId,
    vault: Vault,
}

impl App {
    /// Lets a site send a job, before its tiles are read.
    ///
    /// # Errors
    /// 503 where the queue is full, 429 where the site has too many jobs.
    pub(crate) async fn admit(&self, site: ClientId) -> Result<(), Problem> {
        if self.purification.places.available_permits() == 0 {
            return Err(Problem::queue_full(self.config.limits.retry_after_s));
        }
        let most = self.purification.config.jobs_per_site;
        if self.store.jobs_of(site).await? >= most {
            return Err(Problem::too_many_jobs(most, self.config.limits.retry_after_s));
        }
        Ok(())
    }

    /// Takes a request in, as the bytes it came in.
    ///
    /// # Errors
    /// 404 for another purifier, 400 for tiles that it does not take, 503 where the queue has no room for all of them.
    pub(crate) async fn submit(&self, site: ClientId, bytes: &[u8]) -> Result<Submitted, Problem> {
        let request = PurifyRequest::decode(bytes)?;
        let network = self.network_for(&request)?;
        let places = self.job_places(request.tiles().len())?;
        let (id, token) = (JobId::make()?, TokenKind::Job.make()?);
        let vault = Vault::derive(&token);
        let sealed = vault.seal(&id, Content::Tiles, bytes)?;
        let tiles = request.tiles().len();
        let row = JobRow { site, state: JobState::Queued, tiles, failure: None };
        self.store.put_job(&id, &tokens::hash(&token), &row, sealed, self.job_deadline()).await?;
        self.purification.enqueue(Job::new(id, site, vault, network, request, places));
        Ok(Submitted { id, token, tiles })
    }

    /// The holder of a job's token.
    ///
    /// # Errors
    /// 404 where no job has this name and token.
    pub(crate) async fn job_holder(&self, id: JobId, token: &str) -> Result<Holder, Problem> {
        let known = TokenKind::of(token) == Some(TokenKind::Job) && self.store.has_job(&id, &tokens::hash(token)).await?;
        if known { Ok(Holder { id, vault: Vault::derive(token) }) } else { Err(Problem::unknown_job()) }
    }

    /// How far a job is. One that was stored by an earlier process goes on from here.
    ///
    /// # Errors
    /// 404 where it is forgotten, 503 where the database fails.
    pub(crate) async fn job_view(&self, holder: &Holder) -> Result<JobView, Problem> {
        if let Some(view) = self.purification.view(&holder.id) {
            return Ok(view);
        }
        let row = self.job_row(holder).await?;
        if row.state != JobState::Queued {
            return Ok(row.view());
        }
        self.unlock(holder, &row).await?;
        match self.purification.view(&holder.id) {
            Some(view) => Ok(view),
            None => Ok(self.job_row(holder).await?.view()),
        }
    }

    /// The purified tiles, which are deleted.
    ///
    /// # Errors
    /// 425 while there is work to do, 410 where there is nothing any more.
    pub(crate) async fn take_result(&self, holder: &Holder) -> Result<Vec<u8>, Problem> {
        let view = self.job_view(holder).await?;
        if view.state.is_open() {
            return Err(Problem::not_purified_yet());
        }
        let gone = || Problem::gone(view.state, view.error);
        let sealed = self.store.sealed_of_job(&holder.id, JobState::Done).await?.ok_or_else(gone)?;
        let result = holder.vault.open(&holder.id, Content::Result, &sealed).ok_or_else(Problem::internal)?;
        // Deleted before it is given: of two requests at once, one gets it.
        if !self.move_job(&holder.id, JobState::Done, JobState::Fetched, None, None).await? {
            return Err(Problem::gone(JobState::Fetched, None));
        }
        Ok(result.to_vec())
    }

    /// Takes a job back, whatever its state, and deletes its tiles and result.
    ///
    /// # Errors
    /// 503 where the database fails.
    pub(crate) async fn cancel_job(&self, holder: &Holder) -> Result<(), Problem> {
        for from in [JobState::Queued, JobState::Done] {
            self.move_job(&holder.id, from, JobState::Cancelled, None, None).await?;
        }
        self.purification.drop_job(&holder.id);
        Ok(())
    }

    async fn job_row(&self, holder: &Holder) -> Result<JobRow, Problem> {
        self.store.job(&holder.id).await?.ok_or_else(Problem::unknown_job)
    }

    /// Lets a job go on that was stored by an earlier process, unless the queue is full; then a later request does.
    async fn unlock(&self, holder: &Holder, row: &JobRow) -> Result<(), Problem> {
        let Some(sealed) = self.store.sealed_of_job(&holder.id, JobState::Queued).await? else { return Ok(()) };
        let bytes = holder.vault.open(&holder.id, Content::Tiles, &sealed);
        let Some(request) = bytes.and_then(|bytes| PurifyRequest::decode(&bytes).ok()) else {
            return self.fail_job(holder, Failure::Unreadable).await;
        };
        let Ok(network) = self.network_for(&request) else { return self.fail_job(holder, Failure::NoPurifier).await };
        if let Ok(places) = self.job_places(row.tiles) {
            self.purification.enqueue(Job::new(holder.id, row.site, holder.vault.clone(), network, request, places));
        }
        Ok(())
    }

    async fn fail_job(&self, holder: &Holder, failure: Failure) -> Result<(), Problem> {
        self.move_job(&holder.id, JobState::Queued, JobState::Failed, None, Some(failure)).await?;
        Ok(())
    }

    fn network_for(&self, request: &PurifyRequest) -> Result<Arc<Network>, Problem> {
        let network = self.purification.networks.get(request.purifier()).ok_or_else(Problem::unknown_purifier)?;
        network.check(request.shape()).map_err(Problem::wrong_message)?;
        Ok(Arc::clone(network))
    }

    fn job_places(&self, tiles: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let most = self.purification.tiles_per_job();
        if tiles > most {
            return Err(Problem::wrong_message(format!(
                "The job has {tiles} tiles and this relay takes at most {most} at a time."
            )));
        }
        let count = u32::try_from(tiles).unwrap_or(u32::MAX);
        let places = Arc::clone(&self.purification.places).try_acquire_many_owned(count);
        places.map_err(|_| Problem::queue_full(self.config.limits.retry_after_s))
    }
}

impl JobRow {
    /// As the client is told, of a job that does not go on in this process.
    fn view(&self) -> JobView {
        let done = if matches!(self.state, JobState::Done | JobState::Fetched) { self.tiles } else { 0 };
        JobView { state: self.state, done, total: self.tiles, ahead: 0, error: self.failure.map(Failure::sentence) }
    }
}

impl From<RelayError> for Problem {
    fn from(error: RelayError) -> Self {
        tracing::error!(%error, "a purification cannot be taken in");
        Self::internal()
    }
}
