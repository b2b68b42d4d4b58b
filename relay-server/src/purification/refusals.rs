//! What is said to those whose purification is refused.

use axum::http::StatusCode;

use super::job::JobState;
use crate::problem::Problem;

impl Problem {
    pub(crate) fn no_purifier() -> Self {
        let detail = "This model comes without a purifier; a flagged image cannot be purified for it.";
        Self::new(StatusCode::NOT_FOUND, "no-purifier", "No purifier", detail)
    }

    pub(crate) fn unknown_purifier() -> Self {
        let detail = "The relay does not run this purifier; GET /v1/purifiers lists those it does. Load the model again, or ask another \
                      relay.";
        Self::new(StatusCode::NOT_FOUND, "unknown-purifier", "Unknown purifier", detail)
    }

    pub(crate) fn unknown_job() -> Self {
        let detail =
            "No job of this name belongs to this token, or it is long over; send the tiles again with POST /v1/purifications.";
        Self::new(StatusCode::NOT_FOUND, "unknown-job", "Unknown job", detail)
    }

    pub(crate) fn queue_full(retry_after_s: u64) -> Self {
        let detail =
            "So many tiles wait already that these find no place; try again after the time in Retry-After, or ask another relay.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue-full", "Queue full", detail).retry_after(retry_after_s)
    }

    pub(crate) fn too_many_jobs(most: u32, retry_after_s: u64) -> Self {
        let detail =
            format!("A site has at most {most} jobs at a time here; fetch or delete some (DELETE /v1/purifications/…) first.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-jobs", "Too many jobs", detail).retry_after(retry_after_s)
    }

    pub(crate) fn not_purified_yet() -> Self {
        let detail = "The tiles are not purified yet; wait for the state `done`.";
        Self::new(StatusCode::TOO_EARLY, "too-early", "Not purified yet", detail)
    }

    /// There is no result of a job in state `state`, and there will be none.
    pub(crate) fn gone(state: JobState, error: Option<&str>) -> Self {
        let detail = match (state, error) {
            (_, Some(error)) => format!("The job failed. {error}"),
            (JobState::Fetched, None) => "The result was fetched before; it is given once and then deleted.".to_owned(),
            (state, None) => {
                format!("The job is {}; its tiles are deleted. Send them again if they are still needed.", state.name())
            }
        };
        Self::new(StatusCode::GONE, "gone", "Gone", detail)
    }
}
