//! Consortia, invitations, roles, and each refusal by its own word.

use federation::api::{ConsortiumState, Enrolled, RoundState};
use he::aggregation::IdentityKey;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::common::*;
use crate::sites::*;

#[tokio::test]
async fn a_consortium_is_ready_once_all_sites_have_enrolled() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let founded = api.found(3).await;
    assert_eq!((founded.state, founded.digest.clone()), (ConsortiumState::Enrolling, None));
    assert_eq!((founded.rules.threshold, founded.rules.collusion, founded.rules.cohort, founded.rules.quorum), (2, 1, 3, 3));
    assert_problem(api.post(&format!("/v1/consortia/{ID}/rounds"), ADMIN, &update(5)).await, 409, "not-ready").await;
    for name in ["North", "South", "East"] {
        let invitation = api.invite(name, "site").await;
        let key = IdentityKey::make().unwrap();
        assert_eq!(api.enrol(&invitation, Some(&key)).await.status(), StatusCode::CREATED);
    }
    let ready = api.consortium().await;
    assert_eq!((ready.state, ready.sites.len()), (ConsortiumState::Ready, 3));
    assert_eq!(ready.sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>(), ["North", "South", "East"]);
    assert_eq!(ready.digest.unwrap().len(), 64);
    let late = api.invite("West", "site").await;
    assert_problem(api.enrol(&late, Some(&IdentityKey::make().unwrap())).await, 409, "consortium-full").await;
    // Roster and tokens outlive a restart.
    let viewer = api.viewer().await;
    server.stop().await;
    let server = Server::start(place.federated()).await;
    let list: Value = Api::of(&server).get("/v1/consortia", &viewer).await.json().await.unwrap();
    assert_eq!((list.as_array().unwrap().len(), list[0]["state"].as_str()), (1, Some("ready")));
    server.stop().await;
}

#[tokio::test]
async fn an_invitation_is_taken_up_once_in_its_time_and_by_a_new_identity() {
    let place = Place::new();
    let mut config = place.federated();
    config.federation.invitation_ttl_s = 2;
    let server = Server::start(config).await;
    let api = Api::of(&server);
    api.found(3).await;
    let key = IdentityKey::make().unwrap();
    let invitation = api.invite("North", "site").await;
    assert_problem(api.enrol(&invitation, None).await, 400, "wrong-identity").await;
    let mut identity = key.identity().to_bytes();
    identity[70] ^= 1;
    for wrong in ["zz".to_owned(), hex::encode(identity), hex::encode(&identity[..64])] {
        let body = json!({"invitation": invitation, "identity": wrong});
        assert_problem(api.post("/v1/enrolments", "", &body).await, 400, "wrong-identity").await;
    }
    // None of these refusals used it up.
    let lost: Enrolled = api.enrol(&invitation, Some(&key)).await.json().await.unwrap();
    assert_problem(api.enrol(&invitation, Some(&IdentityKey::make().unwrap())).await, 409, "invitation-used").await;
    assert_problem(api.enrol(&invitation, None).await, 409, "invitation-used").await;
    // The same site may ask again until it has used its token: the answer may have been lost on its way.
    let found: Enrolled = api.enrol(&invitation, Some(&key)).await.json().await.unwrap();
    assert_eq!((found.site, found.role), (lost.site, lost.role));
    let path = format!("/v1/consortia/{ID}");
    assert_problem(api.get(&path, &lost.token).await, 401, "unauthorised").await;
    assert_eq!(api.get(&path, &found.token).await.status(), StatusCode::OK);
    assert_problem(api.enrol(&invitation, Some(&key)).await, 409, "invitation-used").await;
    let second = api.invite("South", "site").await;
    assert_problem(api.enrol(&second, Some(&key)).await, 409, "identity-taken").await;
    tokio::time::sleep(std::time::Duration::from_millis(2200)).await;
    assert_problem(api.enrol(&second, Some(&IdentityKey::make().unwrap())).await, 410, "invitation-expired").await;
    for unknown in ["vsi_", "nonsense", &format!("vsi_{}", "0".repeat(64)), &ADMIN.replace("vsa_", "vsi_")] {
        assert_problem(api.enrol(unknown, Some(&key)).await, 404, "unknown-invitation").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn only_hashes_of_tokens_and_invitations_are_kept() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let sites = api.sites(3).await;
    let (viewer, open) = (api.viewer().await, api.invite("Late", "viewer").await);
    server.stop().await;
    let file = std::fs::read(place.path().join("data/relay.sqlite")).unwrap();
    for secret in [sites[0].token.as_str(), &viewer, &open, ADMIN] {
        assert!(!contains(&file, secret.as_bytes()) && !contains(&file, &secret.as_bytes()[4..]));
        assert!(!contains(&file, &hex::decode(&secret[4..]).unwrap()));
    }
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let sites = api.sites(3).await;
    let viewer = api.viewer().await;
    let site = sites[0].token.as_str();
    let round = api.begin(update(5)).await.number;
    let base = format!("/v1/consortia/{ID}");
    let unknown = format!("vss_{}", "0".repeat(64));
    let wrong_admin = ADMIN.replace("00", "11");
    for token in ["", "nonsense", &unknown, &wrong_admin] {
        for path in ["", "/rounds", "/events", "/audit", "/rounds/1", "/rounds/1/delivery", "/rounds/1/result"] {
            let response = api.get(&format!("{base}{path}"), token).await;
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_problem(response, 401, "unauthorised").await;
        }
        assert_problem(api.post("/v1/consortia", token, &founding(3)).await, 401, "unauthorised").await;
        assert_problem(api.get("/v1/consortia", token).await, 401, "unauthorised").await;
    }
    for token in [site, &viewer] {
        assert_problem(api.post("/v1/consortia", token, &founding(3)).await, 403, "wrong-role").await;
        let invitation = json!({"name": "x", "role": "site"});
        assert_problem(api.post(&format!("{base}/invitations"), token, &invitation).await, 403, "wrong-role").await;
        assert_problem(api.post(&format!("{base}/rounds"), token, &update(5)).await, 403, "wrong-role").await;
        assert_problem(api.post(&format!("{base}/rounds/{round}/close"), token, &Value::Null).await, 403, "wrong-role").await;
        let active = api.send(Method::PUT, "/v1/models/tiny/active", token, b"{\"version\":0}".to_vec()).await;
        assert_problem(active, 403, "wrong-role").await;
        assert_problem(api.get("/v1/consortia/other", token).await, 404, "unknown-consortium").await;
        assert_problem(api.get(&format!("{base}/rounds/99"), token).await, 404, "unknown-round").await;
    }
    assert_problem(api.get(&format!("{base}/audit"), site).await, 403, "wrong-role").await;
    for token in [viewer.as_str(), ADMIN] {
        assert_eq!(api.audit(token).await.status(), StatusCode::OK);
        for step in ["delivery", "certificate"] {
            assert_problem(api.get(&format!("{base}/rounds/{round}/{step}"), token).await, 403, "wrong-role").await;
        }
        let path = format!("{base}/rounds/{round}/contribution");
        assert_problem(api.send(Method::PUT, &path, token, vec![0; 10]).await, 403, "wrong-role").await;
    }
    // A site of another consortium is a stranger here.
    let mut other = founding(3);
    other["id"] = json!("other");
    assert_eq!(api.post("/v1/consortia", ADMIN, &other).await.status(), StatusCode::CREATED);
    assert_problem(api.get("/v1/consortia/other", site).await, 404, "unknown-consortium").await;
    server.stop().await;
}

#[tokio::test]
async fn without_an_administrator_the_relay_says_how_to_make_one() {
    let place = Place::new();
    let server = place.start().await;
    let response = Api::of(&server).post("/v1/consortia", ADMIN, &founding(3)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["type"], "urn:veilsight:no-administrator");
    assert!(body["detail"].as_str().unwrap().contains("--make-admin-token"));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_founded_or_begun_is_refused_with_a_reason() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    for (field, value, status, slug) in [
        ("id", json!("No Spaces"), 400, "wrong-request"),
        ("title", json!(""), 400, "wrong-request"),
        ("model", json!("none"), 404, "unknown-model"),
        ("classes", json!(["c1", "c0", "c2"]), 400, "wrong-request"),
        ("sites", json!(2), 400, "wrong-request"),
        ("sites", json!(64), 400, "wrong-request"),
        ("cohort", json!(1), 400, "wrong-request"),
        ("threshold", json!(9), 400, "wrong-request"),
        ("clip_norm", json!(0), 400, "wrong-request"),
        ("surplus", json!(0), 400, "wrong-request"),
    ] {
        let mut wrong = founding(3);
        wrong[field] = value;
        assert_problem(api.post("/v1/consortia", ADMIN, &wrong).await, status, slug).await;
    }
    api.sites(3).await;
    assert_problem(api.post("/v1/consortia", ADMIN, &founding(3)).await, 409, "consortium-exists").await;
    let path = format!("/v1/consortia/{ID}/rounds");
    for (field, value) in [
        ("contribute_s", json!(0)),
        ("open_s", json!(1u64 << 31)),
        ("length", Value::Null),
        ("length", json!(1u64 << 40)),
        ("parameters", json!("SUM_1_Q1")),
        ("publish", json!("lda")),
    ] {
        let mut wrong = update(5);
        wrong[field] = value;
        assert_problem(api.post(&path, ADMIN, &wrong).await, 400, "wrong-request").await;
    }
    let statistics = json!({"purpose": "statistics", "length": 7, "contribute_s": 9, "confirm_s": 9, "open_s": 9});
    assert_problem(api.post(&path, ADMIN, &statistics).await, 400, "wrong-request").await;
    let broken = api.send(Method::POST, &path, ADMIN, b"{".to_vec()).await;
    assert_problem(broken, 400, "wrong-request").await;
    assert_problem(api.send(Method::POST, &path, ADMIN, vec![b' '; 70_000]).await, 413, "too-large").await;
    let admin = json!({"name": "x", "role": "admin"});
    assert_problem(api.post(&format!("/v1/consortia/{ID}/invitations"), ADMIN, &admin).await, 400, "wrong-request").await;
    server.stop().await;
}

#[tokio::test]
async fn each_wrong_message_is_refused_by_its_own_word_and_changes_nothing() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let (vectors, sum) = vectors(3, 40, 5);
    let stale = api.begin(update(40)).await;
    let round = api.begin(update(40)).await;
    let number = round.number;
    let good = sites[0].contribution(&api, &round, &vectors[0]).await;

    let of_stale = sites[0].contribution(&api, &stale, &vectors[0]).await;
    assert_problem(sites[0].send(&api, number, "contribution", of_stale).await, 409, "other-round").await;
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_problem(sites[0].send(&api, number, "contribution", forged).await, 403, "forged-signature").await;
    let mut changed = good.clone();
    changed[good.len() / 2] ^= 1;
    assert_problem(sites[0].send(&api, number, "contribution", changed).await, 403, "forged-signature").await;
    let others = sites[1].contribution(&api, &round, &vectors[1]).await;
    assert_problem(sites[0].send(&api, number, "contribution", others).await, 403, "another-sender").await;
    assert_problem(sites[0].send(&api, number, "contribution", good[1..].to_vec()).await, 400, "wrong-size").await;
    assert_problem(sites[0].send(&api, number, "contribution", Vec::new()).await, 400, "wrong-size").await;
    let long = [&good[..], &[0]].concat();
    assert_problem(sites[0].send(&api, number, "contribution", long).await, 413, "too-large").await;
    // The reason reaches a client that is still sending.
    let huge = vec![0; 8 << 20];
    assert_problem(sites[0].send(&api, number, "contribution", huge.clone()).await, 413, "too-large").await;
    assert_problem(sites[0].send(&api, number, "answer", huge).await, 409, "too-early").await;
    let zeros = vec![0; good.len()];
    assert_problem(sites[0].send(&api, number, "contribution", zeros).await, 400, "wrong-message").await;
    for step in ["confirmation", "answer"] {
        assert_problem(sites[0].send(&api, number, step, good.clone()).await, 409, "too-early").await;
    }
    assert_eq!(api.round(number).await.contributed.len(), 0);

    assert_eq!(sites[0].send(&api, number, "contribution", good.clone()).await.status(), StatusCode::CREATED);
    let second = sites[0].contribution(&api, &round, &vectors[1]).await;
    assert_problem(sites[0].send(&api, number, "contribution", second).await, 409, "second-contribution").await;
    for site in [1, 2] {
        sites[site].contributes(&api, &round, &vectors[site]).await;
    }
    api.reaches(number, RoundState::Confirming).await;

    let confirmation = sites[0].confirmation(&api, &round).await;
    let others = sites[1].confirmation(&api, &round).await;
    assert_problem(sites[0].send(&api, number, "confirmation", others).await, 403, "another-sender").await;
    let mut forged = confirmation.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_problem(sites[0].send(&api, number, "confirmation", forged).await, 403, "forged-signature").await;
    let cut = confirmation[..confirmation.len() - 1].to_vec();
    assert_problem(sites[0].send(&api, number, "confirmation", cut).await, 400, "wrong-size").await;
    for site in &mut sites {
        site.confirms(&api, &round).await;
    }
    api.reaches(number, RoundState::Opening).await;

    let answer = sites[0].answer(&api, &round).await;
    let others = sites[1].answer(&api, &round).await;
    assert_problem(sites[0].send(&api, number, "answer", others).await, 403, "another-sender").await;
    let mut changed = answer.clone();
    changed[answer.len() / 2] ^= 1;
    let refused = sites[0].send(&api, number, "answer", changed).await;
    assert!(matches!(refused.status().as_u16(), 400 | 403));
    assert_eq!(sites[0].send(&api, number, "answer", answer.clone()).await.status(), StatusCode::CREATED);
    for site in &sites[1..] {
        site.answers(&api, &round).await;
    }
    api.reaches(number, RoundState::Opened).await;
    assert_eq!(api.result(number).await.sum, sum);
    assert_eq!(sites[0].send(&api, number, "answer", answer).await.status(), StatusCode::OK);
    assert_eq!(sites[0].send(&api, number, "contribution", good).await.status(), StatusCode::OK);
    assert_problem(api.get(&format!("/v1/consortia/{ID}/rounds/{number}/delivery"), &sites[0].token).await, 409, "stale-round")
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_comes_after_its_state_is_stale() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let sites = api.sites(5).await;
    let (vectors, _) = vectors(5, 10, 6);
    let round = api.begin(update(10)).await;
    for site in 0..3 {
        sites[site].contributes(&api, &round, &vectors[site]).await;
    }
    assert_eq!(api.close(round.number).await.status(), StatusCode::OK);
    let late = sites[4].contribution(&api, &round, &vectors[4]).await;
    assert_problem(sites[4].send(&api, round.number, "contribution", late).await, 409, "stale-round").await;
    server.stop().await;
}

#[tokio::test]
async fn a_round_that_is_over_leaves_no_ciphertext_and_a_tampered_one_opens_no_wrong_sum() {
    let place = Place::new();
    let server = Server::start(place.federated()).await;
    let api = Api::of(&server);
    let mut sites = api.sites(3).await;
    let (vectors, _) = vectors(3, 30, 8);
    let first = whole_round(&api, &mut sites, update(30), &vectors).await;
    let file = place.path().join("data/relay.sqlite");
    let mut database = sqlx::SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
    let count = "SELECT count(*) FROM message_part WHERE kind IN ('contribution', 'delivery')";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut database).await.unwrap(), 0);

    let round = api.begin(update(30)).await;
    assert_ne!(round.number, first);
    for (site, values) in sites.iter().zip(&vectors).take(2) {
        site.contributes(&api, &round, values).await;
    }
    // Somebody changes a stored contribution, in the middle of its bodies.
    let row = "SELECT bytes FROM message_part WHERE kind = 'contribution' AND site = 1";
    let mut bytes: Vec<u8> = sqlx::query_scalar(row).fetch_one(&mut database).await.unwrap();
    let middle = bytes.len() - 100;
    bytes[middle] ^= 1;
    let update = "UPDATE message_part SET bytes = $1 WHERE kind = 'contribution' AND site = 1";
    sqlx::query(update).bind(bytes).execute(&mut database).await.unwrap();
    sites[2].contributes(&api, &round, &vectors[2]).await;
    for _ in 0..100 {
        if api.round(round.number).await.state.is_final() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let failed = api.round(round.number).await;
    assert_eq!((failed.state, failed.failure.unwrap().code.as_str()), (RoundState::Failed, "damaged"));
    let result = api.get(&format!("/v1/consortia/{ID}/rounds/{}/result", round.number), ADMIN).await;
    assert_problem(result, 409, "stale-round").await;
    server.stop().await;
}
