//! Sites of a consortium as the relay sees them: identities, tokens, messages made by `he`.

use std::collections::BTreeMap;

use federation::api::{self, Consortium, Enrolled, Invitation, Round, RoundState};
use he::aggregation::member::{MemberRecord, derive_answer, derive_confirmation};
use he::aggregation::site::make_contribution;
use he::aggregation::{self, Delivery, Identity, IdentityKey, Rules, SumParameters};
use relay_server::Config;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::*;

pub const ID: &str = "lungs";
/// The administrator's token in these tests.
pub const ADMIN: &str = "vsa_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

pub fn admin_hash() -> String {
    hex::encode(Sha256::digest(ADMIN))
}

impl Place {
    /// As [`Place::config`], with an administrator.
    pub fn federated(&self) -> Config {
        let mut config = self.config();
        config.federation.admin_token_sha256 = Some(admin_hash());
        config
    }
}

/// A relay by its address, wherever it runs.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    pub http: Client,
}

impl Api {
    pub fn of(server: &Server) -> Self {
        Self { base: server.url(""), http: server.http.clone() }
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: Vec<u8>) -> Response {
        let request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        request.body(body).send().await.unwrap()
    }

    pub async fn get(&self, path: &str, token: &str) -> Response {
        self.send(Method::GET, path, token, Vec::new()).await
    }

    pub async fn post(&self, path: &str, token: &str, value: &Value) -> Response {
        self.send(Method::POST, path, token, value.to_string().into()).await
    }

    pub async fn found(&self, sites: u16) -> Consortium {
        let response = self.post("/v1/consortia", ADMIN, &founding(sites)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    pub async fn invite(&self, name: &str, role: &str) -> String {
        let path = format!("/v1/consortia/{ID}/invitations");
        let response = self.post(&path, ADMIN, &json!({"name": name, "role": role})).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json::<Invitation>().await.unwrap().invitation
    }

    pub async fn enrol(&self, invitation: &str, key: Option<&IdentityKey>) -> Response {
        let identity = key.map(|key| hex::encode(key.identity().to_bytes()));
        let body = match identity {
            Some(identity) => json!({"invitation": invitation, "identity": identity}),
            None => json!({"invitation": invitation}),
        };
        self.post("/v1/enrolments", "", &body).await
    }

    pub async fn viewer(&self) -> String {
        let invitation = self.invite("Auditor", "viewer").await;
        self.enrol(&invitation, None).await.json::<Enrolled>().await.unwrap().token
    }

    /// Founds a consortium and enrols all its sites.
    pub async fn sites(&self, count: u16) -> Vec<Site> {
        self.found(count).await;
        let mut sites = Vec::new();
        for index in 0..count {
            let key = IdentityKey::make().unwrap();
            let invitation = self.invite(&format!("Hospital {index}"), "site").await;
            let enrolled: Enrolled = self.enrol(&invitation, Some(&key)).await.json().await.unwrap();
            assert_eq!(enrolled.site, Some(index));
            sites.push(Site { key, token: enrolled.token, records: BTreeMap::new() });
        }
        sites
    }

    pub async fn consortium(&self) -> Consortium {
        self.get(&format!("/v1/consortia/{ID}"), ADMIN).await.json().await.unwrap()
    }

    pub async fn begin(&self, settings: Value) -> Round {
        let response = self.post(&format!("/v1/consortia/{ID}/rounds"), ADMIN, &settings).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
        response.json().await.unwrap()
    }

    pub async fn round(&self, number: u64) -> Round {
        self.get(&format!("/v1/consortia/{ID}/rounds/{number}"), ADMIN).await.json().await.unwrap()
    }

    pub async fn close(&self, number: u64) -> Response {
        self.post(&format!("/v1/consortia/{ID}/rounds/{number}/close"), ADMIN, &Value::Null).await
    }

    /// Waits until a round is in a state.
    pub async fn reaches(&self, number: u64, state: RoundState) -> Round {
        for _ in 0..200 {
            let round = self.round(number).await;
            if round.state == state {
                return round;
            }
            assert!(!round.state.is_final(), "{round:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("round {number} does not become {state:?}: {:?}", self.round(number).await);
    }

    pub async fn result(&self, number: u64) -> api::RoundResult {
        let response = self.get(&format!("/v1/consortia/{ID}/rounds/{number}/result"), ADMIN).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// The consortium and round as every site derives them.
    pub async fn setting(&self, round: &Round) -> (aggregation::Consortium, aggregation::Round) {
        let shown = self.consortium().await;
        let rules = Rules::new(shown.rules.sites, shown.rules.threshold, shown.rules.collusion, shown.rules.cohort).unwrap();
        let identity = |site: &api::Site| Identity::from_bytes(&hex::decode(&site.identity).unwrap()).unwrap();
        let consortium = aggregation::Consortium::derive(ID, rules, shown.sites.iter().map(identity).collect()).unwrap();
        assert_eq!(shown.digest, Some(hex::encode(consortium.digest())));
        let parameters = SumParameters::by_name(&round.parameters).unwrap();
        let purpose = api::purpose_bytes(round.purpose, &shown);
        let round = aggregation::Round::derive(&consortium, round.number, parameters, round.length, &purpose).unwrap();
        (consortium, round)
    }

    pub async fn audit(&self, token: &str) -> Response {
        self.get(&format!("/v1/consortia/{ID}/audit"), token).await
    }

    /// The words of the audit log, which must be one unbroken chain.
    pub async fn happenings(&self) -> Vec<String> {
        let text = self.audit(ADMIN).await.text().await.unwrap();
        federation::audit::verify(text.as_bytes(), None).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["what"].as_str().unwrap().to_owned()).collect()
    }
}

pub fn founding(sites: u16) -> Value {
    json!({
        "id": ID, "title": "Lung heads", "model": MODEL, "classes": ["c0", "c1", "c2"], "sites": sites, "clip_norm": 4000
    })
}

/// A round of updates with long deadlines.
pub fn update(length: usize) -> Value {
    json!({"purpose": "update", "length": length, "contribute_s": 600, "confirm_s": 600, "open_s": 600})
}

/// One site.
pub struct Site {
    pub key: IdentityKey,
    pub token: String,
    /// One for each round.
    pub records: BTreeMap<u64, MemberRecord>,
}

impl Site {
    pub async fn contribution(&self, api: &Api, round: &Round, values: &[i64]) -> Vec<u8> {
        let (consortium, round) = api.setting(round).await;
        make_contribution(&consortium, &round, &self.key, values).unwrap().to_bytes().to_vec()
    }

    pub async fn send(&self, api: &Api, number: u64, step: &str, bytes: Vec<u8>) -> Response {
        let method = if step == "contribution" { Method::PUT } else { Method::POST };
        api.send(method, &format!("/v1/consortia/{ID}/rounds/{number}/{step}"), &self.token, bytes).await
    }

    async fn fetch(&self, api: &Api, number: u64, what: &str) -> Vec<u8> {
        let response = api.get(&format!("/v1/consortia/{ID}/rounds/{number}/{what}"), &self.token).await;
        assert_eq!(response.status(), StatusCode::OK, "{what}");
        response.bytes().await.unwrap().to_vec()
    }

    pub async fn confirmation(&mut self, api: &Api, round: &Round) -> Vec<u8> {
        let delivery = self.fetch(api, round.number, "delivery").await;
        let record = self.records.entry(round.number).or_default();
        let (consortium, round) = api.setting(round).await;
        let delivery = Delivery::from_bytes(&consortium, &round, &delivery).unwrap();
        derive_confirmation(&consortium, &round, &self.key, &delivery, record).unwrap().to_bytes(&round)
    }

    pub async fn answer(&self, api: &Api, round: &Round) -> Vec<u8> {
        let delivery = self.fetch(api, round.number, "delivery").await;
        let certificate = self.fetch(api, round.number, "certificate").await;
        let record = self.records.get(&round.number).copied().unwrap_or_default();
        let (consortium, round) = api.setting(round).await;
        let delivery = Delivery::from_bytes(&consortium, &round, &delivery).unwrap();
        derive_answer(&consortium, &round, &self.key, &delivery, &certificate, &record).unwrap().to_bytes(&round)
    }

    pub async fn contributes(&self, api: &Api, round: &Round, values: &[i64]) {
        let bytes = self.contribution(api, round, values).await;
        let response = self.send(api, round.number, "contribution", bytes).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{}", response.text().await.unwrap());
    }

    pub async fn confirms(&mut self, api: &Api, round: &Round) {
        let bytes = self.confirmation(api, round).await;
        assert_eq!(self.send(api, round.number, "confirmation", bytes).await.status(), StatusCode::CREATED);
    }

    pub async fn answers(&self, api: &Api, round: &Round) {
        let bytes = self.answer(api, round).await;
        assert_eq!(self.send(api, round.number, "answer", bytes).await.status(), StatusCode::CREATED);
    }
}

/// Values of each site, and their sum.
pub fn vectors(sites: usize, length: usize, seed: u64) -> (Vec<Vec<i64>>, Vec<i64>) {
    let mut numbers = Numbers::new(seed);
    let vectors: Vec<Vec<i64>> = (0..sites).map(|_| (0..length).map(|_| i64::from(numbers.small()) * 100).collect()).collect();
    let sum = sum(&vectors);
    (vectors, sum)
}

pub fn sum(vectors: &[Vec<i64>]) -> Vec<i64> {
    (0..vectors[0].len()).map(|i| vectors.iter().map(|vector| vector[i]).sum()).collect()
}

/// A whole round in which everybody takes part; gives its number.
pub async fn whole_round(api: &Api, sites: &mut [Site], settings: Value, vectors: &[Vec<i64>]) -> u64 {
    let round = api.begin(settings).await;
    for (site, values) in sites.iter().zip(vectors) {
        site.contributes(api, &round, values).await;
    }
    api.reaches(round.number, RoundState::Confirming).await;
    for site in sites.iter_mut() {
        site.confirms(api, &round).await;
    }
    api.reaches(round.number, RoundState::Opening).await;
    for site in sites.iter() {
        site.answers(api, &round).await;
    }
    api.reaches(round.number, RoundState::Opened).await;
    round.number
}
