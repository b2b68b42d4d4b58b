//! The record of `lab bench purify`.

use serde::{Deserialize, Serialize};

/// One run of the benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurifyBench {
    /// Model.
    pub model: String,
    /// Version of the model.
    pub version: String,
    /// SHA-256 of the purifier.
    pub purifier: String,
    /// The command line.
    pub command: String,
    /// In the browser; none where it was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<Browser>,
    /// On the relay.
    pub relay: Relay,
}

/// Times of one image in Chromium on the CPU engine, in milliseconds, medians.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Browser {
    /// Chromium's version.
    pub version: String,
    /// Timed runs.
    pub runs: usize,
    /// The pack's encoder.
    pub encoder_ms: f64,
    /// Purification in one step.
    pub one_step_ms: f64,
    /// Purification in ten steps.
    pub ten_steps_ms: f64,
}

/// Tiles over HTTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Relay {
    /// What the relay computes on, in its own words.
    pub device: String,
    /// Threads that the relay computes with on a CPU.
    pub threads: usize,
    /// Side of a tile.
    pub tile: usize,
    /// Steps of the walk.
    pub steps: u8,
    /// Tiles in a round.
    pub tiles: usize,
    /// Rounds.
    pub rounds: usize,
    /// Tiles a second where one is sent, waited for and fetched before the next.
    pub one_by_one_per_second: f64,
    /// The same with many such jobs at once.
    pub in_flight_per_second: f64,
    /// Jobs that were then in flight.
    pub in_flight: usize,
    /// Tiles a second where each job holds all that a relay gets of an image, and all jobs are sent at once.
    pub batched_per_second: f64,
    /// Jobs of a round when batched.
    pub jobs: usize,
    /// Tiles of such a job.
    pub tiles_per_job: usize,
    /// Batched over one by one.
    pub ratio: f64,
    /// Milliseconds that the network takes for one tile on one thread in this process, without a relay.
    pub network_ms: f64,
}
