//! A round of statistics makes a head that answers at once, with a card that reads its answers; and there is a way back.

use federation::statistics::{Shape, Statistics};
use models::{ModelCard, QuantisedHead};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::common::*;
use crate::postgres::Postgres;
use crate::sites::*;

/// Labelled tokens whose classes lie apart.
pub fn tokens(seed: u64, count: usize) -> Vec<(usize, Vec<i16>)> {
    let mut numbers = Numbers::new(seed);
    let token = |class: usize, numbers: &mut Numbers| -> Vec<i16> {
        (0..DIM).map(|i| numbers.small() / 4 + if i % CLASSES == class { 60 } else { 0 }).collect()
    };
    (0..count).map(|i| (i % CLASSES, token(i % CLASSES, &mut numbers))).collect()
}

pub fn statistics(tokens: &[(usize, Vec<i16>)]) -> Statistics {
    let mut statistics = Statistics::new(Shape::new(CLASSES, DIM, 4000).unwrap());
    tokens.iter().for_each(|(class, token)| statistics.add(*class, token).unwrap());
    statistics
}

async fn infer(server: &Server, place: &Place, device: &Device, token: &[i16], if_match: Option<&str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(tag) = if_match {
        headers.insert("if-match", HeaderValue::from_str(&format!("\"{tag}\"")).unwrap());
    }
    let request = server.http.post(server.url(INFER)).header("content-type", wire::MEDIA_TYPE).headers(headers);
    request.body(device.request(place, token)).send().await.unwrap()
}

/// The card that a client would read an answer with, found by the answer's own header.
async fn card(server: &Server, path: &str) -> (ModelCard, String) {
    let response = server.get(path).await;
    assert_eq!(response.status(), StatusCode::OK);
    let tag = response.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
    (ModelCard::from_json(&response.bytes().await.unwrap()).unwrap(), tag)
}

async fn activate(api: &Api, version: u32) -> Response {
    api.send(Method::PUT, "/v1/models/tiny/active", ADMIN, json!({"version": version}).to_string().into()).await
}

async fn a_published_head(place: &Place, config: relay_server::Config) {
    let server = Server::start(config.clone()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let all: Vec<Vec<(usize, Vec<i16>)>> = (0..3).map(|site| tokens(site + 10, 120)).collect();
    let vectors: Vec<Vec<i64>> = all.iter().map(|tokens| statistics(tokens).to_values()).collect();
    let device = Device::join(&server).await;
    let (shipped, shipped_tag) = card(&server, "/v1/models/tiny/card.json").await;
    let test = tokens(99, 30);
    for (version, kind) in [(1, "lda"), (2, "ridge")] {
        let settings = json!({"purpose": "statistics", "contribute_s": 600, "confirm_s": 600, "open_s": 600, "publish": kind});
        let number = whole_round(&api, &mut sites, settings, &vectors).await;
        let round = api.round(number).await;
        assert_eq!((round.published, round.failure), (Some(version), None));
        let (learned, tag) = card(&server, "/v1/models/tiny/card.json").await;
        assert_ne!((learned.calibration.logit_scale, &tag), (shipped.calibration.logit_scale, &shipped_tag));
        assert_eq!(learned.version, format!("1+head.{version}"));
        assert!(learned.metrics.is_empty(), "the figures of another head are not this one's");

        let mut right = 0;
        for (class, token) in &test {
            let response = infer(&server, place, &device, token, Some(&tag)).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["x-veilsight-card"], tag.as_str());
            let logits = device.open(&response.bytes().await.unwrap());
            let probabilities = learned.probabilities(&logits);
            right += usize::from(probabilities[*class] > 0.5);
        }
        assert!(right >= 29, "{kind}: {right} of 30, calibrated");
        // A client with an older card is told before anything is counted.
        assert_problem(infer(&server, place, &device, &test[0].1, Some(&shipped_tag)).await, 412, "stale-card").await;
    }
    let pooled: Vec<(usize, Vec<i16>)> = all.into_iter().flatten().collect();
    let expected = federation::heads::lda(&statistics(&pooled), federation::heads::SHRINKAGE).unwrap().to_integers().unwrap();
    let plain = QuantisedHead::new(DIM, expected.weights, expected.bias, 1.0).unwrap();
    assert_eq!(activate(&api, 1).await.status(), StatusCode::OK);
    let answer = infer(&server, place, &device, &test[0].1, None).await.bytes().await.unwrap();
    assert_eq!(device.open(&answer), plain.logits(&test[0].1), "the federated head is the pooled head");
    server.stop().await;

    // The pack gets a detector meanwhile: every head's card names it. The choice outlives a restart, and version 0 is the way back to the shipped head.
    let detector = models::pack::sha256_hex(&place.add_detector(3));
    let server = Server::start(config).await;
    let (api, device) = (Api::of(&server), Device::join(&server).await);
    let shipped_tag = card(&server, "/v1/models/tiny/card.json?head=0").await.1;
    let list: Value = server.get("/v1/models/tiny/versions").await.json().await.unwrap();
    assert_eq!((&list["active"], list["versions"].as_array().unwrap().len()), (&json!(1), 3));
    assert_eq!((&list["versions"][2]["consortium"], &list["versions"][2]["round"]), (&json!(ID), &json!(2)));
    let answer = infer(&server, place, &device, &test[1].1, None).await.bytes().await.unwrap();
    assert_eq!(device.open(&answer), plain.logits(&test[1].1));
    for entry in list["versions"].as_array().unwrap() {
        let (card, tag) = card(&server, entry["card"].as_str().unwrap()).await;
        assert_eq!(entry["card_sha256"], tag);
        assert_eq!(card.detector.unwrap().sha256, detector);
    }
    assert_eq!(activate(&api, 0).await.status(), StatusCode::OK);
    let response = infer(&server, place, &device, &test[1].1, Some(&shipped_tag)).await;
    assert_eq!(device.open(&response.bytes().await.unwrap()), place.head.logits(&test[1].1));
    assert_problem(activate(&api, 9).await, 404, "unknown-version").await;
    assert_problem(server.get("/v1/models/tiny/card.json?head=9").await, 404, "unknown-version").await;
    let happenings = api.happenings().await;
    assert_eq!(happenings.iter().filter(|what| *what == "head-published").count(), 2);
    assert_eq!(happenings.iter().filter(|what| *what == "head-chosen").count(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_round_publishes_a_head_that_answers_at_once_and_can_be_taken_back() {
    let place = Place::new();
    let mut config = place.federated();
    config.budget.queries = 100_000;
    a_published_head(&place, config).await;
}

#[tokio::test]
async fn on_postgresql_heads_are_published_as_well() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Place::new();
    let mut config = place.federated();
    config.database_url = Some(postgres.url().try_into().unwrap());
    config.budget.queries = 100_000;
    a_published_head(&place, config).await;
}

#[tokio::test]
async fn statistics_without_an_image_of_some_class_open_and_publish_nothing() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let one_class: Vec<(usize, Vec<i16>)> = tokens(1, 30).into_iter().filter(|(class, _)| *class == 0).collect();
    let vectors = vec![statistics(&one_class).to_values(); 3];
    let settings = json!({"purpose": "statistics", "contribute_s": 600, "confirm_s": 600, "open_s": 600, "publish": "lda"});
    let number = whole_round(&api, &mut sites, settings, &vectors).await;
    let round = api.round(number).await;
    assert_eq!((round.published, round.failure.unwrap().code.as_str()), (None, "no-head"));
    assert_eq!(api.result(number).await.sum, sum(&vectors));
    let list: Value = server.get("/v1/models/tiny/versions").await.json().await.unwrap();
    assert_eq!(list["active"], 0);
    server.stop().await;
}
