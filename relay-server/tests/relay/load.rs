//! Time-outs, overload, the orderly end.

use std::io::Write;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use reqwest::StatusCode;

use crate::common::*;

/// The head of a POST that announces a body.
fn head_of(body: &[u8], path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: relay\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n", wire::MEDIA_TYPE, body.len())
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.body_timeout_ms = 200;
    let server = Server::start(config).await;
    let start = Instant::now();
    let answer = server.raw(head_of(&[0; 100], INFER).replace("host: relay", "host: relay\r\nconnection: close")).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(answer.starts_with(b"HTTP/1.1 408 ") && contains(&answer, b"urn:veilsight:body-timeout"));
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.header_timeout_ms = 200;
    let server = Server::start(config).await;
    let start = Instant::now();
    let answer = server.raw("GET /healthz HTTP/1.1\r\nhost: rel").await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    assert!(start.elapsed() < Duration::from_secs(10));
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.request_timeout_ms = 200;
    let slow = get(|| async { tokio::time::sleep(Duration::from_secs(60)).await });
    let server = Server::start_with(config, Router::new().route("/slow", slow)).await;
    retry_after(&assert_problem(server.get("/slow").await, 503, "timeout").await);
    server.stop().await;
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_relay_lives_on() {
    let place = Place::new();
    let broken = get(|| async {
        if true {
            panic!("as the test wants it")
        }
    });
    let server = Server::start_with(place.config(), Router::new().route("/broken", broken)).await;
    let headers = assert_problem(server.get("/broken").await, 500, "internal").await;
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn beyond_the_requests_in_progress_a_client_is_told_to_come_back_and_probes_still_pass() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.in_flight = 1;
    config.limits.retry_after_s = 7;
    let server = Server::start(config).await;
    let mut holding = connect(server.address);
    holding.write_all(head_of(&[0; 100], INFER).as_bytes()).unwrap();
    pause().await;
    let headers = assert_problem(server.get("/v1/models").await, 503, "busy").await;
    assert_eq!(retry_after(&headers), 7);
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    drop(holding);
    pause().await;
    assert_eq!(server.get("/v1/models").await.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_posts_too_often_is_told_to_wait() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.posts_per_minute = 1;
    config.limits.post_burst = 2;
    let server = Server::start(config).await;
    for _ in 0..2 {
        assert_problem(server.post("/v1/sessions", vec![1]).await, 400, "wrong-message").await;
    }
    let headers = assert_problem(server.post("/v1/sessions", vec![1]).await, 429, "too-many-requests").await;
    assert!((1..=60).contains(&retry_after(&headers)));
    assert_eq!(server.get("/v1/models").await.status(), StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_request_in_progress_is_answered_before_the_relay_stops() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let token = Numbers::new(5).smalls(DIM);
    let body = device.request(&place, &token);
    let address = server.address;
    let mut stream = connect(address);
    stream.write_all(head_of(&body, INFER).as_bytes()).unwrap();
    stream.write_all(&body[..10]).unwrap();
    pause().await;
    let stopping = server.begin_stop();
    pause().await;
    assert!(std::net::TcpStream::connect(address).is_err(), "a stopping relay takes no new connections");
    assert!(!stopping.is_finished());
    stream.write_all(&body[10..]).unwrap();
    let answer = tokio::task::spawn_blocking(move || read_to_end(&mut stream)).await.unwrap();
    stopping.await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
    let start = answer.windows(4).position(|window| window == b"VEIL").unwrap();
    assert_eq!(device.open(&answer[start..]), place.head.logits(&token));
    assert!(!place.path().join("data/relay.sqlite-wal").exists(), "the database was closed");
}

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_up_the_end_for_ever() {
    let place = Place::new();
    let mut config = place.config();
    config.limits.shutdown_grace_ms = 300;
    let server = Server::start(config).await;
    let mut holding = connect(server.address);
    holding.write_all(head_of(&[0; 100], INFER).as_bytes()).unwrap();
    pause().await;
    let start = Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5));
}
