//! Headless sites and a relay: from labelled folders to the pooled head, with drop-outs and a bad site.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/pack.rs"]
mod phantom_pack;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::split;
use federation::{
    api::{HeadKind, NewConsortium},
    heads::{SHRINKAGE, lda},
    privacy::Ledger,
    statistics::{Shape, Statistics},
};
use lab::{
    federate::{
        labelled,
        relay::{LocalRelay, begin, found},
        scenario::{Behaviour, Consortium, statistics_round, update_round},
        served::{in_pack, served_equal},
        site::{Site, State},
        tokens::Tokens,
    },
    pipeline::Pipeline,
};
use models::ModelCard;
use phantom_pack::make_pack;

const PAUSE: Duration = Duration::from_millis(30);
const NORM: u32 = 1000;

fn consortium(sites: u16) -> NewConsortium {
    NewConsortium {
        id: format!("of-{sites}"),
        title: "Phantoms".into(),
        model: "phantoms".into(),
        classes: vec!["no".into(), "yes".into()],
        sites,
        threshold: None,
        collusion: None,
        cohort: None,
        clip_norm: NORM,
    }
}

/// A zoo with the pack of phantoms alone.
fn zoo(folder: &Path) -> PathBuf {
    make_pack(folder);
    std::fs::remove_dir_all(folder.join("run")).unwrap();
    folder.to_path_buf()
}

/// Phantoms of these seeds as a site keeps them: one folder for each class.
fn images(home: &Path, seeds: std::ops::Range<u64>) -> PathBuf {
    let split = split(seeds);
    for sample in &split.samples {
        let class = home.join("images").join(&split.labels[sample.class]);
        std::fs::create_dir_all(&class).unwrap();
        std::fs::write(class.join(&sample.file), &sample.bytes).unwrap();
    }
    home.join("images")
}

/// Plays on a relay with the pack of phantoms alone.
fn on_a_relay(play: impl AsyncFnOnce(&LocalRelay, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let zoo = zoo(folder.path());
    let relay = LocalRelay::start(&zoo).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(play(&relay, &zoo));
    relay.stop().unwrap();
}

#[test]
fn three_headless_sites_learn_the_head_of_their_pooled_images_and_the_relay_serves_it() {
    on_a_relay(learn_together);
}

async fn learn_together(relay: &LocalRelay, zoo: &Path) {
    let pipeline = Pipeline::load(&zoo.join("phantoms")).unwrap();
    let shape = Shape::new(2, pipeline.card.cls.dim, NORM).unwrap();
    let homes = tempfile::tempdir().unwrap();
    let admin = relay.admin().unwrap();
    let invitations = found(&admin, &consortium(3)).await.unwrap();
    let (mut sites, mut vectors) = (Vec::new(), Vec::new());
    let mut pooled = Statistics::new(shape);
    for (i, invitation) in invitations.iter().enumerate() {
        let home = homes.path().join(i.to_string());
        let own = labelled::load(&images(&home, 1000 * i as u64..1000 * i as u64 + 20)).unwrap();
        let statistics = Tokens::encode(&pipeline, &own, &|| ()).unwrap().statistics(shape).unwrap();
        pooled.merge(&statistics).unwrap();
        vectors.push(statistics.to_values());
        let state = home.join("state.json");
        State::enrol(&relay.base(), invitation, &state).await.unwrap();
        assert!(State::enrol(&relay.base(), invitation, &state).await.is_err(), "a state is never overwritten");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&state).unwrap().permissions()) & 0o777, 0o600);
        sites.push(state);
    }
    begin(&admin, "of-3", &statistics_round(60, Some(HeadKind::Lda))).await.unwrap();
    let play = |i: usize| {
        let (state, values) = (sites[i].clone(), vectors[i].clone());
        async move {
            let mut site = Site::load(&state).unwrap();
            assert!(site.confirm("0000", PAUSE).await.is_err());
            let fingerprint = site.ready(PAUSE).await.unwrap().consortium.fingerprint();
            site.confirm(&fingerprint, PAUSE).await.unwrap();
            // As if the process had been killed and started again.
            let mut site = Site::load(&state).unwrap();
            site.take_part(PAUSE, 0, |_| Ok(values.clone())).await.unwrap()
        }
    };
    let ((round, result), second, third) = tokio::join!(play(0), play(1), play(2));
    assert_eq!(result.sum, pooled.to_values());
    assert!(second.1 == result && third.1 == result && round.published == Some(1));
    let card: ModelCard = admin.get("card", "/v1/models/phantoms/card.json").await.unwrap();
    let (head, logit_scale) = in_pack(&lda(&pooled, SHRINKAGE).unwrap(), &pipeline.card).unwrap();
    assert_eq!(card.calibration.logit_scale, logit_scale);
    let test = Tokens::encode(&pipeline, &split(5000..5008), &|| ()).unwrap();
    assert_eq!(served_equal(&relay.base(), &card, &head, &test.rows).await.unwrap(), [8, 8]);
    budget_is_kept(&sites[0], &round);
}

/// A site's ledger is on disk before its noise is used, and a spent budget ends its part.
fn budget_is_kept(state: &Path, round: &federation::api::Round) {
    let budget = Ledger::new(1.0, 1e-6).unwrap();
    let spend = |number: u64, mu: f64| {
        let round = federation::api::Round { number, ..round.clone() };
        Site::load(state).unwrap().keeper().spend(&round, mu, &budget)
    };
    let spent = spend(1, 0.15).unwrap();
    assert!(spent > 0.1 && spent < 1.0);
    assert_eq!(spend(1, 0.15).unwrap(), spent, "sending again after a crash costs nothing");
    let error = spend(2, 0.5).unwrap_err().to_string();
    assert!(error.contains("budget"), "{error}");
    assert!(spend(3, 0.05).unwrap() > spent);
}

#[test]
fn rounds_survive_drop_outs_and_name_a_bad_site() {
    on_a_relay(go_wrong);
}

async fn go_wrong(relay: &LocalRelay, _: &Path) {
    let values: Vec<Vec<i64>> = (0..5).map(|site| (0..9).map(|i| site * 100 - i).collect()).collect();
    let mut members = Consortium::found(relay, &consortium(5), values).await.unwrap();
    let round = update_round(3, 9);
    let (outcome, result) = members.play("a site is gone", &round, &[(1, Behaviour::GoneAfterContributing)]).await.unwrap();
    assert_eq!((outcome.state.as_str(), outcome.exact), ("opened", Some(true)));
    assert_eq!(result.unwrap().sum, (0..9).map(|i| 1000 - 5 * i).collect::<Vec<i64>>(), "its contribution is in the sum");
    let (outcome, _) = members.play("a member is gone", &round, &[(4, Behaviour::GoneAtOpening)]).await.unwrap();
    assert_eq!((outcome.state.as_str(), outcome.exact), ("opened", Some(true)));
    let (outcome, result) = members.play("a bad share", &round, &[(3, Behaviour::BadShare)]).await.unwrap();
    assert_eq!((outcome.state.as_str(), outcome.named.as_slice()), ("failed", [3].as_slice()), "{outcome:?}");
    assert!(result.is_none());
    let absent = [(0, Behaviour::Absent), (1, Behaviour::Absent), (2, Behaviour::Absent)];
    let (outcome, _) = members.play("too few", &round, &absent).await.unwrap();
    assert_eq!((outcome.state.as_str(), outcome.exact), ("expired", None));
    let words = members.replay(&round).await.unwrap();
    assert!(words.iter().all(|word| word.starts_with("urn:veilsight:")) && words[0] != words[1], "{words:?}");
}
