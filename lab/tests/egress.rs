//! The attack is no straw man, and its measures measure.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use models::{Schedule, phantom::brain_phantom, purifier::Remote};
use purify::{Grid, Turn};

use lab::attack::fidelity::ssim;
use lab::egress::{
    jigsaw::{self, Placement},
    prior::Prior,
    rebuild::{Pasted, filtered},
    run::mission_seed,
    setting::Setting,
    traffic::Traffic,
};

const SIDE: usize = 64;
const REMOTE: Remote = Remote { tile: 16, stride: 15, relays: 3, min_t: 1 };

fn phantom(seed: u64) -> Vec<f32> {
    brain_phantom(seed, seed % 2 == 1, SIDE).pixels.iter().map(|value| f32::from(*value) / 255.0).collect()
}

fn prior() -> &'static Prior {
    static PRIOR: LazyLock<Prior> = LazyLock::new(|| {
        let images: Vec<Vec<f32>> = (1000..1150).map(phantom).collect();
        let grid = Grid::new(SIDE, REMOTE.tile, REMOTE.stride).unwrap();
        Prior::fit(grid, 1, &images.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    });
    &PRIOR
}

fn setting(t: u16) -> Setting {
    Setting::of(Remote { min_t: t, ..REMOTE })
}

/// What the first relays hold of a phantom, and where it truly lies.
fn held(setting: &Setting, seed: u64, colluders: usize) -> (Traffic, Placement) {
    let traffic = Traffic::of_mission(setting, Schedule::Linear, &phantom(seed), 1, mission_seed(seed)).unwrap();
    let origins = traffic.origins(&prior().grid, &phantom(seed));
    let held = traffic.held_by(colluders);
    (traffic.only(&held), held.iter().map(|index| origins[*index]).collect())
}

/// SSIM of the image that comes of tiles at these places, over the median.
fn rebuilt(traffic: &Traffic, placement: &Placement, seed: u64) -> f64 {
    let upright = jigsaw::upright(traffic, REMOTE.tile, placement);
    let tiles = filtered(prior(), traffic.noise, &upright, placement);
    ssim(&phantom(seed), &Pasted::new(prior(), &tiles, placement).over(&prior().median), SIDE)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[test]
fn all_upright_tiles_without_noise_are_the_image() {
    let upright = Setting { turned: false, ..setting(1) };
    for seed in 0..4 {
        let (traffic, origins) = held(&upright, seed, 3);
        let traffic = traffic.upright(REMOTE.tile, &origins);
        let similarity = rebuilt(&traffic, &jigsaw::solve(prior(), &traffic, &upright), seed);
        assert!(similarity > 0.85, "{similarity}");
    }
}

#[test]
fn the_auditor_finds_where_every_tile_was_cut() {
    for t in [1, 100] {
        let (_, origins) = held(&setting(t), 5, 3);
        let mut places: Vec<usize> = origins.iter().flatten().map(|(place, _)| *place).collect();
        places.sort_unstable();
        assert_eq!(places, (0..prior().grid.places()).collect::<Vec<_>>());
    }
}

#[test]
fn with_true_places_the_image_comes_out_as_it_was_cut() {
    let (traffic, origins) = held(&setting(1), 6, 3);
    let similarity = rebuilt(&traffic, &origins, 6);
    assert!(similarity > 0.9, "{similarity}");
}

#[test]
fn who_holds_more_tiles_or_less_noise_rebuilds_more() {
    let of = |t: u16, colluders: usize| {
        let upright = Setting { turned: false, ..setting(t) };
        let one = |seed| {
            let (traffic, origins) = held(&upright, seed, colluders);
            let traffic = traffic.upright(REMOTE.tile, &origins);
            let told: Placement = origins.iter().map(|origin| origin.map(|(place, _)| (place, Turn::ALL[0]))).collect();
            [rebuilt(&traffic, &told, seed), rebuilt(&traffic, &jigsaw::solve(prior(), &traffic, &upright), seed)]
        };
        let found: Vec<[f64; 2]> = (0..6).map(one).collect();
        [0, 1].map(|index| mean(found.iter().map(|pair| pair[index])))
    };
    let (alone, two, all, noisy) = (of(25, 1), of(25, 2), of(25, 3), of(400, 3));
    for who in [0, 1] {
        assert!(alone[who] < two[who] && two[who] < all[who] && noisy[who] < all[who], "{alone:?} {two:?} {all:?} {noisy:?}");
    }
    assert!(alone[1] <= alone[0] && all[1] <= all[0], "nobody does better than one who is told: {alone:?} {all:?}");
}

#[test]
fn decoys_are_known_to_the_auditor() {
    let setting = Setting { decoys: 3, ..setting(25) };
    let (traffic, origins) = held(&setting, 7, 3);
    assert_eq!(traffic.tiles.len(), prior().grid.places() + 9);
    assert_eq!(origins.iter().filter(|origin| origin.is_none()).count(), 9);
    assert!(traffic.shares.iter().all(|share| *share <= 0.4) && traffic.shares.iter().sum::<f64>() >= 1.0);
}

#[test]
fn a_relays_tiles_are_never_laid_beside_each_other() {
    let (traffic, _) = held(&setting(100), 8, 1);
    let placement = jigsaw::solve(prior(), &traffic, &setting(100));
    let places: Vec<usize> = placement.iter().flatten().map(|(place, _)| *place).collect();
    let rule = purify::Rule::of(REMOTE.relays);
    assert_eq!(places.len(), traffic.tiles.len());
    for (index, one) in places.iter().enumerate() {
        assert!(places[..index].iter().all(|other| other != one && !rule.forbids(&prior().grid, *one, *other)));
    }
}
