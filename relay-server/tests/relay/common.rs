//! A relay with a small random model, and a client for it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use he::{EncryptedLogits, GLWE_2048_TU17, SecretKey};
use models::QuantisedHead;
use models::pack::sha256_hex;
use relay_server::{Config, Relay, RelayError};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wire::{InferAnswer, InferRequest, SessionKey};

pub const DIM: usize = 64;
pub const CLASSES: usize = 3;
pub const MODEL: &str = "tiny";
pub const INFER: &str = "/v1/models/tiny/infer";

/// A stream of numbers that differ from call to call and from run to run only by the seed.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Within ±255.
    pub fn small(&mut self) -> i16 {
        (self.next() % 511) as i16 - 255
    }

    pub fn smalls(&mut self, count: usize) -> Vec<i16> {
        (0..count).map(|_| self.small()).collect()
    }
}

/// Folders of a relay: a model pack, a page, room for the database.
pub struct Place {
    dir: tempfile::TempDir,
    pub head: QuantisedHead,
    pub head_file: Vec<u8>,
    pub encoder: Vec<u8>,
    pub tag: [u8; 8],
}

impl Place {
    pub fn new() -> Self {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let mut numbers = Numbers::new(SEED.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().unwrap();
        let bias = (0..CLASSES).map(|_| i64::from(numbers.small()) * 1000).collect();
        let head = QuantisedHead::new(DIM, numbers.smalls(CLASSES * DIM), bias, 0.01).unwrap();
        let encoder: Vec<u8> = (0..5000).map(|_| numbers.next() as u8).collect();
        let head_file = head.to_safetensors().unwrap();
        let pack = dir.path().join("zoo").join(MODEL);
        std::fs::create_dir_all(&pack).unwrap();
        std::fs::write(pack.join("card.json"), card(&encoder).to_string()).unwrap();
        std::fs::write(pack.join("encoder.safetensors"), &encoder).unwrap();
        std::fs::write(pack.join("head.safetensors"), &head_file).unwrap();
        let tag = hex::decode(&sha256_hex(&encoder)[..16]).unwrap().try_into().unwrap();
        let place = Self { dir, head, head_file, encoder, tag };
        place.write_page();
        place
    }

    /// Puts a detector of random bytes into the pack: the relay hands it out and does not run it.
    pub fn add_detector(&self, seed: u64) -> Vec<u8> {
        let mut numbers = Numbers::new(seed);
        let detector: Vec<u8> = (0..3000).map(|_| numbers.next() as u8).collect();
        let pack = self.path().join("zoo").join(MODEL);
        let mut card = card(&self.encoder);
        card["detector"] = detector_card(&detector);
        std::fs::write(pack.join("card.json"), card.to_string()).unwrap();
        std::fs::write(pack.join("detector.safetensors"), &detector).unwrap();
        detector
    }

    fn write_page(&self) {
        let www = self.www();
        std::fs::create_dir_all(www.join("wasm")).unwrap();
        for (name, text) in [
            ("index.html", "<!doctype html><title>page</title>"),
            ("app-5XQ7KTLZ.js", "console.log('plain')"),
            ("app-5XQ7KTLZ.js.br", "brotli bytes"),
            ("app-5XQ7KTLZ.js.gz", "gzip bytes"),
            ("wasm/client.wasm", "\0asm"),
            ("secret.safetensors", "nobody may have this"),
            (".hidden.json", "nobody may have this"),
        ] {
            std::fs::write(www.join(name), text).unwrap();
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn www(&self) -> PathBuf {
        self.path().join("www")
    }

    /// A configuration for these folders, without bounds per client: all tests come from one address.
    pub fn config(&self) -> Config {
        let mut config = Config {
            data_dir: self.path().join("data"),
            models_dir: self.path().join("zoo"),
            www_dir: Some(self.www()),
            ..Config::default()
        };
        config.limits.posts_per_minute = 0;
        config.infer.workers = 2;
        config
    }

    pub async fn start(&self) -> Server {
        Server::start(self.config()).await
    }
}

fn card(encoder: &[u8]) -> Value {
    let classes: Vec<Value> = (0..CLASSES).map(|c| json!({"id": format!("c{c}"), "label": format!("Class {c}")})).collect();
    json!({
        "format": 1, "id": MODEL, "title": "Tiny random model", "version": "1", "task": "none", "classes": classes,
        "encoder": {
            "architecture": {
                "image_size": 32, "patch_size": 16, "in_channels": 3, "dim": DIM, "depth": 1, "heads": 1,
                "mlp_dim": 128, "layer_norm_eps": 1e-6
            },
            "file": "encoder.safetensors", "sha256": sha256_hex(encoder), "bytes": encoder.len(), "storage": "f16"
        },
        "preprocess": {"size": 32, "channels": "rgb", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "cls": {"dim": DIM, "quantiser": {"bits": 9, "scale": 0.02}},
        "calibration": {"logit_scale": 0.001},
        "he_parameters": "GLWE_2048_TU17",
        "training": {"data": "none", "split": "none", "seed": 0, "command": "none", "start": "random", "epochs": 0},
        "metrics": {}, "limits": ["A random model for tests."], "licence": "Apache-2.0", "provenance": "made by a test"
    })
}

fn detector_card(detector: &[u8]) -> Value {
    let quantiles: Vec<u32> = (0..101).collect();
    let point =
        |threshold: f32, rate: f64| json!({"threshold": threshold, "false_positive_rate": rate, "true_positive_rate": rate});
    json!({
        "architecture": {
            "encoder": {
                "image_size": 32, "patch_size": 16, "in_channels": 3, "dim": DIM, "depth": 1, "heads": 1,
                "mlp_dim": 128, "layer_norm_eps": 1e-6
            },
            "decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 1, "decoder_mlp_dim": 64
        },
        "file": "detector.safetensors", "sha256": sha256_hex(detector), "bytes": detector.len(), "storage": "f16",
        "masks": {"seed": 1, "count": 4}, "patch_error": {"mean": [0, 0, 0, 0], "std": [1, 1, 1, 1]},
        "features": [{"name": "reconstruction", "mean": 0, "std": 1, "weight": 1}],
        "false_positive_rate": 0.05, "threshold": 95, "clean_quantiles": quantiles,
        "roc": [point(0.0, 1.0), point(100.0, 0.0)], "attack": "none",
        "training": {"data": "none", "split": "none", "seed": 0, "command": "none", "start": "random", "epochs": 0}
    })
}

/// A relay in this process, and where it listens.
pub struct Server {
    pub address: SocketAddr,
    pub http: reqwest::Client,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), RelayError>>,
}

impl Server {
    pub async fn start(config: Config) -> Self {
        Self::start_with(config, Router::new()).await
    }

    pub async fn start_with(config: Config, extra: Router) -> Self {
        crate::privacy::capture_log();
        let listener = Relay::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Relay::open(config).await.unwrap();
        let router = relay.router_with(extra);
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let done = tokio::spawn(relay.serve_router(router, listener, shutdown));
        Self { address, http: reqwest::Client::new(), stop, done }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Vec<u8>) -> Response {
        let request = self.http.post(self.url(path)).header("content-type", wire::MEDIA_TYPE);
        request.body(body).send().await.unwrap()
    }

    /// Asks the relay to stop, without waiting.
    pub fn begin_stop(self) -> JoinHandle<Result<(), RelayError>> {
        self.stop.send(()).unwrap();
        self.done
    }

    pub async fn stop(self) {
        self.begin_stop().await.unwrap().unwrap();
    }

    /// Sends bytes as they are and reads until the relay closes.
    pub async fn raw(&self, request: impl Into<Vec<u8>>) -> Vec<u8> {
        let (address, request) = (self.address, request.into());
        let exchange = move || {
            let mut stream = connect(address);
            stream.write_all(&request).unwrap();
            read_to_end(&mut stream)
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    /// The path exactly as written, which no HTTP client would send.
    pub async fn raw_get(&self, path: &str) -> Vec<u8> {
        self.raw(format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n")).await
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// What arrives until the end; a reset after the answer is an end too.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("the relay neither answers nor closes: {error}"),
        }
    }
}

/// A person's browser: a key and a session.
pub struct Device {
    pub key: SecretKey,
    pub session: [u8; 16],
}

impl Device {
    pub async fn join(server: &Server) -> Self {
        let key = SecretKey::make(&GLWE_2048_TU17).unwrap();
        let response = server.post("/v1/sessions", session_key(&key)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let entry: Value = response.json().await.unwrap();
        assert_eq!(entry["expires_in_s"], 3600);
        let session = hex::decode(entry["session"].as_str().unwrap()).unwrap().try_into().unwrap();
        Self { key, session }
    }

    pub fn request(&self, place: &Place, token: &[i16]) -> Vec<u8> {
        self.request_to(place.tag, token)
    }

    pub fn request_to(&self, encoder: [u8; 8], token: &[i16]) -> Vec<u8> {
        let sealed = self.key.make_sealed_token(token).unwrap().to_bytes();
        InferRequest::new(GLWE_2048_TU17.id(), self.session, encoder, token.len() as u16, sealed).unwrap().encode()
    }

    pub fn open(&self, answer: &[u8]) -> Vec<i64> {
        let answer = InferAnswer::decode(answer).unwrap();
        let logits = EncryptedLogits::from_bytes(&GLWE_2048_TU17, answer.classes().into(), answer.logits()).unwrap();
        self.key.open(&logits).unwrap()
    }
}

pub fn session_key(key: &SecretKey) -> Vec<u8> {
    SessionKey::new(GLWE_2048_TU17.id(), key.make_public_key().unwrap().to_bytes()).unwrap().encode()
}

/// Checks that an answer is a problem of the kind, says what to do and names the request; gives its headers.
pub async fn assert_problem(response: Response, status: u16, slug: &str) -> reqwest::header::HeaderMap {
    let headers = response.headers().clone();
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(headers["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["type"], format!("urn:veilsight:{slug}"));
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"].as_str().unwrap(), headers["x-request-id"].to_str().unwrap());
    assert!(body["detail"].as_str().unwrap().len() > 20 && body["title"].is_string());
    headers
}

/// The seconds that a refused client is told to wait.
pub fn retry_after(headers: &reqwest::header::HeaderMap) -> u64 {
    headers["retry-after"].to_str().unwrap().parse().unwrap()
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
