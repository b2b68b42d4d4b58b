//! Purification on a little pack of phantoms, with networks that need no training: one that tells no noise leaves an image as it is at
//! low levels and drowns it at high ones.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/pack.rs"]
mod phantom_pack;

use std::{path::Path, sync::OnceLock};

use lab::{
    attack::network::Network as Victim,
    detect::calibrate::{self as detect, Basis, Goal},
    evasion::{
        arena::{Arena, Settings},
        cases::{self, Case},
        detector::Detection,
        judge::{Judge, normalised},
        measure::Before,
        run::{Outcome, judge_all},
        through::{Known, Opponent, WalkSlope},
    },
    pipeline::Pipeline,
    purify::{
        calibrate::{self, Ladder, Network},
        candidates::{Material, Sample},
        defence::{Defence, Place},
        fidelity::{self, Marked},
        lesion::Lesion,
        measure::Ways,
        purification::{Draw, Purification, Setting},
        record::Who,
    },
    train::{mae::MaeLayout, params::normal, unet::UnetLayout},
};
use models::{
    MaeConfig, PurifierCard, RelayPack, Schedule, TensorMap, UnetConfig, VitConfig,
    card::{Storage, Training},
    detector::Filter,
    purifier::{Level, Remote},
};
use phantom_pack::make_pack;
use rand::SeedableRng;

const REMOTE: Remote = Remote { tile: 16, stride: 8, relays: 3, min_t: 1 };

fn architecture() -> UnetConfig {
    UnetConfig { widths: vec![4, 8], time_dim: 8, ..UnetConfig::standard(1) }
}

fn training() -> Training {
    let words = |text: &str| text.to_string();
    let (data, split, command, start) = (words("phantoms"), words("none"), words("test"), words("random"));
    Training { data, split, seed: 1, command, start, epochs: 0, more: serde_json::Map::new() }
}

/// A network as training starts from: it tells no noise at all.
fn silent() -> TensorMap {
    let layout = UnetLayout::new(&architecture());
    layout.tensors(&layout.random(1))
}

/// A network that tells something.
fn noisy() -> TensorMap {
    let layout = UnetLayout::new(&architecture());
    let mut weights = layout.random(1);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
    weights.iter_mut().for_each(|w| *w += 0.1 * normal(&mut rng));
    layout.tensors(&weights)
}

fn card(t: u16, steps: u8) -> PurifierCard {
    PurifierCard {
        architecture: architecture(),
        file: "purifier.safetensors".into(),
        sha256: String::new(),
        bytes: 0,
        storage: Storage::F32,
        schedule: Schedule::Linear,
        levels: vec![Level { from_score: f32::MIN, t }],
        steps,
        smoothing: None,
        smoothing_from: 0,
        remote: REMOTE,
        training: training(),
    }
}

fn known(t: u16, smoothing: Option<Filter>, weights: &TensorMap) -> Known {
    let card = PurifierCard { smoothing, ..card(t, 1) };
    Known { purification: Purification::new(&card, weights.clone()).unwrap(), walk: WalkSlope::new(&card, weights).unwrap() }
}

/// A pack with a detector, and phantoms that it has not seen.
struct Ring {
    folder: tempfile::TempDir,
    victim: std::sync::Arc<Victim>,
    detection: Detection,
    pipeline: Pipeline,
    cases: Vec<Case>,
}

fn ring() -> &'static Ring {
    static RING: OnceLock<Ring> = OnceLock::new();
    RING.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        make_pack(folder.path());
        let pack = folder.path().join("phantoms");
        add_detector(&pack);
        let (victim, relay) = Victim::load(&pack).unwrap();
        let victim = std::sync::Arc::new(victim);
        let detection = Detection::of_pack(&relay, &victim).unwrap().unwrap();
        let pipeline = Pipeline::load(&pack).unwrap();
        let cases = cases::of_split(&pipeline, &common::split(300..324), 1).unwrap();
        Ring { folder, victim, detection, pipeline, cases }
    })
}

/// A detector whose autoencoder knows nothing: the drift of the token tells attacks apart all the same.
fn add_detector(pack: &Path) {
    let pipeline = Pipeline::load(pack).unwrap();
    let (victim, _) = Victim::load(pack).unwrap();
    let judge = Judge { pipeline: &pipeline, guard: None };
    let arena = Arena { network: &victim, judge, surrogate: None, detector: None, purifier: None, settings: Settings::default() };
    let encoder = VitConfig { depth: 1, ..common::config().encoder };
    let architecture = MaeConfig { encoder, decoder_dim: 16, decoder_depth: 1, decoder_heads: 2, decoder_mlp_dim: 16 };
    let layout = MaeLayout::new(&architecture);
    let weights = layout.tensors(&layout.random(1));
    let network = detect::Network { architecture, weights, training: training() };
    let input = |image: &Vec<f32>| normalised(&pipeline.card.preprocess, image);
    let both = |seeds| {
        let cases = cases::of_split(&pipeline, &common::split(seeds), 1).unwrap();
        let attacked = arena.run("pgd-linf-0.1".parse().unwrap(), &cases, &|| ()).unwrap();
        let groups: Vec<String> = cases.iter().map(|case| case.group.clone()).collect();
        let attacked = attacked.iter().map(|outcome| input(&outcome.image)).collect::<Vec<_>>();
        (cases.iter().map(|case| input(&case.image)).collect::<Vec<_>>(), attacked, groups)
    };
    let ((train, attacked_train, train_groups), (val, attacked_val, val_groups)) = (both(0..48), both(100..116));
    let fooled = vec![true; val.len()];
    let (attack, data) = ("pgd".into(), "phantoms".into());
    let material = detect::Material { train, attacked_train, val, attacked_val, fooled, attack, data, train_groups, val_groups };
    detect::calibrate(pack, &network, &material, Filter::Mean3, Goal { rate: 0.1, basis: Basis::Val }).unwrap();
}

fn judge() -> Judge<'static> {
    Judge { pipeline: &ring().pipeline, guard: Some(&ring().detection) }
}

fn attack(name: &str, opponent: Option<Opponent>) -> Vec<Outcome> {
    let Ring { victim, detection, cases, .. } = ring();
    let settings = Settings { steps: Some(10), restarts: None };
    let arena =
        Arena { network: victim, judge: judge(), surrogate: None, detector: Some(detection), purifier: opponent, settings };
    arena.run(name.parse().unwrap(), cases, &|| ()).unwrap()
}

#[test]
fn a_calibrated_pack_has_the_purifier_that_answers_best() {
    let pack = ring().folder.path().join("phantoms");
    let detector = RelayPack::load_dir(&pack).unwrap().card.detector.unwrap();
    let network = |name: &str, weights| Network {
        name: name.into(),
        architecture: architecture(),
        schedule: Schedule::Linear,
        weights,
        training: training(),
    };
    let sample = |image: &[f32], case: &Case| {
        let judgement = judge().judge(image).unwrap();
        let (score, right) = (judgement.score.unwrap(), judgement.answer == case.class);
        Sample { image: image.to_vec(), class: case.class, score, right, seed: case.seed }
    };
    let cases = &ring().cases;
    let attacked = attack("pgd-linf-0.002", None);
    let clean = cases.iter().map(|case| sample(&case.image, case)).collect();
    let attacked = attacked.iter().zip(cases).map(|(outcome, case)| sample(&outcome.image, case)).collect();
    let material = Material {
        data: "phantoms".into(),
        attacks: vec!["pgd".into()],
        kinds: vec![clean, attacked],
        threshold: detector.threshold,
        few: 8,
    };
    let ladder = Ladder { levels: vec![1, 900], steps: vec![1, 2], smoothings: vec![None, Some(Filter::Mean7)], bins: 2 };
    let networks = [network("ddpm", silent()), network("student", silent())];
    let record = calibrate::calibrate(&pack, &networks, &material, &ladder, REMOTE, &|_| ()).unwrap();
    assert_eq!(record.candidates.len(), 16);
    // At level 900 nothing is left of an image; of equal networks and steps the first and the fewest are taken.
    let chosen = &record.candidates[record.chosen];
    assert_eq!((chosen.network.as_str(), chosen.steps, chosen.t, chosen.images), ("ddpm", 1, 1, 24));
    assert_eq!(record.candidates[2].images, 8);
    assert!((record.candidates[0].clean - record.undefended[0]).abs() < 0.1, "{record:?}");
    assert!(record.candidates[1].clean < record.undefended[0] - 0.2, "{record:?}");
    let pack = RelayPack::load_dir(&pack).unwrap();
    let card = pack.card.purifier.as_ref().unwrap();
    let levels = [detector.threshold.next_down(), detector.threshold].map(|score| card.level(score));
    assert_eq!((card.storage, levels), (Storage::Int8, [None, Some(1)]));
    assert!(Purification::of_pack(&pack).unwrap().is_some());
}

#[test]
fn the_slope_of_the_walk_is_that_of_its_values() {
    let weights = noisy();
    for steps in [1, 3] {
        // So little noise and so dark an image are never cut at ±1, where the slope is made up.
        let setting = Setting { t: 40, steps };
        let walk = WalkSlope::new(&card(40, steps), &weights).unwrap();
        let noised: Vec<f32> = Draw::attackers(1, 0).noise(2 * 256).iter().map(|v| 0.1 * v).collect();
        let weigh = Draw::attackers(1, 1).noise(2 * 256);
        let value = |x: &[f32]| -> f64 {
            let walked = walk.forward(x.to_vec(), 2, setting);
            walked.clean.iter().zip(&weigh).map(|(c, w)| f64::from(c * w)).sum()
        };
        let slope = walk.backward(walk.forward(noised.clone(), 2, setting), weigh.clone());
        let direction = Draw::attackers(1, 2).noise(2 * 256);
        let moved = |size: f32| noised.iter().zip(&direction).map(|(x, d)| x + size * d).collect::<Vec<f32>>();
        let measured = (value(&moved(1e-3)) - value(&moved(-1e-3))) / 2e-3;
        let expected: f64 = slope.iter().zip(&direction).map(|(s, d)| f64::from(s * d)).sum();
        assert!((measured - expected).abs() < 0.02 * expected.abs().max(1.0), "{steps} steps: {measured} {expected}");
    }
}

#[test]
fn attackers_walk_as_the_device_does() {
    let weights = noisy();
    let (card, image) = (card(80, 2), &ring().cases[1].image);
    let (setting, draw) = (Setting { t: 80, steps: 2 }, Draw::defenders(5, 0));
    let purified = Purification::new(&card, weights.clone()).unwrap().purify(image, setting, draw).unwrap();
    let noised = models::purifier::add_noise(card.schedule, image, &draw.noise(image.len()), 80);
    let walked = WalkSlope::new(&card, &weights).unwrap().forward(noised, 1, setting);
    for (pixel, clean) in purified.iter().zip(&walked.clean) {
        assert!((pixel - (clean + 1.0) / 2.0).abs() < 1e-3, "{pixel} {clean}");
    }
}

#[test]
fn the_filter_of_the_card_ends_a_purification() {
    let (image, setting, draw) = (&ring().cases[1].image, Setting { t: 20, steps: 1 }, Draw::defenders(5, 0));
    let purified = |smoothing, tiles| {
        let card = PurifierCard { smoothing, ..card(20, 1) };
        let purification = Purification::new(&card, noisy()).unwrap();
        if tiles { purification.purify_tiles(image, setting, draw) } else { purification.purify(image, setting, draw) }.unwrap()
    };
    for tiles in [false, true] {
        let wanted = Filter::Mean5.apply(&purified(None, tiles), common::SIDE);
        assert_eq!(purified(Some(Filter::Mean5), tiles), wanted);
    }
}

#[test]
fn tiles_of_a_purifier_that_changes_little_make_up_the_image() {
    let image = &ring().cases[1].image;
    let purification = Purification::new(&card(1, 1), silent()).unwrap();
    let purified = purification.purify_tiles(image, Setting { t: 1, steps: 1 }, Draw::defenders(5, 0)).unwrap();
    assert_ne!(&purified, image);
    // Level 1 has noise of 0.005.
    assert!(purified.iter().zip(image).all(|(a, b)| (a - b).abs() < 0.03));
}

#[test]
fn figures_count_the_last_word_on_each_image() {
    let Ring { victim, detection, cases, .. } = ring();
    let known = known(1, None, &silent());
    let settings = Settings { steps: Some(10), restarts: None };
    let opponent = Some(Opponent::new(&known));
    let arena =
        Arena { network: victim, judge: judge(), surrogate: None, detector: Some(detection), purifier: opponent, settings };
    let defence = |place| Defence { judge: judge(), purification: &known.purification, steps: 1, place };
    let ways =
        Ways { defences: vec![defence(Place::Device), defence(Place::Relays)], who: vec![Who::Flagged, Who::All], draws: 2 };
    let before = Before::new(&arena, cases).unwrap().purified(ways).unwrap();
    let row = before.attack(&arena, "pgd-linf-0.02".parse().unwrap(), false, &|| ()).unwrap();
    assert_eq!(row.purified.len(), 4);
    let share = |letters: &str, good: &str| letters.chars().filter(|c| good.contains(*c)).count() as f64 / cases.len() as f64;
    for p in &row.purified {
        // So little noise leaves nearly every answer as it is.
        assert!((p.accuracy.mean - row.undefended_accuracy.mean).abs() < 0.1, "{p:?}");
        assert!(p.accepted.mean <= p.accuracy.mean && p.every_draw.unwrap().mean <= p.accuracy.mean, "{p:?}");
        assert_eq!(p.clean_accuracy.mean, share(&p.clean_outcomes, "rR"));
        assert!((p.clean_loss.mean - (before.clean().accuracy.mean - p.clean_accuracy.mean)).abs() < 1e-12);
    }
    let kept = row.outcomes.chars().zip(row.purified[0].outcomes.chars()).filter(|(first, _)| first.is_lowercase());
    assert!(kept.clone().count() > 0 && kept.clone().all(|(first, last)| first == last), "{row:?}");
    assert!(row.outcomes.chars().any(char::is_uppercase), "nothing was flagged: {}", row.outcomes);
}

#[test]
fn who_knows_the_purifier_gets_through_it_more_often() {
    let known = known(60, Some(Filter::Mean3), &silent());
    let opponent = Opponent::new(&known);
    let lost = |name: &str| {
        let wrong = |(outcome, case): (Outcome, &Case)| {
            let first = judge().judge(&outcome.image).unwrap();
            let draws = (0..4).filter(|draw| {
                let last = opponent.defence(judge()).answer(&outcome.image, &first, Draw::defenders(case.seed, *draw)).unwrap();
                last.answer != case.class
            });
            draws.count()
        };
        attack(name, Some(opponent)).into_iter().zip(&ring().cases).map(wrong).sum::<usize>()
    };
    let (unaware, aware) = (lost("pgd-linf-0.01"), lost("purified-linf-0.01"));
    assert!(aware > unaware, "{aware} of {} against {unaware}", 4 * ring().cases.len());
}

#[test]
fn without_a_purifier_nobody_attacks_through_it() {
    let Ring { victim, cases, .. } = ring();
    let settings = Settings::default();
    let arena = Arena { network: victim, judge: judge(), surrogate: None, detector: None, purifier: None, settings };
    let error = arena.run("purified-linf-0.1".parse().unwrap(), cases, &|| ()).unwrap_err();
    assert!(error.to_string().contains("a pack that has one"), "{error}");
}

#[test]
fn more_noise_changes_a_lesion_more() {
    let marked: Vec<Marked> = ring().cases.iter().skip(1).step_by(2).take(6).map(marked).collect();
    let purification = Purification::new(&card(1, 1), silent()).unwrap();
    let defence = Defence { judge: judge(), purification: &purification, steps: 1, place: Place::Device };
    let before = judge_all(&judge(), &marked.iter().map(|m| m.image.as_slice()).collect::<Vec<_>>()).unwrap();
    let row = |t| fidelity::row(&defence, t, &marked, &before).unwrap();
    let (little, much) = (row(1), row(300));
    assert!(little.whole[0].mean > 40.0 && little.inside[1].mean > 0.95 && little.flipped <= 1, "{little:?}");
    assert!(much.whole[0].mean < 20.0 && much.inside[1].mean < 0.8 && much.overlap.mean < little.overlap.mean, "{much:?}");
}

/// A phantom with the mask of its lesion: where it differs from the same phantom without one.
fn marked(case: &Case) -> Marked {
    let seed: u64 = case.name.trim_end_matches(".png").parse().unwrap();
    let [with, without] = [true, false].map(|lesion| models::phantom::brain_phantom(seed, lesion, common::SIDE).pixels);
    let mask = with.iter().zip(&without).map(|(a, b)| a.abs_diff(*b) > 12).collect();
    let lesion = Lesion::new(mask, common::SIDE).unwrap();
    Marked { image: case.image.clone(), lesion, group: case.group.clone(), seed: case.seed }
}
