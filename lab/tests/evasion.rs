//! The attacks themselves, checked on a little pack of phantoms: an attack that does not attack makes every defence look good.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/pack.rs"]
mod phantom_pack;

use std::sync::OnceLock;

use lab::{
    attack::network::Network,
    evasion::{
        adaptive::{DetectorSlope, ScoreSlope},
        arena::{Arena, Settings},
        ball::{Ball, Norm},
        cases::{self, Case},
        evade::evade,
        filters::back_through,
        judge::{Guard, Judge},
        loss::Loss,
        measure::Before,
        objective::{Classifier, Objective},
        run::Outcome,
    },
    pipeline::Pipeline,
};
use models::detector::{Filter, Verdict};
use phantom_pack::make_pack;

/// The pack as floats and as it is, and phantoms that it has not seen.
struct Ring {
    network: Network,
    pipeline: Pipeline,
    cases: Vec<Case>,
}

fn ring() -> &'static Ring {
    static RING: OnceLock<Ring> = OnceLock::new();
    RING.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        make_pack(folder.path());
        let folder = folder.path().join("phantoms");
        let pipeline = Pipeline::load(&folder).unwrap();
        let cases = cases::of_split(&pipeline, &common::split(300..324), 1).unwrap();
        Ring { network: Network::load(&folder).unwrap().0, pipeline, cases }
    })
}

/// A detector of roughness: how far an image lies from its own 3 × 3 mean. Of grey phantoms whose normalisation is (x − 0.5) / 0.5.
struct Roughness(f64);

fn rough(image: &[f32]) -> (f64, Vec<f32>) {
    let rest: Vec<f32> = image.iter().zip(Filter::Mean3.apply(image, common::SIDE)).map(|(x, m)| x - m).collect();
    let score = 1e3 * rest.iter().map(|r| f64::from(r * r)).sum::<f64>() / rest.len() as f64;
    let slope: Vec<f32> = rest.iter().map(|r| 2e3 * r / rest.len() as f32).collect();
    let back = back_through(Filter::Mean3, &slope, common::SIDE);
    (score, slope.iter().zip(back).map(|(s, b)| s - b).collect())
}

impl Guard for Roughness {
    fn verdict(&self, _: &Pipeline, input: &[f32], _: &[f32]) -> anyhow::Result<Verdict> {
        let (score, _) = rough(&input.iter().map(|v| 0.5 * v + 0.5).collect::<Vec<f32>>());
        Ok(Verdict { score: score as f32, features: Vec::new(), map: Vec::new(), clean_share: 0.0 })
    }

    fn threshold(&self) -> f64 {
        self.0
    }
}

impl DetectorSlope for Roughness {
    fn slopes(&self, images: &[&[f32]]) -> Vec<ScoreSlope> {
        images.iter().map(|image| rough(image)).map(|(score, gradient)| ScoreSlope { score, gradient }).collect()
    }

    fn threshold(&self) -> f64 {
        self.0
    }
}

/// A threshold that flags one clean phantom in twelve.
fn roughness() -> Roughness {
    let mut scores: Vec<f64> = ring().cases.iter().map(|c| rough(&c.image).0).collect();
    scores.sort_by(f64::total_cmp);
    Roughness(scores[22])
}

fn attack(name: &str, settings: Settings, guard: Option<&Roughness>) -> Vec<Outcome> {
    let Ring { network, pipeline, cases } = ring();
    let arena = Arena {
        network,
        judge: Judge { pipeline, guard: guard.map(|g| g as &dyn Guard) },
        surrogate: Some(network),
        detector: guard.map(|g| g as &dyn DetectorSlope),
        purifier: None,
        settings,
    };
    arena.run(name.parse().unwrap(), cases, &|| ()).unwrap()
}

fn undefended(name: &str) -> f64 {
    let few = name.starts_with("square").then_some(600);
    let outcomes = attack(name, Settings { steps: few, ..Settings::default() }, None);
    let right = outcomes.iter().zip(&ring().cases).filter(|(o, c)| o.judgement.answer == c.class).count();
    right as f64 / outcomes.len() as f64
}

fn mean_loss(outcomes: &[Outcome]) -> f64 {
    let images: Vec<&[f32]> = outcomes.iter().map(|o| o.image.as_slice()).collect();
    let classes: Vec<usize> = ring().cases.iter().map(|c| c.class).collect();
    let slopes = Classifier::new(&ring().network, Loss::CrossEntropy).slopes(&images, &classes);
    slopes.iter().map(|s| s.value).sum::<f64>() / slopes.len() as f64
}

#[test]
fn the_little_pack_answers_phantoms_well_and_hardly_any_under_large_attacks() {
    let clean = undefended("fgsm-linf-0");
    assert!(clean > 0.85, "{clean}");
    let large = ["pgd-linf-0.3", "pgd-l2-6", "apgd-linf-0.3", "apgd-l2-6", "square-linf-0.3", "square-l2-8", "transfer-linf-0.3"];
    for name in large {
        let accuracy = undefended(name);
        // Queries tell less than slopes.
        let limit = if name.starts_with("square") { 0.25 } else { 0.1 };
        assert!(accuracy < limit, "{name}: {accuracy}");
    }
    let single = undefended("fgsm-linf-0.3");
    assert!(single < 0.5 * clean, "{single}");
}

#[test]
fn larger_balls_hold_more_successes() {
    for family in ["pgd-linf", "apgd-l2"] {
        let radii = if family == "pgd-linf" { ["0", "0.02", "0.05", "0.1"] } else { ["0", "0.4", "1", "2"] };
        let accuracies: Vec<f64> = radii.iter().map(|radius| undefended(&format!("{family}-{radius}"))).collect();
        assert!(accuracies.windows(2).all(|pair| pair[1] <= pair[0] + 1e-9), "{family}: {accuracies:?}");
    }
}

#[test]
fn the_loss_rises_with_the_steps() {
    for name in ["pgd-linf-0.05", "pgd-l2-1"] {
        let losses: Vec<f64> =
            (1..=7).map(|steps| mean_loss(&attack(name, Settings { steps: Some(steps), restarts: Some(1) }, None))).collect();
        assert!(losses.windows(2).all(|pair| pair[1] >= pair[0]), "{name}: {losses:?}");
    }
    let clean = mean_loss(&attack("fgsm-linf-0", Settings::default(), None));
    for name in ["apgd-linf-0.05", "apgd-l2-1"] {
        let of = |steps| mean_loss(&attack(name, Settings { steps: Some(steps), restarts: Some(1) }, None));
        let (few, many) = (of(3), of(30));
        assert!(clean < few && few < many, "{name}: {clean} {few} {many}");
    }
}

#[test]
fn more_restarts_never_help_the_defender() {
    let guard = roughness();
    for name in ["pgd-linf-0.02", "apgd-linf-0.02", "adaptive-linf-0.03"] {
        let of = |restarts| attack(name, Settings { restarts: Some(restarts), steps: Some(8) }, Some(&guard));
        let (one, many) = (of(1), of(4));
        for ((one, many), case) in one.iter().zip(&many).zip(&ring().cases) {
            assert!(many.judgement.success(case.class) >= one.judgement.success(case.class), "{name} {}", case.name);
        }
    }
}

#[test]
fn attacked_images_lie_in_the_ball_and_in_range_exactly() {
    let names = [
        "fgsm-linf-0.015",
        "pgd-linf-0.015",
        "pgd-l2-0.1",
        "apgd-linf-0.003",
        "apgd-l2-0.5",
        "square-linf-0.02",
        "square-l2-0.7",
    ];
    for name in names.into_iter().chain(["transfer-linf-0.015", "adaptive-linf-0.015", "adaptive-l2-0.3"]) {
        let ball = name.parse::<lab::evasion::registry::Spec>().unwrap().ball;
        let outcomes = attack(name, Settings { steps: Some(6), restarts: Some(2) }, Some(&roughness()));
        for (outcome, case) in outcomes.iter().zip(&ring().cases) {
            assert!(ball.norm.distance(&outcome.image, &case.image) <= ball.radius, "{name}");
            assert!(outcome.image.iter().all(|v| (0.0..=1.0).contains(v)), "{name}");
        }
        let changed =
            outcomes.iter().zip(&ring().cases).filter(|(o, c)| ball.norm.distance(&o.image, &c.image) > 0.3 * ball.radius);
        assert!(changed.count() > 20, "{name} goes nowhere");
    }
}

#[test]
fn a_ball_of_no_radius_changes_nothing_and_a_seed_gives_the_same_again() {
    let guard = roughness();
    let kinds = ["fgsm-linf", "pgd-l2", "apgd-linf", "square-linf", "square-l2", "adaptive-linf"];
    for kind in kinds {
        let settings = Settings { steps: Some(5), restarts: Some(2) };
        for (outcome, case) in attack(&format!("{kind}-0"), settings, Some(&guard)).iter().zip(&ring().cases) {
            assert_eq!(outcome.image, case.image, "{kind}");
        }
        let images = || attack(&format!("{kind}-0.1"), settings, Some(&guard)).into_iter().map(|o| o.image).collect::<Vec<_>>();
        assert_eq!(images(), images(), "{kind}");
    }
}

#[test]
fn an_image_is_attacked_the_same_whatever_others_are_in_the_run() {
    let Ring { network, pipeline, cases } = ring();
    let judge = Judge { pipeline, guard: None };
    let arena = Arena { network, judge, surrogate: None, detector: None, purifier: None, settings: Settings::default() };
    let all = arena.run("pgd-linf-0.05".parse().unwrap(), cases, &|| ()).unwrap();
    let last = arena.run("pgd-linf-0.05".parse().unwrap(), &cases[16..], &|| ()).unwrap();
    for (a, b) in all[16..].iter().zip(&last) {
        assert_eq!(a.image, b.image);
    }
}

#[test]
fn who_knows_the_detector_passes_it_where_others_are_flagged() {
    let guard = roughness();
    let passes =
        |outcomes: &[Outcome]| outcomes.iter().zip(&ring().cases).filter(|(o, c)| o.judgement.success(c.class) == 2).count();
    let unaware = passes(&attack("apgd-linf-0.1", Settings::default(), Some(&guard)));
    let adaptive = passes(&attack("adaptive-linf-0.1", Settings::default(), Some(&guard)));
    assert!(adaptive > unaware + 8, "{adaptive} {unaware}");
}

#[test]
fn written_images_are_answered_wrongly_from_their_files() {
    let Ring { network, pipeline, cases } = ring();
    let judge = Judge { pipeline, guard: None };
    let arena = Arena { network, judge, surrogate: None, detector: None, purifier: None, settings: Settings::default() };
    let folder = tempfile::tempdir().unwrap();
    let found = evade(&arena, "pgd-linf-0.1".parse().unwrap(), cases, folder.path(), &|| ()).unwrap();
    assert!(found.len() > 6, "{}", found.len());
    for (case, _, row) in &found {
        let answer = |file: &str| {
            let encoded = pipeline.encode(&std::fs::read(folder.path().join(file)).unwrap()).unwrap();
            models::head::top_class(&encoded.logits)
        };
        assert_eq!(answer(&row.clean), case.class);
        assert_ne!(answer(&row.attacked), case.class);
    }
    let error = evade(&arena, "pgd-linf-0".parse().unwrap(), cases, folder.path(), &|| ()).unwrap_err();
    assert!(error.to_string().contains("try a larger ε"), "{error}");
}

#[test]
fn figures_add_up() {
    let Ring { network, pipeline, cases } = ring();
    let guard = roughness();
    let judge = Judge { pipeline, guard: Some(&guard) };
    let settings = Settings { steps: Some(8), restarts: None };
    let arena = Arena { network, judge, surrogate: None, detector: Some(&guard), purifier: None, settings };
    let before = Before::new(&arena, cases).unwrap();
    let clean = before.clean();
    let row = before.attack(&arena, "apgd-linf-0.1".parse().unwrap(), true, &|| ()).unwrap();
    let share =
        |outcomes: &str, letters: &str| outcomes.chars().filter(|c| letters.contains(*c)).count() as f64 / cases.len() as f64;
    let detected = row.detected.as_ref().unwrap();
    assert_eq!(clean.accuracy.mean, share(&clean.outcomes, "rR"));
    assert_eq!(clean.fpr.unwrap().mean, share(&clean.outcomes, "RW"));
    assert_eq!(row.undefended_accuracy.mean, share(&row.outcomes, "rR"));
    assert_eq!(detected.tpr.mean, share(&row.outcomes, "RW"));
    assert_eq!(detected.system_accuracy.mean, share(&row.outcomes, "rRW"));
    // Noise of an attacker who knows nothing of it is rough.
    assert!(detected.auc.mean > 0.8, "{:?}", detected.auc);
    assert_eq!((detected.roc[0], detected.roc[detected.roc.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
}

#[test]
fn the_slope_of_the_classifier_is_that_of_its_loss() {
    let Ring { network, cases, .. } = ring();
    let objective = Classifier::new(network, Loss::Margin);
    let case = &cases[3];
    let at = |image: &[f32]| objective.slopes(&[image], &[case.class]).remove(0);
    let here = at(&case.image);
    // The token is rounded, so the loss has small stairs: the step is far longer than one of them.
    let ball = Ball { norm: Norm::L2, radius: 0.5 };
    let up = ball.climb(&case.image, &case.image, &here.gradient, 0.2);
    let expected: f64 = up.iter().zip(&case.image).zip(&here.gradient).map(|((u, i), g)| f64::from((u - i) * g)).sum();
    let found = at(&up).value - here.value;
    assert!((found - expected).abs() < 0.3 * expected, "{found} {expected}");
}
