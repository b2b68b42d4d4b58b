//! `lab bench infer`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use clap::Args;
use he::{EncryptedHead, EncryptedLogits, GLWE_2048_TU17, SecretKey};
use models::RelayPack;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use wire::{InferAnswer, InferRequest, MEDIA_TYPE, SessionKey};

use super::{peers, percentile, server::Server, table, time};

const EMPTY: &str = "/v1/bench/empty";

/// Encrypted inferences over HTTP, beside an empty handler that reads the same body and answers as many bytes.
///
/// The relay runs on one thread for its connections and one for its computation, in this process; the clients run on others.
#[derive(Args)]
pub struct Infer {
    /// The pack to ask.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Seconds of load on each handler, in each of the rounds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds: the two handlers are loaded in turn, and the median round counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

/// A request that is sent over and over.
#[derive(Clone)]
struct Shot {
    url: String,
    body: Vec<u8>,
}

/// What one load showed.
struct Load {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Infer {
    /// Measures and prints.
    ///
    /// # Errors
    /// A peer that cannot be installed or fails; an answer that is wrong.
    pub fn run(self) -> Result<()> {
        let pack = RelayPack::load_dir(&peers::root().join("models/zoo").join(&self.model))?;
        let head_ms = head_alone(&pack)?;
        let answer_bytes = GLWE_2048_TU17.answer_bytes(2);
        let empty = post(move |body: Bytes| async move { vec![body.first().copied().unwrap_or(0); answer_bytes] });
        let models = peers::root().join("models/zoo");
        let server = Server::start(&models, Router::new().route(EMPTY, empty), |config| config.infer.workers = 1)?;
        let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (infer, empty) = clients.block_on(self.measure(&pack, server.address))?;
        server.stop()?;
        println!(
            "{}: encrypted inference over HTTP, {} requests in flight, median of {} rounds",
            self.model, self.clients, self.rounds
        );
        let row = |name: &str, load: &Load| {
            [name.to_owned(), format!("{:.0}", load.per_second), format!("{:.2}", load.p50_ms), format!("{:.2}", load.p99_ms)]
        };
        table::print(["handler", "per second per core", "p50 ms", "p99 ms"], &[row("infer", &infer), row("empty", &empty)]);
        println!("The encrypted head alone, without HTTP: {head_ms:.3} ms");
        if self.json {
            println!("{}", json!({"infer": infer.json(), "empty": empty.json(), "head_ms": head_ms}));
        }
        Ok(())
    }

    async fn measure(&self, pack: &RelayPack, address: SocketAddr) -> Result<(Load, Load)> {
        let http = reqwest::Client::new();
        let infer = ask(&http, pack, address, &self.model).await?;
        let empty = Shot { url: format!("http://{address}{EMPTY}"), body: infer.body.clone() };
        let (mut infers, mut empties) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            infers.push(self.load(&http, &infer).await?);
            empties.push(self.load(&http, &empty).await?);
        }
        Ok((middle(infers)?, middle(empties)?))
    }

    async fn load(&self, http: &reqwest::Client, shot: &Shot) -> Result<Load> {
        let began = Instant::now();
        let until = began + Duration::from_secs(self.seconds);
        let tasks: Vec<_> = (0..self.clients).map(|_| tokio::spawn(fire(http.clone(), shot.clone(), until))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        let per_second = times.len() as f64 / began.elapsed().as_secs_f64();
        Ok(Load { per_second, p50_ms: percentile(&mut times, 0.5), p99_ms: percentile(&mut times, 0.99) })
    }
}

impl Load {
    fn json(&self) -> Value {
        json!({"per_second": self.per_second, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms})
    }
}

/// The round in the middle by throughput.
fn middle(mut loads: Vec<Load>) -> Result<Load> {
    loads.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    ensure!(!loads.is_empty(), "at least one round is needed: --rounds 1");
    Ok(loads.swap_remove(loads.len() / 2))
}

/// Milliseconds of each request until the time is over.
async fn fire(http: reqwest::Client, shot: Shot, until: Instant) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let start = Instant::now();
        post_once(&http, &shot).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

async fn post_once(http: &reqwest::Client, shot: &Shot) -> Result<Bytes> {
    let request = http.post(&shot.url).header("content-type", MEDIA_TYPE).body(shot.body.clone());
    Ok(request.send().await?.error_for_status()?.bytes().await?)
}

/// Opens a session, makes one request and checks that its answer opens to the exact logits.
async fn ask(http: &reqwest::Client, pack: &RelayPack, address: SocketAddr, model: &str) -> Result<Shot> {
    let key = SecretKey::make(&GLWE_2048_TU17)?;
    let body = SessionKey::new(GLWE_2048_TU17.id(), key.make_public_key()?.to_bytes())?.encode();
    let answer = post_once(http, &Shot { url: format!("http://{address}/v1/sessions"), body }).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    let mut session = [0; 16];
    hex::decode_to_slice(answer["session"].as_str().context("no session")?, &mut session)?;

    let token = token(pack.card.cls.dim);
    let sealed = key.make_sealed_token(&token)?.to_bytes();
    let request = InferRequest::new(GLWE_2048_TU17.id(), session, pack.card.encoder_tag(), token.len() as u16, sealed)?;
    let shot = Shot { url: format!("http://{address}/v1/models/{model}/infer"), body: request.encode() };
    let answer = InferAnswer::decode(&post_once(http, &shot).await?)?;
    let logits = EncryptedLogits::from_bytes(&GLWE_2048_TU17, pack.card.classes.len(), answer.logits())?;
    ensure!(key.open(&logits)? == pack.head.logits(&token), "the encrypted answer is not the plain one");
    Ok(shot)
}

/// Milliseconds of the encrypted head on one thread, from a parsed token to the answer's bytes.
fn head_alone(pack: &RelayPack) -> Result<f64> {
    let key = SecretKey::make(&GLWE_2048_TU17)?;
    let head = EncryptedHead::derive(&GLWE_2048_TU17, pack.head.classes, pack.head.dim, pack.head.weights(), pack.head.bias())?;
    let public_key = key.make_public_key()?.prepare();
    let token = key.make_sealed_token(&token(pack.card.cls.dim))?;
    time(200, || Ok(head.make_logits(&token, &public_key)?.to_bytes()))
}

fn token(dim: usize) -> Vec<i16> {
    (0..dim).map(|index| (index * 37 % 511) as i16 - 255).collect()
}
