//! What must not leave the relay: the head by any address, payloads and addresses by the log.

use std::io::Write;
use std::sync::{Mutex, Once};

use crate::common::*;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Collects all that any relay of this process logs, at the finest level of the relay's own code.
pub fn capture_log() {
    static START: Once = Once::new();
    START.call_once(|| {
        tracing_subscriber::fmt().with_env_filter("relay_server=trace,info").with_ansi(false).with_writer(|| Log).init();
    });
}

/// All that was logged so far.
pub fn logged() -> Vec<u8> {
    LOG.lock().unwrap().clone()
}

#[tokio::test]
async fn the_log_names_requests_and_holds_no_payload_and_no_address() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let request = device.request(&place, &[1; DIM]);
    let post = server.http.post(server.url(&format!("{INFER}?patient=Jane-Doe"))).header("content-type", wire::MEDIA_TYPE);
    let post = post.header("x-request-id", "the-one-to-find").header("x-forwarded-for", "203.0.113.77");
    let answer = post.body(request.clone()).send().await.unwrap().bytes().await.unwrap();
    server.get("/Jane-Doe.png").await;
    server.post(INFER, b"Jane-Doe".to_vec()).await;
    server.stop().await;

    let log = logged();
    let text = String::from_utf8_lossy(&log);
    let line = text.lines().find(|line| line.contains("the-one-to-find")).expect("the request is logged");
    assert!(line.contains("/v1/models/{id}/infer") && line.contains("status=200"), "{line}");
    for word in ["127.0.0.1", "203.0.113.77", "Jane-Doe", &hex::encode(device.session)] {
        assert!(!text.contains(word), "the log holds {word}");
    }
    for payload in [&request[40..], &answer[14..]] {
        for chunk in payload.chunks_exact(8) {
            assert!(!contains(&log, chunk) && !text.contains(&hex::encode(chunk)), "the log holds a piece of a payload");
        }
    }
}

#[tokio::test]
async fn no_address_gives_the_head_away() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let mut answers = Vec::new();
    for path in [
        "/v1/models/tiny/head.safetensors",
        "/v1/models/tiny/HEAD.safetensors",
        "/v1/models/tiny/encoder.safetensors",
        "/v1/models/tiny/encoder.safetensors/../head.safetensors",
        "/v1/models/tiny%2Fhead.safetensors/card.json",
        "/v1/models/..%2Ftiny/card.json",
        "/v1/models/tiny/detector",
        "/v1/models/tiny/card.json",
        "/v1/models",
        "/head.safetensors",
        "/zoo/tiny/head.safetensors",
        "/../zoo/tiny/head.safetensors",
        "/../../../../../../../../zoo/tiny/head.safetensors",
        "/%2e%2e/zoo/tiny/head.safetensors",
        "/..%2fzoo%2ftiny%2fhead.safetensors",
        "/..%5czoo%5ctiny%5chead.safetensors",
        "/..\\zoo\\tiny\\head.safetensors",
        "/%252e%252e/zoo/tiny/head.safetensors",
        "/wasm/../../zoo/tiny/head.safetensors",
        "/wasm/..;/..;/zoo/tiny/head.safetensors",
        "//zoo/tiny/head.safetensors",
        "/./../zoo/tiny/head.safetensors",
        "/zoo/tiny/head.safetensors%00.js",
        "/../data/relay.sqlite",
        "/secret.safetensors",
        "/.hidden.json",
        "/openapi.json",
        "/metrics",
    ] {
        answers.push(server.raw_get(path).await);
    }
    let absolute = place.path().join("zoo/tiny/head.safetensors");
    answers.push(server.raw_get(absolute.to_str().unwrap()).await);
    answers.push(server.raw_get(&format!("/{}", absolute.display())).await);
    answers.push(server.post(INFER, device.request(&place, &[1; DIM])).await.bytes().await.unwrap().to_vec());
    for answer in &answers {
        assert!(!contains(answer, b"nobody may have this"));
        assert!(!contains(answer, b"weight_scale"));
        assert!(!contains(answer, b"SQLite format"));
        for weights in place.head_file.chunks_exact(16) {
            assert!(!contains(answer, weights), "a piece of the head left the relay");
        }
    }
    assert!(answers.iter().any(|answer| contains(answer, &place.encoder)), "the encoder is public");
    server.stop().await;
}

#[tokio::test]
async fn a_pack_that_names_the_head_as_its_encoder_does_not_load() {
    let place = Place::new();
    let file = place.path().join("zoo/tiny/card.json");
    let mut card: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    card["encoder"]["file"] = "head.safetensors".into();
    card["encoder"]["bytes"] = place.head_file.len().into();
    card["encoder"]["sha256"] = models::pack::sha256_hex(&place.head_file).into();
    std::fs::write(&file, card.to_string()).unwrap();
    let error = relay_server::Relay::open(place.config()).await.err().expect("the pack is refused");
    assert!(error.to_string().contains("must not be served"), "{error}");
}

#[tokio::test]
async fn a_pack_with_a_missing_changed_or_secret_detector_does_not_load() {
    let place = Place::new();
    let pack = place.path().join("zoo/tiny");
    let refused = async |word: &str| {
        let error = relay_server::Relay::open(place.config()).await.err().expect("the pack is refused").to_string();
        assert!(error.contains(word), "{error}");
    };
    let mut detector = place.add_detector(1);
    detector[100] ^= 1;
    std::fs::write(pack.join("detector.safetensors"), &detector).unwrap();
    refused("SHA-256").await;
    std::fs::remove_file(pack.join("detector.safetensors")).unwrap();
    refused("detector.safetensors cannot be read").await;
    let mut card: serde_json::Value = serde_json::from_slice(&std::fs::read(pack.join("card.json")).unwrap()).unwrap();
    card["detector"]["file"] = "head.safetensors".into();
    std::fs::write(pack.join("card.json"), card.to_string()).unwrap();
    refused("another part of the pack").await;
}

#[tokio::test]
async fn a_damaged_pack_does_not_load() {
    let place = Place::new();
    let mut encoder = place.encoder.clone();
    encoder[100] ^= 1;
    std::fs::write(place.path().join("zoo/tiny/encoder.safetensors"), encoder).unwrap();
    let error = relay_server::Relay::open(place.config()).await.err().expect("the pack is refused");
    assert!(error.to_string().contains("tiny") && error.to_string().contains("SHA-256"), "{error}");
}
