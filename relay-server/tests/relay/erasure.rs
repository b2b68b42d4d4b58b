//! What is deleted is gone from the disk, what lies there is sealed, and a relay that is killed loses no job and mixes none.

use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};
use wire::PurifyRequest;

use crate::common::*;
use crate::kill::Process;
use crate::postgres::Postgres;
use crate::purifier::*;
use crate::sites::Api;

const ONE: &str = "192.0.2.1";
const TWO: &str = "192.0.2.2";
const PIECES: usize = 24;
/// Bytes of a piece.
const PIECE: usize = 32;

/// What the database holds sealed of a job.
async fn sealed(place: &Place, ticket: &Ticket) -> Vec<u8> {
    let url = format!("sqlite://{}?mode=ro", place.path().join("data/relay.sqlite").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let query = sqlx::query("SELECT sealed FROM purification WHERE id = $1").bind(hex::decode(&ticket.job).unwrap());
    let sealed = query.fetch_one(&mut connection).await.unwrap().get(0);
    connection.close().await.unwrap();
    sealed
}

/// All files below a folder, one behind the other.
fn all_files(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        all.extend(if entry.is_dir() { all_files(&entry) } else { std::fs::read(entry).unwrap() });
    }
    all
}

/// How many of up to [`PIECES`] pieces from all over `bytes` lie somewhere in the relay's files.
fn pieces_on_disk(place: &Place, bytes: &[u8]) -> usize {
    let files = all_files(&place.path().join("data"));
    bytes.chunks_exact(bytes.len() / PIECES).filter(|piece| contains(&files, &piece[..PIECE])).count()
}

/// The borders of the database's pages break some pieces, though not many.
fn assert_on_disk(place: &Place, bytes: &[u8]) {
    assert!(pieces_on_disk(place, bytes) > PIECES / 2, "the search does not find what is there");
}

/// The log is cut off every second, once for all that was deleted in it.
async fn assert_off_disk(place: &Place, bytes: &[u8]) {
    let mut left = pieces_on_disk(place, bytes);
    for _ in 0..500 {
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = pieces_on_disk(place, bytes);
    }
    panic!("{left} of {PIECES} pieces are still on the disk");
}

#[tokio::test]
async fn tiles_and_result_lie_sealed_and_are_gone_from_the_disk_after_fetching() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let server = Server::start(place.purifying()).await;
    let api = Api::of(&server);
    // A long job of the same site keeps the short one waiting.
    let long = api.purify(&purifier.long_request(1), ONE).await;
    let request = purifier.request(2, 4, 16, 2);
    let ticket = api.purify(&request, ONE).await;
    let tiles = sealed(&place, &ticket).await;
    assert_on_disk(&place, &tiles);
    assert_eq!(pieces_on_disk(&place, &request.encode()), 0, "tiles lie in the clear");
    let digits = hex::decode(&ticket.token[4..]).unwrap();
    let files = all_files(&place.path().join("data"));
    assert!(!contains(&files, ticket.token.as_bytes()) && !contains(&files, &digits), "the token lies on the disk");
    api.cancel(&long).await;

    api.becomes(&ticket, "done").await;
    assert_off_disk(&place, &tiles).await;
    let result = sealed(&place, &ticket).await;
    assert_on_disk(&place, &result);
    assert_eq!(pieces_on_disk(&place, &purifier.walked(&request).encode()), 0, "a result lies in the clear");
    assert_eq!(api.purified(&ticket).await, purifier.walked(&request));
    assert_off_disk(&place, &result).await;
    server.stop().await;
}

#[tokio::test]
async fn cancelled_tiles_are_gone_from_the_disk() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let server = Server::start(place.purifying()).await;
    let api = Api::of(&server);
    let long = api.purify(&purifier.long_request(1), ONE).await;
    let waiting = api.purify(&purifier.request(2, 4, 16, 2), ONE).await;
    for ticket in [waiting, long] {
        let tiles = sealed(&place, &ticket).await;
        assert_on_disk(&place, &tiles);
        api.cancel(&ticket).await;
        assert_off_disk(&place, &tiles).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn expired_tiles_and_results_are_gone_from_the_disk_and_then_forgotten() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut config = place.purifying();
    config.purification.ttl_s = 5;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    let done = api.purify(&purifier.request(1, 4, 16, 2), TWO).await;
    api.becomes(&done, "done").await;
    let result = sealed(&place, &done).await;
    assert_on_disk(&place, &result);
    let running = api.purify(&purifier.long_request(2), ONE).await;
    let tiles = sealed(&place, &running).await;
    assert_on_disk(&place, &tiles);
    for (ticket, bytes) in [(done, result), (running, tiles)] {
        while api.job(&ticket).await["state"] != "expired" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_problem(api.fetch(&ticket).await, 410, "gone").await;
        assert_off_disk(&place, &bytes).await;
        while api.get(&ticket.path(), &ticket.token).await.status() != 404 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    server.stop().await;
}

/// Several clients' jobs, a relay that is killed at work, and every job's own result after the restart.
async fn jobs_under_a_kill(database: Option<String>) {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut requests: Vec<PurifyRequest> = vec![purifier.request(1, 2, 8, 1), purifier.long_request(2)];
    requests.extend((3..7).map(|seed| purifier.request(seed, 3, 16, 4)));
    // Computed before there are connections, which the relay would close meanwhile.
    let results: Vec<_> = requests.iter().map(|request| purifier.walked(request)).collect();
    let mut relay = Process::start(&place, database);
    let mut tickets = vec![relay.api.purify(&requests[0], ONE).await];
    relay.api.becomes(&tickets[0], "done").await;
    for request in &requests[1..] {
        tickets.push(relay.api.purify(request, ONE).await);
    }
    assert_ne!(relay.api.job(&tickets[1]).await["state"], "done", "the relay is killed at work");
    relay.kill();
    // Nobody but its client can let a job go on.
    let stranger = Ticket { token: tickets[1].token.clone(), ..tickets[2].clone() };
    assert_problem(relay.api.get(&stranger.path(), &stranger.token).await, 404, "unknown-job").await;
    assert_eq!(relay.api.metric("veilsight_purification_tile_steps_total").await, 0, "locked jobs wait for their clients");
    for (result, ticket) in results.iter().zip(&tickets) {
        assert_eq!(relay.api.purified(ticket).await, *result);
        assert_problem(relay.api.fetch(ticket).await, 410, "gone").await;
    }
}

#[tokio::test]
async fn a_relay_on_sqlite_that_is_killed_at_work_finishes_every_job_after_its_restart() {
    jobs_under_a_kill(None).await;
}

#[tokio::test]
async fn a_relay_on_postgresql_that_is_killed_at_work_finishes_every_job_after_its_restart() {
    let Some(postgres) = Postgres::start() else { return };
    jobs_under_a_kill(Some(postgres.url())).await;
}

#[tokio::test]
async fn a_job_that_a_restarted_relay_cannot_finish_fails_and_says_why() {
    let place = Place::new();
    let purifier = place.add_purifier();
    let mut relay = Process::start(&place, None);
    let ticket = relay.api.purify(&purifier.long_request(1), ONE).await;
    let tiles = sealed(&place, &ticket).await;
    let pack = place.path().join("zoo").join(MODEL);
    let mut card: serde_json::Value = serde_json::from_slice(&std::fs::read(pack.join("card.json")).unwrap()).unwrap();
    card.as_object_mut().unwrap().remove("purifier");
    std::fs::write(pack.join("card.json"), card.to_string()).unwrap();
    relay.kill();
    let failed = relay.api.becomes(&ticket, "failed").await;
    assert!(failed["error"].as_str().unwrap().contains("without this purifier"), "{failed}");
    assert_off_disk(&place, &tiles).await;
}
