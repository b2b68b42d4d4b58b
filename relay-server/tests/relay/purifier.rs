//! A small random purifier in the pack, jobs for it, and what they must give.

use std::time::Duration;

use models::purifier::Walk;
use models::unet::{CpuUnet, Schedule, UnetConfig};
use models::{Tensor, TensorMap, pack::sha256_hex};
use relay_server::Config;
use relay_server::config::{Device, Network};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use wire::tile::{Tile, TileShape, from_fixed, to_fixed};
use wire::{PurifyRequest, PurifyResult};

use crate::common::*;
use crate::sites::Api;

pub const JOBS: &str = "/v1/purifications";
/// The smallest tile of three channels that the network takes, and the largest.
pub const SIDES: [u16; 2] = [8, 32];

/// The purifier of a [`Place`].
pub struct Purifier {
    pub file: Vec<u8>,
    pub sha256: String,
    unet: CpuUnet,
}

fn architecture() -> UnetConfig {
    UnetConfig { in_channels: 3, fold: 2, widths: vec![16, 16, 24], time_dim: 16 }
}

fn weights(numbers: &mut Numbers) -> TensorMap {
    let mut map = TensorMap::default();
    for (name, shape) in architecture().shapes() {
        let count = shape.iter().product();
        let data = (0..count).map(|_| f32::from(numbers.small()) / 1000.0).collect();
        map.insert(name, Tensor { shape, data });
    }
    map
}

impl Place {
    /// Puts a purifier of random weights into the pack, and the detector without which no card has one.
    pub fn add_purifier(&self) -> Purifier {
        self.add_detector(1);
        let file = weights(&mut Numbers::new(7)).to_safetensors_f32().unwrap();
        let (pack, sha256) = (self.path().join("zoo").join(MODEL), sha256_hex(&file));
        let mut card: Value = serde_json::from_slice(&std::fs::read(pack.join("card.json")).unwrap()).unwrap();
        card["purifier"] = json!({
            "architecture": architecture(), "file": "purifier.safetensors", "sha256": sha256, "bytes": file.len(),
            "storage": "f32", "schedule": "linear", "levels": [{"from_score": 95.0, "t": 60}], "steps": 4,
            "remote": {"tile": 16, "stride": 8, "relays": 3, "min_t": 50},
            "training": {"data": "none", "split": "none", "seed": 0, "command": "none", "start": "random", "epochs": 0}
        });
        std::fs::write(pack.join("card.json"), card.to_string()).unwrap();
        std::fs::write(pack.join("purifier.safetensors"), &file).unwrap();
        let unet = CpuUnet::load(&architecture(), TensorMap::from_safetensors(&file).unwrap()).unwrap();
        Purifier { file, sha256, unet }
    }

    /// A configuration in which one address may send as much as the queue holds, and whose clients say who they are.
    pub fn purifying(&self) -> Config {
        let mut config = self.config();
        config.trusted_proxies = vec![Network::try_from("127.0.0.0/8".to_owned()).unwrap()];
        config.purification.device = Device::Cpu;
        config.purification.workers = 2;
        config.purification.jobs_per_site = 1000;
        config.purification.queue_tiles = 10_000;
        config
    }
}

impl Purifier {
    /// Random tiles to be walked from level 300.
    pub fn request(&self, seed: u64, tiles: usize, side: u16, steps: u8) -> PurifyRequest {
        let (shape, mut numbers) = (TileShape { channels: 3, side }, Numbers::new(seed));
        let mut tile = |_| {
            let id = numbers.next().to_le_bytes();
            Tile { id, values: (0..shape.values()).map(|_| (numbers.next() % 8192) as i16 - 4096).collect() }
        };
        let tiles = (0..tiles).map(&mut tile).collect();
        PurifyRequest::new(self.tag(), 300, steps, shape, tiles).unwrap()
    }

    /// A job that takes the relay some seconds.
    pub fn long_request(&self, seed: u64) -> PurifyRequest {
        self.request(seed, 250, SIDES[1], 20)
    }

    /// What the walk of `models` makes of a request, tile by tile.
    pub fn walked(&self, request: &PurifyRequest) -> PurifyResult {
        let side = usize::from(request.shape().side);
        let purified = request.tiles().iter().map(|tile| {
            let values = tile.values.iter().map(|value| from_fixed(*value)).collect();
            let mut walk = Walk::new(Schedule::Linear, values, request.t(), request.steps()).unwrap();
            while let Some((values, t)) = walk.pending() {
                let noise = self.unet.noise(values, [side; 2], t).unwrap();
                walk.advance(&noise).unwrap();
            }
            Tile { id: tile.id, values: walk.values().iter().map(|value| to_fixed(*value)).collect() }
        });
        PurifyResult::new(request.shape(), purified.collect()).unwrap()
    }

    fn tag(&self) -> [u8; 8] {
        hex::decode(&self.sha256[..16]).unwrap().try_into().unwrap()
    }
}

/// A job's name and secret.
#[derive(Clone)]
pub struct Ticket {
    pub job: String,
    pub token: String,
}

impl Ticket {
    pub fn path(&self) -> String {
        format!("{JOBS}/{}", self.job)
    }
}

impl Api {
    /// Sends tiles as a client at the address `from`.
    pub async fn send_tiles(&self, request: &PurifyRequest, from: &str) -> Response {
        let post = self.http.post(format!("{}{JOBS}", self.base)).header("content-type", wire::MEDIA_TYPE);
        post.header("x-forwarded-for", from).body(request.encode()).send().await.unwrap()
    }

    pub async fn purify(&self, request: &PurifyRequest, from: &str) -> Ticket {
        ticket(self.send_tiles(request, from).await).await
    }

    pub async fn job(&self, ticket: &Ticket) -> Value {
        let response = self.get(&ticket.path(), &ticket.token).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["cache-control"], "no-store");
        response.json().await.unwrap()
    }

    /// Waits until a job is in a state.
    pub async fn becomes(&self, ticket: &Ticket, state: &str) -> Value {
        for _ in 0..6000 {
            let job = self.job(ticket).await;
            if job["state"] == state {
                return job;
            }
            assert!(job["state"] == "queued" || job["state"] == "running", "{job}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the job does not become {state}");
    }

    pub async fn fetch(&self, ticket: &Ticket) -> Response {
        self.get(&format!("{}/result", ticket.path()), &ticket.token).await
    }

    /// Waits for a job and fetches what it gave.
    pub async fn purified(&self, ticket: &Ticket) -> PurifyResult {
        self.becomes(ticket, "done").await;
        let response = self.fetch(ticket).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            (&response.headers()["content-type"], &response.headers()["cache-control"]),
            (&wire::MEDIA_TYPE.parse().unwrap(), &"no-store".parse().unwrap())
        );
        PurifyResult::decode(&response.bytes().await.unwrap()).unwrap()
    }

    pub async fn cancel(&self, ticket: &Ticket) -> Response {
        self.send(Method::DELETE, &ticket.path(), &ticket.token, Vec::new()).await
    }

    /// A figure of `/metrics`; 0 where it was never counted.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics", "").await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

pub async fn ticket(response: Response) -> Ticket {
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let entry: Value = response.json().await.unwrap();
    let text = |key: &str| entry[key].as_str().unwrap().to_owned();
    Ticket { job: text("job"), token: text("token") }
}
