//! Tiles cut, turned and put together again; the noise that is laid over them.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use models::Schedule;
use proptest::prelude::*;
use purify::{Grid, Noise, Turn};
use wire::tile::from_fixed;

/// Image, tile and stride of a grid that can be.
fn grids() -> impl Strategy<Value = (usize, usize, usize)> {
    (2usize..=48).prop_flat_map(|tile| (tile..=2 * tile + 60, Just(tile), tile.div_ceil(2)..=tile))
}

fn pixels(count: usize, seed: u32) -> Vec<f32> {
    (0..count as u32).map(|index| (index.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16) as f32 / 65_535.0).collect()
}

proptest! {
    #[test]
    fn what_was_cut_blends_to_the_same_image((image, tile, stride) in grids(), channels in 1usize..=3, seed: u32) {
        let grid = Grid::new(image, tile, stride).unwrap();
        let pixels = pixels(channels * image * image, seed);
        let tiles: Vec<Vec<f32>> = (0..grid.places()).map(|place| grid.cut(&pixels, place)).collect();
        let blended = grid.blend(channels, tiles.iter().map(Vec::as_slice));
        prop_assert_eq!(blended.len(), pixels.len());
        for (one, other) in blended.iter().zip(&pixels) {
            prop_assert!((one - other).abs() < 1e-5, "{} {}", one, other);
        }
    }

    #[test]
    fn all_tiles_together_show_the_whole_image_and_one_no_more_than_its_area((image, tile, stride) in grids()) {
        let grid = Grid::new(image, tile, stride).unwrap();
        prop_assert_eq!(grid.share(0..grid.places()), 1.0);
        for place in 0..grid.places() {
            let share = grid.share([place]);
            prop_assert!(share > 0.0 && share <= (tile * tile) as f64 / (image * image) as f64);
        }
    }
}

#[test]
fn a_step_in_one_tile_fades_out_over_the_overlap() {
    let grid = Grid::new(16, 8, 4).unwrap();
    let mut tiles = vec![vec![0.0; 64]; grid.places()];
    tiles[0] = vec![1.0; 64];
    let row = &grid.blend(1, tiles.iter().map(Vec::as_slice))[..8];
    assert_eq!(row, [1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2]);
}

#[test]
fn border_tiles_mirror_the_image() {
    let grid = Grid::new(5, 4, 3).unwrap();
    let pixels: Vec<f32> = (0..25).map(|index| index as f32).collect();
    assert_eq!(grid.cut(&pixels, 0)[..8], [6.0, 5.0, 6.0, 7.0, 1.0, 0.0, 1.0, 2.0]);
    assert_eq!(grid.cut(&pixels, 1)[..8], [7.0, 8.0, 9.0, 8.0, 2.0, 3.0, 4.0, 3.0]);
}

#[test]
fn grids_that_do_not_fit_are_refused() {
    for (image, tile, stride) in [(16, 8, 0), (16, 8, 9), (16, 8, 3), (7, 8, 8), (16, 0, 0)] {
        assert!(Grid::new(image, tile, stride).is_err(), "{image} {tile} {stride}");
    }
}

#[test]
fn the_eight_turns_differ_and_each_is_undone() {
    let tile = pixels(2 * 9, 5);
    for (index, turn) in Turn::ALL.iter().enumerate() {
        assert_eq!(turn.undo(3, &turn.apply(3, &tile)), tile);
        for other in &Turn::ALL[..index] {
            assert_ne!(turn.apply(3, &tile), other.apply(3, &tile));
        }
    }
}

#[test]
fn noise_is_standard_normal_and_goes_into_fixed_point() {
    let mut noise = Noise::new([4; 32]);
    let t = 200;
    let [image, rest] = Schedule::Linear.shares(t);
    let noised = noise.noised(Schedule::Linear, &vec![0.75; 40_000], t);
    let left: Vec<f64> = noised.iter().map(|value| f64::from((from_fixed(*value) - image * 0.5) / rest)).collect();
    let mean = left.iter().sum::<f64>() / left.len() as f64;
    let variance = left.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / left.len() as f64;
    assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    assert_ne!(noise.normal(8), Noise::new([4; 32]).normal(8));
    assert_ne!(Noise::new([5; 32]).normal(8), Noise::new([4; 32]).normal(8));
}
