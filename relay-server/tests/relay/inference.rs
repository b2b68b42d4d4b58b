//! Sessions, inferences, budgets.

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::Connection;

use crate::common::*;

#[tokio::test]
async fn the_opened_answer_is_exactly_the_heads_plain_answer() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let mut numbers = Numbers::new(99);
    for round in 1..=10 {
        let token = numbers.smalls(DIM);
        let response = server.post(INFER, device.request(&place, &token)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], wire::MEDIA_TYPE);
        assert_eq!(response.headers()["x-veilsight-budget-left"], (60 - round).to_string().as_str());
        assert_eq!(device.open(&response.bytes().await.unwrap()), place.head.logits(&token));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_list_names_what_a_client_fetches_and_the_encoder_is_kept_by_its_tag() {
    let place = Place::new();
    let server = place.start().await;
    let list: Value = server.get("/v1/models").await.json().await.unwrap();
    assert_eq!(list["protocol"], 1);
    let model = &list["models"][0];
    assert_eq!((model["id"].as_str(), model["parameters"].as_str()), (Some(MODEL), Some("GLWE_2048_TU17")));
    assert_eq!(model["classes"].as_array().unwrap().len(), CLASSES);
    let card: Value = server.get(model["card"].as_str().unwrap()).await.json().await.unwrap();
    assert_eq!(card["encoder"]["sha256"], model["encoder"]["sha256"]);

    let url = model["encoder"]["url"].as_str().unwrap();
    let response = server.get(url).await;
    let headers = response.headers().clone();
    assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(headers["content-length"], place.encoder.len().to_string().as_str());
    assert_eq!(response.bytes().await.unwrap(), place.encoder);
    let again = server.http.get(server.url(url)).header("if-none-match", &headers["etag"]).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()["etag"], headers["etag"]);
    let stale = server.http.get(server.url(url)).header("if-none-match", "\"other\"").send().await.unwrap();
    assert_eq!(stale.status(), StatusCode::OK);
    let unversioned = server.get("/v1/models/tiny/encoder.safetensors?v=0000000000000000").await;
    assert_eq!(unversioned.headers()["cache-control"], "no-cache");
    server.stop().await;
}

#[tokio::test]
async fn a_detector_is_handed_out_as_the_encoder_is() {
    let place = Place::new();
    let detector = place.add_detector(5);
    let server = place.start().await;
    let list: Value = server.get("/v1/models").await.json().await.unwrap();
    let entry = &list["models"][0]["detector"];
    assert_eq!(entry["bytes"], detector.len());
    let card: Value = server.get("/v1/models/tiny/card.json").await.json().await.unwrap();
    assert_eq!(card["detector"]["sha256"], entry["sha256"]);

    let url = entry["url"].as_str().unwrap();
    let response = server.get(url).await;
    let headers = response.headers().clone();
    assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["content-length"], "3000");
    assert_eq!(response.bytes().await.unwrap(), detector);
    let again = server.http.get(server.url(url)).header("if-none-match", &headers["etag"]).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let unversioned = server.get("/v1/models/tiny/detector").await;
    assert_eq!(unversioned.headers()["cache-control"], "no-cache");
    assert_eq!(unversioned.bytes().await.unwrap(), detector);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("veilsight_http_requests_total{method=\"GET\",route=\"/v1/models/{id}/detector\",status=\"200\"} 2")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_model_without_a_detector_says_so() {
    let place = Place::new();
    let server = place.start().await;
    let list: Value = server.get("/v1/models").await.json().await.unwrap();
    assert!(list["models"][0].get("detector").is_none());
    assert_problem(server.get("/v1/models/tiny/detector").await, 404, "no-detector").await;
    assert_problem(server.get("/v1/models/none/detector").await, 404, "unknown-model").await;
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_a_reason() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let token = vec![1; DIM];
    let good = device.request(&place, &token);

    let untyped = server.http.post(server.url(INFER)).body(good.clone()).send().await.unwrap();
    assert_problem(untyped, 415, "wrong-media-type").await;
    assert_problem(server.post("/v1/models/none/infer", good.clone()).await, 404, "unknown-model").await;
    assert_problem(server.post("/v1/models/%ff/infer", good.clone()).await, 404, "unknown-model").await;
    assert_problem(server.post(INFER, device.request_to([9; 8], &token)).await, 409, "wrong-encoder").await;
    assert_problem(server.post(INFER, device.request(&place, &[1; DIM + 1])).await, 400, "wrong-message").await;
    assert_problem(server.post(INFER, good[..good.len() - 1].to_vec()).await, 400, "wrong-message").await;
    assert_problem(server.post(INFER, Vec::new()).await, 400, "wrong-message").await;
    assert_problem(server.post(INFER, session_key(&device.key)).await, 400, "wrong-message").await;
    assert_problem(server.post(INFER, vec![0; 200_000]).await, 413, "too-large").await;
    assert_problem(server.post("/v1/sessions", good.clone()).await, 400, "wrong-message").await;
    assert_problem(server.post("/v1/sessions", vec![0; 200_000]).await, 413, "too-large").await;

    let mut newer = good.clone();
    newer[4] = 2;
    assert_problem(server.post(INFER, newer).await, 400, "wrong-version").await;
    let mut other = good.clone();
    other[6] = 0x77;
    assert_problem(server.post(INFER, other).await, 400, "wrong-parameters").await;

    let stranger = Device { session: [0xAB; 16], key: device.key };
    assert_problem(server.post(INFER, stranger.request(&place, &token)).await, 404, "unknown-session").await;
    // None of these refusals was counted.
    let left = server.post(INFER, good).await.headers()["x-veilsight-budget-left"].clone();
    assert_eq!(left, "59");
    server.stop().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
    let place = Place::new();
    let server = place.start().await;
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let head = format!(
        "POST {INFER} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        wire::MEDIA_TYPE
    );
    let answer = server.raw(head + &chunk).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "));
    assert!(contains(&answer, b"urn:veilsight:too-large"));
    server.stop().await;
}

#[tokio::test]
async fn a_spent_budget_stays_spent_over_a_restart_and_says_when_it_renews() {
    let place = Place::new();
    let mut config = place.config();
    config.budget.queries = 2;
    config.budget.window_s = 1000;
    let server = Server::start(config.clone()).await;
    let device = Device::join(&server).await;
    for left in ["1", "0"] {
        let response = server.post(INFER, device.request(&place, &[1; DIM])).await;
        assert_eq!(response.headers()["x-veilsight-budget-left"], left);
    }
    let refused = server.post(INFER, device.request(&place, &[1; DIM])).await;
    assert!((1..=1000).contains(&retry_after(&assert_problem(refused, 429, "budget-spent").await)));
    // A new key and session are the same client.
    let device = Device::join(&server).await;
    assert_problem(server.post(INFER, device.request(&place, &[1; DIM])).await, 429, "budget-spent").await;
    server.stop().await;

    let server = Server::start(config).await;
    // The session is gone with the restart, the count is not.
    assert_problem(server.post(INFER, device.request(&place, &[1; DIM])).await, 404, "unknown-session").await;
    let device = Device::join(&server).await;
    assert_problem(server.post(INFER, device.request(&place, &[1; DIM])).await, 429, "budget-spent").await;
    server.stop().await;
}

#[tokio::test]
async fn a_budget_renews_after_its_window_and_can_be_switched_off() {
    let place = Place::new();
    let mut config = place.config();
    config.budget.queries = 1;
    config.budget.window_s = 2;
    let server = Server::start(config.clone()).await;
    let device = Device::join(&server).await;
    assert_eq!(server.post(INFER, device.request(&place, &[1; DIM])).await.status(), StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(server.post(INFER, device.request(&place, &[1; DIM])).await.status(), StatusCode::OK);
    server.stop().await;

    config.budget.enabled = false;
    let server = Server::start(config).await;
    let device = Device::join(&server).await;
    for _ in 0..3 {
        let response = server.post(INFER, device.request(&place, &[1; DIM])).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("x-veilsight-budget-left"));
    }
    server.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_forwarded_client_has_its_own_budget() {
    let place = Place::new();
    let mut config = place.config();
    config.budget.queries = 1;
    config.trusted_proxies = vec!["127.0.0.0/8".to_owned().try_into().unwrap()];
    let server = Server::start(config).await;
    let device = Device::join(&server).await;
    let ask = async |from: &str| {
        let request = server.http.post(server.url(INFER)).header("content-type", wire::MEDIA_TYPE);
        let body = device.request(&place, &[1; DIM]);
        request.header("x-forwarded-for", from).body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask("203.0.113.1").await, 200);
    assert_eq!(ask("203.0.113.2").await, 200);
    assert_eq!(ask("198.51.100.7, 203.0.113.1").await, 429);
    server.stop().await;
}

#[tokio::test]
async fn without_its_database_the_relay_is_not_ready_and_answers_nothing() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let ready: Value = server.get("/readyz").await.json().await.unwrap();
    assert_eq!(ready["ready"], true);

    let file = place.path().join("data/relay.sqlite");
    let mut other = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
    sqlx::query("DROP TABLE budget").execute(&mut other).await.unwrap();

    let response = server.get("/readyz").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = response.json().await.unwrap();
    assert!(ready["ready"] == false && ready["reasons"][0].as_str().unwrap().contains("database"));
    assert_eq!(server.get("/healthz").await.status(), StatusCode::OK);
    let refused = server.post(INFER, device.request(&place, &[1; DIM])).await;
    retry_after(&assert_problem(refused, 503, "unavailable").await);
    server.stop().await;
}

#[tokio::test]
async fn a_relay_without_models_lives_but_is_not_ready() {
    let place = Place::new();
    let mut config = place.config();
    config.models_dir = place.path().join("nowhere");
    let server = Server::start(config).await;
    let response = server.get("/readyz").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ready: Value = response.json().await.unwrap();
    assert!(ready["reasons"][0].as_str().unwrap().contains("No model pack"));
    server.stop().await;
}

#[tokio::test]
async fn sessions_of_one_client_push_out_their_own_oldest() {
    let place = Place::new();
    let mut config = place.config();
    config.sessions.max_per_client = 2;
    let server = Server::start(config).await;
    let first = Device::join(&server).await;
    let (second, third) = (Device::join(&server).await, Device::join(&server).await);
    assert_problem(server.post(INFER, first.request(&place, &[1; DIM])).await, 404, "unknown-session").await;
    for device in [second, third] {
        assert_eq!(server.post(INFER, device.request(&place, &[1; DIM])).await.status(), StatusCode::OK);
    }
    server.stop().await;
}
