//! Tiles over HTTP, one by one and many at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use axum::Router;
use models::purifier::{Remote, Walk};
use models::{Purifier, RelayPack, TensorMap, phantom};
use purify::{Consent, Holder, Mission, Plan};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::runtime::Builder;
use wire::tile::from_fixed;
use wire::{MEDIA_TYPE, PurifyRequest, PurifyResult};

use super::record::Relay;
use crate::bench::{median, server::Server, time};

const JOBS: &str = "/v1/purifications";
/// Jobs of one tile that are in flight at once, where many are.
const IN_FLIGHT: usize = 16;

/// What is sent in each round.
pub struct Load {
    /// How images are dealt.
    pub remote: Remote,
    /// Steps of the walk.
    pub steps: u8,
    /// Images.
    pub images: usize,
    /// Rounds.
    pub rounds: usize,
}

/// Measures a relay in this process with the packs in `zoo`.
///
/// # Errors
/// A relay that fails or answers something else than the network does.
pub fn measure(zoo: &Path, pack: &RelayPack, load: &Load) -> Result<Relay> {
    let jobs: Arc<[PurifyRequest]> = jobs(pack, load)?.into();
    let singles: Arc<[PurifyRequest]> = jobs.iter().map(one_tile_each).collect::<Result<Vec<_>>>()?.concat().into();
    let card = pack.card.purifier.as_ref().context("the pack has no purifier")?;
    let bytes = pack.purifier_bytes.as_ref().context("the pack has no purifier")?;
    let purifier = Purifier::load(card, TensorMap::from_safetensors(bytes)?)?;
    let first = &singles[0];
    let network_ms = time(20, || walked(&purifier, first))?;

    let server = Server::start(zoo, Router::new(), |config| {
        config.purification.jobs_per_site = u32::MAX;
        config.purification.queue_tiles = 100_000;
    })?;
    let site = Site { http: reqwest::Client::new(), base: format!("http://{}", server.address) };
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (device, [one, many, batched]) = clients.block_on(async {
        // What is measured is checked first.
        let (found, wanted) = (site.purify(first).await?, walked(&purifier, first)?);
        let pairs = found.tiles()[0].values.iter().zip(&wanted);
        ensure!(pairs.map(|(a, b)| (from_fixed(*a) - b).abs()).fold(0.0, f32::max) < 0.02, "the relay purifies differently");
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..load.rounds {
            times[0].push(site.in_turns(&singles, 1).await?);
            times[1].push(site.in_turns(&singles, IN_FLIGHT).await?);
            times[2].push(site.in_turns(&jobs, jobs.len()).await?);
        }
        anyhow::Ok((site.device().await?, times.map(|seconds| singles.len() as f64 / median(seconds))))
    })?;
    server.stop()?;
    Ok(Relay {
        device,
        threads: std::thread::available_parallelism()?.get(),
        tile: load.remote.tile,
        steps: load.steps,
        tiles: singles.len(),
        rounds: load.rounds,
        one_by_one_per_second: one,
        in_flight_per_second: many,
        in_flight: IN_FLIGHT,
        batched_per_second: batched,
        jobs: jobs.len(),
        tiles_per_job: singles.len() / jobs.len(),
        ratio: batched / one,
        network_ms,
    })
}

/// What relays get of phantoms: a message each for every relay that shares an image.
fn jobs(pack: &RelayPack, load: &Load) -> Result<Vec<PurifyRequest>> {
    let (card, preprocess) = (&pack.card, &pack.card.preprocess);
    let purifier = card.purifier.as_ref().context("the pack has no purifier")?;
    let mut jobs = Vec::new();
    for seed in 0..load.images as u64 {
        let picture = phantom::brain_phantom(seed, true, preprocess.size);
        let input = preprocess.letterbox(&picture).to_tensor(preprocess);
        let plan = Plan::of(purifier, load.remote.min_t, load.steps);
        let channels = preprocess.channels.count() as u8;
        let seed = crate::egress::run::mission_seed(seed);
        let mut mission =
            Mission::new(plan, &preprocess.pixels_of(&input), channels, load.remote.relays, Consent::SharedOnly, seed)?;
        let for_relays = mission.orders()?.into_iter().filter(|order| order.holder != Holder::Device);
        jobs.extend(for_relays.map(|order| order.request));
    }
    Ok(jobs)
}

fn one_tile_each(job: &PurifyRequest) -> Result<Vec<PurifyRequest>> {
    let single = |tile: &wire::Tile| PurifyRequest::new(*job.purifier(), job.t(), job.steps(), job.shape(), vec![tile.clone()]);
    Ok(job.tiles().iter().map(single).collect::<Result<_, _>>()?)
}

/// The first tile of a request, purified here, in diffusion units.
fn walked(purifier: &Purifier, request: &PurifyRequest) -> Result<Vec<f32>> {
    let values = request.tiles()[0].values.iter().map(|value| from_fixed(*value)).collect();
    let mut walk = Walk::new(purifier.card.schedule, values, request.t(), request.steps())?;
    while walk.pending().is_some() {
        purifier.step(&mut walk)?;
    }
    Ok(walk.values().to_vec())
}

/// A site that sends tiles.
#[derive(Clone)]
struct Site {
    http: reqwest::Client,
    base: String,
}

impl Site {
    /// Seconds that jobs take when so many are under way at once, each from sending to fetching.
    async fn in_turns(&self, jobs: &Arc<[PurifyRequest]>, at_once: usize) -> Result<f64> {
        let began = Instant::now();
        let lanes: Vec<_> = (0..at_once).map(|lane| tokio::spawn(self.clone().lane(Arc::clone(jobs), lane, at_once))).collect();
        for lane in lanes {
            lane.await??;
        }
        Ok(began.elapsed().as_secs_f64())
    }

    async fn lane(self, jobs: Arc<[PurifyRequest]>, first: usize, step: usize) -> Result<()> {
        for job in jobs.iter().skip(first).step_by(step) {
            self.purify(job).await?;
        }
        Ok(())
    }

    /// Sends a job, listens until it is done, and fetches what it gave.
    async fn purify(&self, request: &PurifyRequest) -> Result<PurifyResult> {
        let sent = self.http.post(format!("{}{JOBS}", self.base)).header("content-type", MEDIA_TYPE).body(request.encode());
        let ticket: Value = serde_json::from_slice(&answer(sent).await?)?;
        let field = |key: &str| ticket[key].as_str().with_context(|| format!("the relay named no {key}"));
        let (job, token) = (field("job")?, field("token")?);
        let ask = |end: &str| self.http.get(format!("{}{JOBS}/{job}/{end}", self.base)).bearer_auth(token);
        // The stream ends with the work.
        answer(ask("events")).await?;
        Ok(PurifyResult::decode(&answer(ask("result")).await?)?)
    }

    async fn device(&self) -> Result<String> {
        let purifiers = answer(self.http.get(format!("{}/v1/purifiers", self.base))).await?;
        let purifiers: Value = serde_json::from_slice(&purifiers)?;
        Ok(purifiers["device"].as_str().context("the relay named no device")?.to_owned())
    }
}

async fn answer(request: RequestBuilder) -> Result<Vec<u8>> {
    let response = request.send().await?;
    let (status, body) = (response.status(), response.bytes().await?);
    ensure!(status.is_success(), "the relay answered {status}: {}", String::from_utf8_lossy(&body));
    Ok(body.to_vec())
}
