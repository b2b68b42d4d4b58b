//! Jobs of purification, from sending tiles to fetching them.

use relay_server::config::Device;
use relay_server::{Relay, RelayError};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::tile::{Tile, TileShape};
use wire::{PurifyRequest, PurifyResult};

use crate::common::*;
use crate::purifier::*;
use crate::sites::*;

const ONE: &str = "192.0.2.1";
const TWO: &str = "192.0.2.2";

#[tokio::test]
async fn tiles_come_back_once_and_exactly_as_the_models_walk_takes_them() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let server = Server::start(place.purifying()).await;
    let api = Api::of(&server);
    for (seed, tiles, side, steps) in [(1, 1, SIDES[0], 1), (2, 20, SIDES[1], 4), (3, 3, 16, 20)] {
        let request = purifier.request(seed, tiles, side, steps);
        let response = api.send_tiles(&request, ONE).await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let entry: Value = response.json().await.unwrap();
        assert_eq!((&entry["tiles"], &entry["expires_s"]), (&json!(tiles), &json!(900)));
        let (job, token) = (entry["job"].as_str().unwrap().to_owned(), entry["token"].as_str().unwrap().to_owned());
        assert!(job.len() == 32 && token.starts_with("vsj_"));
        let ticket = Ticket { job, token };
        let done = api.becomes(&ticket, "done").await;
        assert_eq!(done, json!({"state": "done", "done": tiles, "total": tiles, "ahead": 0}));
        assert_eq!(api.purified(&ticket).await, purifier.walked(&request));
        assert_problem(api.fetch(&ticket).await, 410, "gone").await;
        assert_eq!(api.job(&ticket).await["state"], "fetched");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_a_jobs_own_token_opens_it() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let server = Server::start(place.purifying()).await;
    let api = Api::of(&server);
    let mine = api.purify(&purifier.request(1, 2, 8, 2), ONE).await;
    let other = api.purify(&purifier.request(2, 2, 8, 2), ONE).await;
    api.becomes(&mine, "done").await;
    for token in [&other.token, &format!("{}0", &mine.token[..67]), "vsj_", ADMIN] {
        let stranger = Ticket { job: mine.job.clone(), token: token.to_owned() };
        for (method, end) in [(Method::GET, ""), (Method::GET, "/result"), (Method::GET, "/events"), (Method::DELETE, "")] {
            let answer = api.send(method, &format!("{}{end}", stranger.path()), &stranger.token, Vec::new()).await;
            assert_problem(answer, 404, "unknown-job").await;
        }
    }
    assert_problem(server.get(&mine.path()).await, 401, "unauthorised").await;
    for job in [mine.job.to_uppercase(), mine.job[..30].to_owned(), "0".repeat(32)] {
        assert_problem(api.fetch(&Ticket { job, ..mine.clone() }).await, 404, "unknown-job").await;
    }
    assert_eq!(api.purified(&mine).await, purifier.walked(&purifier.request(1, 2, 8, 2)));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_purified_is_refused() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.queue_tiles = 8;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let grey = TileShape { channels: 1, side: 8 };
    let tile = |shape: TileShape| Tile { id: [1; 8], values: vec![0; shape.values()] };
    let tag: [u8; 8] = *purifier.request(1, 1, 8, 1).purifier();
    let unknown = PurifyRequest::new([0; 8], 100, 1, grey, vec![tile(grey)]).unwrap();
    assert_problem(api.send_tiles(&unknown, ONE).await, 404, "unknown-purifier").await;
    let grey = PurifyRequest::new(tag, 100, 1, grey, vec![tile(grey)]).unwrap();
    // The card says 32 pixels a side.
    for refused in [grey, purifier.request(1, 1, 40, 1), purifier.request(1, 9, 8, 1)] {
        assert_problem(api.send_tiles(&refused, ONE).await, 400, "wrong-message").await;
    }
    assert_problem(server.post(JOBS, vec![0; 50]).await, 400, "wrong-message").await;
    let text = server.http.post(server.url(JOBS)).body("tiles").send().await.unwrap();
    assert_problem(text, 415, "wrong-media-type").await;
    // Refused by its announced length: no byte of the body is sent.
    let head = format!("POST {JOBS} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\ncontent-type: {}\r\n", wire::MEDIA_TYPE);
    let answer = server.raw(format!("{head}content-length: {}\r\n\r\n", wire::limits::MAX_PURIFY_BYTES + 1)).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 ") && contains(&answer, b"urn:veilsight:too-large"));
    assert_eq!(api.metric("veilsight_purification_passes_total").await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_result_that_is_not_there_yet_is_too_early_and_a_cancelled_one_gone() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let server = Server::start(place.purifying()).await;
    let api = Api::of(&server);
    let running = api.purify(&purifier.long_request(1), ONE).await;
    let waiting = api.purify(&purifier.request(2, 4, 8, 2), ONE).await;
    assert_problem(api.fetch(&running).await, 425, "too-early").await;
    assert!(api.job(&waiting).await["ahead"].as_u64().unwrap() > 0);
    for ticket in [&waiting, &running, &running] {
        assert_eq!(api.cancel(ticket).await.status(), StatusCode::NO_CONTENT);
        assert_eq!(api.job(ticket).await["state"], "cancelled");
        assert_problem(api.fetch(ticket).await, 410, "gone").await;
    }
    // What was at work is let go of between two steps, and the relay is free for others.
    let request = purifier.request(3, 2, 8, 2);
    let next = api.purify(&request, TWO).await;
    assert_eq!(api.purified(&next).await, purifier.walked(&request));
    assert_eq!(api.metric("veilsight_purification_waiting_tiles").await, 0);
    assert_eq!(api.metric("veilsight_purification_jobs_total{state=\"cancelled\"}").await, 2);
    server.stop().await;
}

#[tokio::test]
async fn a_full_queue_and_a_greedy_site_are_refused() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.queue_tiles = 252;
    config.purification.jobs_per_site = 2;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let long = api.purify(&purifier.long_request(1), ONE).await;
    retry_after(&assert_problem(api.send_tiles(&purifier.request(2, 3, 8, 1), ONE).await, 503, "queue-full").await);
    let short = api.purify(&purifier.request(3, 2, 8, 1), ONE).await;
    api.becomes(&short, "done").await;
    // The result is still kept for this site.
    retry_after(&assert_problem(api.send_tiles(&purifier.request(4, 1, 8, 1), ONE).await, 429, "too-many-jobs").await);
    api.purify(&purifier.request(5, 1, 8, 1), TWO).await;
    api.purified(&short).await;
    api.purify(&purifier.request(6, 1, 8, 1), ONE).await;
    api.cancel(&long).await;
    server.stop().await;
}

#[tokio::test]
async fn a_sites_token_counts_for_the_site_wherever_it_comes_from() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.federation.admin_token_sha256 = Some(admin_hash());
    config.purification.jobs_per_site = 1;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let sites = api.sites(3).await;
    let send = async |token: &str, from: &str| {
        let post = api.http.post(server.url(JOBS)).header("content-type", wire::MEDIA_TYPE).header("x-forwarded-for", from);
        post.bearer_auth(token).body(purifier.request(1, 1, 8, 1).encode()).send().await.unwrap()
    };
    ticket(send(&sites[0].token, ONE).await).await;
    ticket(send(&sites[1].token, ONE).await).await;
    api.purify(&purifier.request(1, 1, 8, 1), ONE).await;
    assert_problem(send(&sites[0].token, TWO).await, 429, "too-many-jobs").await;
    assert_problem(send(&api.viewer().await, TWO).await, 401, "unauthorised").await;
    server.stop().await;
}

#[tokio::test]
async fn a_site_with_one_job_is_served_while_anothers_hundred_wait() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.batch = 1;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let mut many = Vec::new();
    for seed in 0..100 {
        many.push(api.purify(&purifier.request(seed, 20, SIDES[1], 20), ONE).await);
    }
    let one = api.purify(&purifier.request(1, 2, 8, 1), TWO).await;
    assert!(api.job(&one).await["ahead"].as_u64().unwrap() <= 2);
    api.becomes(&one, "done").await;
    assert_eq!(api.job(&many[99]).await["state"], "queued");
    assert!(api.metric("veilsight_purification_waiting_tiles").await > 20);
    server.stop().await;
}

#[tokio::test]
async fn one_pass_takes_a_step_with_all_tiles_of_a_batch() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.batch = 16;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let ticket = api.purify(&purifier.request(1, 16, 8, 5), ONE).await;
    api.becomes(&ticket, "done").await;
    assert_eq!(api.metric("veilsight_purification_passes_total").await, 5);
    assert_eq!(api.metric("veilsight_purification_tile_steps_total").await, 80);
    server.stop().await;
}

#[tokio::test]
async fn jobs_of_many_clients_share_passes_and_never_mix() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.batch = 4;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    // 65 tiles alone are 17 batches of 20 steps, the last of one tile: the others' tiles fit beside it.
    let mut jobs = vec![(purifier.request(100, 65, SIDES[1], 20), "198.51.100.1".to_owned())];
    jobs.extend((1..4).map(|client| (purifier.request(client, 1, SIDES[1], 20), format!("192.0.2.{client}"))));
    let mut tickets = Vec::new();
    for (request, from) in &jobs {
        tickets.push(api.purify(request, from).await);
    }
    for ((request, _), ticket) in jobs.iter().zip(&tickets).rev() {
        assert_eq!(api.purified(ticket).await, purifier.walked(request));
    }
    assert_eq!(api.metric("veilsight_purification_tile_steps_total").await, 68 * 20);
    assert!(api.metric("veilsight_purification_passes_total").await < (17 + 3) * 20);
    server.stop().await;
}

#[tokio::test]
async fn events_tell_how_far_a_job_is_until_the_work_is_over() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.batch = 2;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let ticket = api.purify(&purifier.request(1, 40, SIDES[1], 10), ONE).await;
    // The stream ends by itself.
    let text = api.get(&format!("{}/events", ticket.path()), &ticket.token).await.text().await.unwrap();
    let events: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: purification\ndata: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let done: Vec<u64> = events.iter().map(|event| event["done"].as_u64().unwrap()).collect();
    assert!(done.is_sorted() && events.len() >= 2, "{text}");
    assert_eq!(*events.last().unwrap(), json!({"state": "done", "done": 40, "total": 40, "ahead": 0}));
    let again = api.get(&format!("{}/events", ticket.path()), &ticket.token).await.text().await.unwrap();
    assert_eq!(again.matches("event: purification").count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_job_that_runs_for_too_long_fails_and_says_so() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.timeout_s = 1;
    config.purification.batch = 1;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    // They take turns, and so last four times as long.
    let mut tickets = Vec::new();
    for site in 1..5 {
        tickets.push(api.purify(&purifier.long_request(site), &format!("192.0.2.{site}")).await);
    }
    for ticket in &tickets {
        let failed = api.becomes(ticket, "failed").await;
        assert!(failed["error"].as_str().unwrap().contains("longer than a job may run"), "{failed}");
        assert_problem(api.fetch(ticket).await, 410, "gone").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_gpu_gives_what_the_cpu_gives_up_to_rounding() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.device = Device::Gpu;
    if let Err(error) = Relay::open(config.clone()).await {
        assert!(matches!(error, RelayError::NoGpu(_)), "{error}");
        println!("skipped: {error}");
        return;
    }
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let ready: Value = server.get("/readyz").await.json().await.unwrap();
    println!("device: {}", ready["purification"]["device"]);
    let request = purifier.request(1, 6, 16, 4);
    let ticket = api.purify(&request, ONE).await;
    let (gpu, cpu) = (api.purified(&ticket).await, purifier.walked(&request));
    for (gpu, cpu) in gpu.tiles().iter().zip(cpu.tiles()) {
        assert_eq!(gpu.id, cpu.id);
        let furthest = gpu.values.iter().zip(&cpu.values).map(|(gpu, cpu)| gpu.abs_diff(*cpu)).max().unwrap();
        // In steps of 1/2048.
        assert!(furthest <= 2, "they differ by {furthest}");
    }
    server.stop().await;
}

#[tokio::test]
async fn purifiers_are_listed_handed_out_and_reported() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.relays = vec!["https://a.example".to_owned(), "https://b.example:8443".to_owned()];
    let server = Server::start(config).await;
    let list: Value = server.get("/v1/purifiers").await.json().await.unwrap();
    let entry = json!({"model": MODEL, "sha256": purifier.sha256, "channels": 3, "tile": 16, "stride": 8, "relays": 3, "min_t": 50, "steps": 4});
    assert_eq!(list["purifiers"], json!([entry]));
    assert_eq!(list["relays"], json!(["https://a.example", "https://b.example:8443"]));
    assert_eq!((&list["device"], &list["limits"]), (&json!("cpu"), &json!({"tiles_per_job": 256, "ttl_s": 900})));
    let models: Value = server.get("/v1/models").await.json().await.unwrap();
    let url = models["models"][0]["purifier"]["url"].as_str().unwrap().to_owned();
    assert_eq!(url, format!("/v1/models/tiny/purifier?v={}", &purifier.sha256[..16]));
    let response = server.get(&url).await;
    assert_eq!(response.headers()["cache-control"], "public, max-age=31536000, immutable");
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.ends_with("connect-src 'self' https://a.example https://b.example:8443"), "{policy}");
    assert_eq!(response.bytes().await.unwrap(), purifier.file);
    let ready: Value = server.get("/readyz").await.json().await.unwrap();
    assert_eq!(ready["purification"], json!({"device": "cpu", "waiting_tiles": 0, "working_tiles": 0}));
    assert_eq!(Api::of(&server).metric("veilsight_purification_device{device=\"cpu\"}").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_relay_may_hand_purifiers_out_and_not_run_them() {
    let place = Place::new();
    assert_problem(place.start().await.get("/v1/models/tiny/purifier").await, 404, "no-purifier").await;
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.enabled = false;
    let server = Server::start(config).await;
    let list: Value = server.get("/v1/purifiers").await.json().await.unwrap();
    assert_eq!(list["purifiers"], json!([]));
    assert_eq!(server.get("/v1/models/tiny/purifier").await.bytes().await.unwrap(), purifier.file);
    let refused = Api::of(&server).send_tiles(&purifier.request(1, 1, 8, 1), ONE).await;
    assert_problem(refused, 404, "unknown-purifier").await;
    server.stop().await;
}

#[tokio::test]
async fn the_log_holds_no_tile_and_no_token() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let server = Server::start(place.purifying()).await;
    let api = Api::of(&server);
    let request = purifier.request(4242, 4, 8, 2);
    let ticket = api.purify(&request, "203.0.113.99").await;
    let result: PurifyResult = api.purified(&ticket).await;
    api.fetch(&ticket).await;
    server.stop().await;
    let log = crate::privacy::logged();
    let text = String::from_utf8_lossy(&log);
    assert!(text.contains("/v1/purifications/{job}/result"), "the search finds what is there");
    for word in [&ticket.token, &ticket.token[4..], &ticket.job, "203.0.113.99"] {
        assert!(!text.contains(word), "the log holds {word}");
    }
    for tile in request.tiles().iter().chain(result.tiles()) {
        let values: Vec<u8> = tile.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for piece in std::iter::once(&tile.id[..]).chain(values.chunks_exact(8)) {
            assert!(!contains(&log, piece) && !text.contains(&hex::encode(piece)), "the log holds a piece of a tile");
        }
    }
}
