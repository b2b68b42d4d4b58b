//! A relay that is killed, at every state of a round and between any two messages, goes on exactly where it was.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use federation::api::RoundState;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::common::*;
use crate::heads::{statistics, tokens};
use crate::postgres::Postgres;
use crate::sites::*;

/// A relay in a process of its own.
pub struct Process<'a> {
    place: &'a Place,
    database: Option<String>,
    child: Child,
    pub api: Api,
    kills: u32,
}

impl<'a> Process<'a> {
    pub fn start(place: &'a Place, database: Option<String>) -> Self {
        let (child, api) = spawn(place, database.as_deref());
        Self { place, database, child, api, kills: 0 }
    }

    /// SIGKILL, and a new start.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.kills += 1;
        (self.child, self.api) = spawn(self.place, self.database.as_deref());
    }

    /// Sends a message and kills the relay as soon as it has answered; the same bytes are known to the next one, others are refused.
    async fn send_and_kill(&mut self, site: &Site, number: u64, step: &str, bytes: Vec<u8>) {
        assert_eq!(site.send(&self.api, number, step, bytes.clone()).await.status(), StatusCode::CREATED, "{step}");
        self.kill();
        assert_eq!(site.send(&self.api, number, step, bytes.clone()).await.status(), StatusCode::OK, "{step}");
        let mut other = bytes;
        *other.last_mut().unwrap() ^= 1;
        assert_problem(site.send(&self.api, number, step, other).await, 409, &format!("second-{step}")).await;
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(place: &Place, database: Option<&str>) -> (Child, Api) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay-server"));
    command.current_dir(place.path()).env_clear().args(["--models", "zoo", "--listen", "127.0.0.1:0"]);
    command
        .env("VEILSIGHT_RELAY_FEDERATION__ADMIN_TOKEN_SHA256", admin_hash())
        .env("VEILSIGHT_RELAY_LIMITS__POSTS_PER_MINUTE", "0")
        .env("VEILSIGHT_RELAY_PURIFICATION__DEVICE", "cpu")
        .env("VEILSIGHT_RELAY_PURIFICATION__WORKERS", "1");
    if let Some(url) = database {
        command.env("VEILSIGHT_RELAY_DATABASE_URL", url);
    }
    let log = std::fs::File::options().create(true).append(true).open(place.path().join("relay.log")).unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let base = line.trim().strip_prefix("Listening on ").expect("the relay starts").to_owned();
    (child, Api { base, http: reqwest::Client::new() })
}

/// Sends the first half of a contribution and leaves the rest out.
fn half_an_upload(api: &Api, token: &str, number: u64, bytes: &[u8]) -> std::net::TcpStream {
    let mut stream = connect(api.base.strip_prefix("http://").unwrap().parse().unwrap());
    let head = format!(
        "PUT /v1/consortia/{ID}/rounds/{number}/contribution HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
    stream
}

async fn a_round_under_kills(place: &Place, database: Option<String>) {
    let mut relay = Process::start(place, database);
    let mut sites = relay.api.sites(3).await;
    relay.kill();
    let (vectors, sum) = vectors(3, 400, 7);
    let round = relay.api.begin(update(400)).await;
    relay.kill();

    for (index, site) in sites.iter().enumerate() {
        assert_eq!(relay.api.round(round.number).await.contributed.len(), index);
        let bytes = site.contribution(&relay.api, &round, &vectors[index]).await;
        let upload = half_an_upload(&relay.api, &site.token, round.number, &bytes);
        tokio::time::sleep(Duration::from_millis(100)).await;
        relay.kill();
        drop(upload);
        assert_eq!(relay.api.round(round.number).await.contributed.len(), index, "half a contribution counts for nothing");
        relay.send_and_kill(site, round.number, "contribution", bytes).await;
    }
    let digest = relay.api.reaches(round.number, RoundState::Confirming).await.set_digest;
    for site in &mut sites {
        let bytes = site.confirmation(&relay.api, &round).await;
        relay.send_and_kill(site, round.number, "confirmation", bytes).await;
        assert_eq!(relay.api.round(round.number).await.set_digest, digest, "the set stays as it was fixed");
    }
    relay.api.reaches(round.number, RoundState::Opening).await;
    for site in &sites {
        // After the last of these the sum is all that is missing.
        let bytes = site.answer(&relay.api, &round).await;
        relay.send_and_kill(site, round.number, "answer", bytes).await;
    }
    let opened = relay.api.reaches(round.number, RoundState::Opened).await;
    assert_eq!((opened.contributed, opened.confirmed, opened.answered), (vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2]));
    relay.kill();
    let result = relay.api.result(round.number).await;
    assert_eq!((result.sum, result.cohort), (sum, vec![0, 1, 2]));

    let happenings = relay.api.happenings().await;
    for (what, times) in
        [("contribution-stored", 3), ("confirmation-stored", 3), ("answer-stored", 3), ("confirming", 1), ("opened", 1)]
    {
        assert_eq!(happenings.iter().filter(|other| *other == what).count(), times, "{what}");
    }
    assert!(relay.kills >= 14);
    // A round that nobody disturbs is still possible.
    let number = whole_round(&relay.api, &mut sites, update(400), &vectors).await;
    assert_eq!(relay.api.result(number).await.sum, relay.api.result(round.number).await.sum);
    publishing_under_kills(&mut relay, &mut sites).await;
    let log = std::fs::read(place.path().join("relay.log")).unwrap();
    for secret in ["hunter2", ADMIN, &sites[0].token] {
        assert!(!contains(&log, secret.as_bytes()), "the log holds a secret");
    }
}

/// The relay dies while it computes and publishes a head: there is one head of the round afterwards, and it answers.
async fn publishing_under_kills(relay: &mut Process<'_>, sites: &mut [Site]) {
    let settings = json!({"purpose": "statistics", "contribute_s": 600, "confirm_s": 600, "open_s": 600, "publish": "lda"});
    let values: Vec<Vec<i64>> = (0..3).map(|site| statistics(&tokens(site + 20, 60)).to_values()).collect();
    for version in 1..=3 {
        let round = relay.api.begin(settings.clone()).await;
        for (site, values) in sites.iter().zip(&values) {
            site.contributes(&relay.api, &round, values).await;
        }
        relay.api.reaches(round.number, RoundState::Confirming).await;
        for site in sites.iter_mut() {
            site.confirms(&relay.api, &round).await;
        }
        relay.api.reaches(round.number, RoundState::Opening).await;
        for site in &sites[..2] {
            site.answers(&relay.api, &round).await;
        }
        let last = sites[2].answer(&relay.api, &round).await;
        relay.send_and_kill(&sites[2], round.number, "answer", last).await;
        let opened = relay.api.reaches(round.number, RoundState::Opened).await;
        assert_eq!((opened.published, opened.failure), (Some(version), None));
        assert_eq!(relay.api.result(round.number).await.sum, sum(&values));
        let list: Value = relay.api.get("/v1/models/tiny/versions", "").await.json().await.unwrap();
        assert_eq!((&list["active"], list["versions"].as_array().unwrap().len()), (&json!(version), version as usize + 1));
    }
}

#[tokio::test]
async fn a_relay_on_sqlite_killed_at_every_step_opens_the_right_sum() {
    a_round_under_kills(&Place::new(), None).await;
}

#[tokio::test]
async fn a_relay_on_postgresql_killed_at_every_step_opens_the_right_sum() {
    let Some(postgres) = Postgres::start() else { return };
    a_round_under_kills(&Place::new(), Some(postgres.url())).await;
}
