//! What an operator can count: never a payload, never a client.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::error::RelayError;
use crate::purification::JobState;

/// Upper bounds in seconds: an encrypted inference takes less than a millisecond, a timed-out request half a minute.
const SECONDS: [f64; 14] = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// One relay's own recorder, so that several relays in one process (as in tests) do not count together.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

/// One answered request.
pub(crate) struct Answered<'a> {
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    pub(crate) problem: Option<&'static str>,
    pub(crate) elapsed: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// What is the case when somebody asks.
pub(crate) struct Now {
    pub(crate) sessions: usize,
    /// Of encrypted inference.
    pub(crate) jobs: usize,
    pub(crate) waiting_tiles: usize,
    pub(crate) working_tiles: usize,
    pub(crate) device: String,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, RelayError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .map_err(|error| RelayError::Metrics(error.to_string()))?
            .build_recorder();
        let handle = recorder.handle();
        let metrics = Self { recorder, handle };
        metrics.record(describe);
        Ok(metrics)
    }

    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        let method = answered.method.to_owned();
        let route = answered.route.to_owned();
        self.record(|| {
            let status = answered.status.to_string();
            counter!("veilsight_http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
                .increment(1);
            counter!("veilsight_http_request_bytes_total", "route" => route.clone()).increment(answered.bytes_in);
            counter!("veilsight_http_response_bytes_total", "route" => route.clone()).increment(answered.bytes_out);
            histogram!("veilsight_http_request_seconds", "route" => route).record(answered.elapsed);
            if let Some(problem) = answered.problem {
                counter!("veilsight_problems_total", "problem" => problem).increment(1);
            }
        });
    }

    pub(crate) fn inferred(&self, model: &str, elapsed: Duration) {
        let model = model.to_owned();
        self.record(|| histogram!("veilsight_infer_seconds", "model" => model).record(elapsed));
    }

    /// One step of so many tiles.
    pub(crate) fn passed(&self, tiles: usize, elapsed: Duration) {
        self.record(|| {
            counter!("veilsight_purification_passes_total").increment(1);
            counter!("veilsight_purification_tile_steps_total").increment(tiles as u64);
            histogram!("veilsight_purification_pass_seconds").record(elapsed);
        });
    }

    /// A purification job has come into a state.
    pub(crate) fn job_ended(&self, state: JobState) {
        self.record(|| counter!("veilsight_purification_jobs_total", "state" => state.name()).increment(1));
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self, now: &Now) -> String {
        self.record(|| {
            gauge!("veilsight_sessions").set(now.sessions as f64);
            gauge!("veilsight_infer_jobs").set(now.jobs as f64);
            gauge!("veilsight_purification_waiting_tiles").set(now.waiting_tiles as f64);
            gauge!("veilsight_purification_working_tiles").set(now.working_tiles as f64);
            gauge!("veilsight_purification_device", "device" => now.device.clone()).set(1.0);
        });
        self.handle.render()
    }

    /// Moves what was recorded into the buckets; without it memory would grow between scrapes.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    fn record(&self, recording: impl FnOnce()) {
        metrics::with_local_recorder(&self.recorder, recording);
    }
}

fn describe() {
    metrics::describe_counter!("veilsight_http_requests_total", "Requests by method, route and status");
    metrics::describe_counter!("veilsight_http_request_bytes_total", "Announced bytes of request bodies");
    metrics::describe_counter!("veilsight_http_response_bytes_total", "Bytes of response bodies");
    metrics::describe_histogram!("veilsight_http_request_seconds", "Time until the answer begins");
    metrics::describe_counter!("veilsight_problems_total", "Refused requests by problem, budget-spent among them");
    metrics::describe_histogram!("veilsight_infer_seconds", "Computing time of an encrypted inference, without waiting");
    metrics::describe_gauge!("veilsight_sessions", "Live sessions");
    metrics::describe_gauge!("veilsight_infer_jobs", "Jobs that run or wait on the worker threads");
    metrics::describe_counter!(
        "veilsight_purification_passes_total",
        "Batches: passes through a purifier, one step of all tiles in it"
    );
    metrics::describe_counter!(
        "veilsight_purification_tile_steps_total",
        "Steps of tiles; over passes, the mean size of a batch"
    );
    metrics::describe_histogram!("veilsight_purification_pass_seconds", "Computing time of a pass");
    metrics::describe_counter!("veilsight_purification_jobs_total", "Jobs by the state that they came into");
    metrics::describe_gauge!("veilsight_purification_waiting_tiles", "Tiles in the queue");
    metrics::describe_gauge!("veilsight_purification_working_tiles", "Tiles in the batch");
    metrics::describe_gauge!("veilsight_purification_device", "The device that purifies, as a label");
}
