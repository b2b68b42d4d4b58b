//! Whole rounds over HTTP, with drop-outs, deadlines, events.

use std::time::Duration;

use federation::api::{Round, RoundState};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::*;
use crate::postgres::Postgres;
use crate::sites::*;

#[tokio::test]
async fn three_sites_open_the_exact_sum_and_nothing_else_is_there_before() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let (vectors, sum) = vectors(3, 700, 1);
    let round = api.begin(update(700)).await;
    let path = format!("/v1/consortia/{ID}/rounds/{}/", round.number);
    for what in ["delivery", "certificate"] {
        assert_problem(api.get(&format!("{path}{what}"), &sites[0].token).await, 409, "too-early").await;
    }
    assert_problem(api.get(&format!("{path}result"), ADMIN).await, 409, "too-early").await;
    drop(round);
    for repetition in 0..2 {
        let number = whole_round(&api, &mut sites, update(700), &vectors).await;
        assert_eq!(number, 2 + repetition);
        let result = api.result(number).await;
        assert_eq!((result.sum, result.cohort), (sum.clone(), vec![0, 1, 2]));
        let round = api.round(number).await;
        assert_eq!((round.contributed.len(), round.confirmed.len(), round.answered.len()), (3, 3, 3));
        assert!(round.set_digest.is_some() && round.failure.is_none() && round.published.is_none());
    }
    let happenings = api.happenings().await;
    for (what, times) in [
        ("consortium-founded", 1),
        ("invitation-made", 3),
        ("site-enrolled", 3),
        ("round-begun", 3),
        ("contribution-stored", 6),
        ("confirming", 2),
        ("confirmation-stored", 6),
        ("opening", 2),
        ("answer-stored", 6),
        ("opened", 2),
    ] {
        assert_eq!(happenings.iter().filter(|other| *other == what).count(), times, "{what}");
    }
    server.stop().await;
}

/// A site sends two different contributions many times at once: one of the two is kept, once.
async fn many_at_once(api: &Api, site: &Site, round: &Round, values: &[i64]) {
    let path = format!("/v1/consortia/{ID}/rounds/{}/contribution", round.number);
    let two = [site.contribution(api, round, values).await, site.contribution(api, round, values).await];
    let mut sending = tokio::task::JoinSet::new();
    for attempt in 0..10 {
        let (api, path, token, bytes) = (api.clone(), path.clone(), site.token.clone(), two[attempt % 2].clone());
        sending.spawn(async move { (attempt % 2, api.send(Method::PUT, &path, &token, bytes).await.status().as_u16()) });
    }
    let answers = sending.join_all().await;
    let kept: Vec<usize> = answers.iter().filter(|(_, status)| *status == 201).map(|(which, _)| *which).collect();
    assert_eq!(kept.len(), 1, "{answers:?}");
    assert!(
        answers.iter().all(|(which, status)| *status == 201 || *status == if *which == kept[0] { 200 } else { 409 }),
        "{answers:?}"
    );
}

/// One site never contributes; one contributes and is gone; the rest open what was contributed.
async fn five_sites_with_drop_outs(api: &Api) {
    let mut sites = api.sites(5).await;
    let (vectors, _) = vectors(5, 300, 2);
    let round = api.begin(update(300)).await;
    many_at_once(api, &sites[0], &round, &vectors[0]).await;
    for site in [1, 2] {
        assert_problem(api.close(round.number).await, 409, "too-few").await;
        sites[site].contributes(api, &round, &vectors[site]).await;
        if site < 2 {
            assert_problem(api.close(round.number).await, 409, "too-few").await;
        }
    }
    sites[3].contributes(api, &round, &vectors[3]).await;
    assert_eq!(api.close(round.number).await.json::<Round>().await.unwrap().state, RoundState::Confirming);
    for member in [0, 1, 2, 4] {
        assert_eq!(api.round(round.number).await.state, RoundState::Confirming);
        sites[member].confirms(api, &round).await;
    }
    assert_eq!(api.close(round.number).await.json::<Round>().await.unwrap().state, RoundState::Opening);
    for member in [0, 1, 2, 4] {
        sites[member].answers(api, &round).await;
    }
    assert_eq!(api.close(round.number).await.json::<Round>().await.unwrap().state, RoundState::Opened);
    let result = api.result(round.number).await;
    assert_eq!((result.cohort, result.sum), (vec![0, 1, 2, 3], sum(&vectors[..4])));
}

#[tokio::test]
async fn five_sites_open_a_sum_though_one_never_came_and_one_left() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    five_sites_with_drop_outs(&Api::of(&server)).await;
    server.stop().await;
}

#[tokio::test]
async fn on_postgresql_the_same_rounds_open_the_same_sums() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Place::new();
    let mut config = place.federated();
    config.database_url = Some(postgres.url().try_into().unwrap());
    let server = Server::start(config).await;
    let api = Api::of(&server);
    five_sites_with_drop_outs(&api).await;
    assert!(!place.path().join("data/relay.sqlite").exists());
    // The budgets too.
    let device = Device::join(&server).await;
    for left in ["59", "58"] {
        let response = server.post(INFER, device.request(&place, &[1; DIM])).await;
        assert_eq!(response.headers()["x-veilsight-budget-left"], left);
    }
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
    assert!(api.happenings().await.len() > 20);
    server.stop().await;
}

#[tokio::test]
async fn at_a_deadline_enough_messages_go_on_and_too_few_end_the_round() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let (vectors, sum) = vectors(3, 50, 3);

    let expiring = api.begin(json!({"purpose": "update", "length": 50, "contribute_s": 3, "confirm_s": 1, "open_s": 1})).await;
    sites[1].contributes(&api, &expiring, &vectors[1]).await;
    while !api.round(expiring.number).await.state.is_final() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let late = sites[0].contribution(&api, &expiring, &vectors[0]).await;
    assert_problem(sites[0].send(&api, expiring.number, "contribution", late).await, 409, "stale-round").await;
    let failure = api.round(expiring.number).await.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.sites), ("cohort-missing", vec![0, 2]));

    // Of three members two open a sum, so one may be gone.
    let round = api.begin(json!({"purpose": "update", "length": 50, "contribute_s": 60, "confirm_s": 60, "open_s": 4})).await;
    for (site, values) in sites.iter().zip(&vectors) {
        site.contributes(&api, &round, values).await;
    }
    api.reaches(round.number, RoundState::Confirming).await;
    for site in &mut sites {
        site.confirms(&api, &round).await;
    }
    api.reaches(round.number, RoundState::Opening).await;
    for site in &sites[..2] {
        site.answers(&api, &round).await;
    }
    assert_eq!(api.round(round.number).await.state, RoundState::Opening);
    api.reaches(round.number, RoundState::Opened).await;
    assert_eq!(api.result(round.number).await.sum, sum);
    server.stop().await;
}

#[tokio::test]
async fn fifty_sites_open_a_sum() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(50).await;
    let (vectors, sum) = vectors(50, 768, 9);
    let start = std::time::Instant::now();
    let number = whole_round(&api, &mut sites, update(768), &vectors).await;
    println!("a round of 50 sites over HTTP takes {:?}", start.elapsed());
    assert_eq!(api.result(number).await.sum, sum);
    server.stop().await;
}

/// Reads a stream of events until a round is in a state; gives the states seen.
async fn states_until(mut stream: reqwest::Response, last: &str) -> Vec<String> {
    let (mut text, mut states) = (String::new(), Vec::new());
    while states.last().map(String::as_str) != Some(last) {
        let chunk =
            tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await.unwrap().unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        states = text
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("event: round\ndata: "))
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .map(|round| round["state"].as_str().unwrap().to_owned())
            .collect();
    }
    states
}

#[tokio::test]
async fn listeners_see_each_state_and_do_not_hold_up_the_end() {
    let place = Place::new();
    let mut config = place.federated();
    config.federation.event_streams = 2;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let path = format!("/v1/consortia/{ID}/events");
    let stream = api.get(&path, &sites[0].token).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let idle = api.get(&path, ADMIN).await;
    assert_problem(api.get(&path, ADMIN).await, 503, "busy").await;
    let seen = tokio::spawn(states_until(stream, "opened"));
    let (vectors, _) = vectors(3, 20, 4);
    whole_round(&api, &mut sites, update(20), &vectors).await;
    let mut states = seen.await.unwrap();
    states.dedup();
    assert_eq!(states, ["contributing", "confirming", "opening", "opened"]);
    let start = std::time::Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(idle);
}
