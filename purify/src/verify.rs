//! Whether a relay's result can be what it was asked for.
//!
//! The device knows the noised tile x and gets the relay's estimate x̂ of the clean one. What is left, (x - √ᾱ·x̂) / √(1 - ᾱ), is then
//! the noise: of mean 0 and standard deviation 1 but for chance and what a network misses. An answer of other tiles, an echo, or
//! nothing at all leaves something else. The higher the noise level, the less this tells.

use std::f64::consts::SQRT_2;

use models::Schedule;
use wire::tile::{ONE, from_fixed};
use wire::{PurifyRequest, PurifyResult, Tile};

use crate::PurifyError;

/// How far the noise's mean may be from 0, before chance is counted.
const MEAN_TOLERANCE: f64 = 0.25;
/// The standard deviation that it may have, before chance is counted. A network's estimate of the noise is weaker than the noise, by as
/// much as it is unsure: on brain MRI, levels 50 to 250 and one or ten steps, 0.53 to 1.05 was seen.
const DEVIATIONS: [f64; 2] = [0.5, 1.25];
/// Standard errors that are put down to chance.
const CHANCE: f64 = 4.0;

/// Checks a result against its request: shape, ids, range and noise.
///
/// # Errors
/// [`PurifyError::BadResult`] says what is wrong.
pub fn verify(schedule: Schedule, request: &PurifyRequest, result: &PurifyResult) -> Result<(), PurifyError> {
    same_tiles(request, result)?;
    let shares = schedule.shares(request.t());
    result.tiles().iter().try_for_each(|clean| {
        let noised = request.tiles().iter().find(|noised| noised.id == clean.id);
        noised.map_or(Ok(()), |noised| plausible(noised, clean, shares))
    })
}

/// Checks shape and ids alone.
///
/// # Errors
/// As [`verify`].
pub fn same_tiles(request: &PurifyRequest, result: &PurifyResult) -> Result<(), PurifyError> {
    if request.shape() != result.shape() {
        return Err(refuse("its tiles have another shape"));
    }
    if ids(request.tiles()) != ids(result.tiles()) {
        return Err(refuse("its tiles are not those that were sent"));
    }
    Ok(())
}

fn ids(tiles: &[Tile]) -> Vec<[u8; 8]> {
    let mut ids: Vec<_> = tiles.iter().map(|tile| tile.id).collect();
    ids.sort_unstable();
    ids
}

fn plausible(noised: &Tile, clean: &Tile, [image, rest]: [f32; 2]) -> Result<(), PurifyError> {
    if clean.values.iter().any(|value| f32::from(*value).abs() > ONE) {
        return Err(refuse("a value is out of range"));
    }
    let noise = noised.values.iter().zip(&clean.values).map(|(x, clean)| {
        let noise = (from_fixed(*x) - image * from_fixed(*clean)) / rest;
        f64::from(noise)
    });
    let count = noised.values.len() as f64;
    let (sum, squares) = noise.fold((0.0, 0.0), |(sum, squares), noise| (sum + noise, squares + noise * noise));
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    let chance = CHANCE / count.sqrt();
    let [least, most] = DEVIATIONS;
    let spread = least - chance / SQRT_2..=most + chance / SQRT_2;
    if mean.abs() > MEAN_TOLERANCE + chance || !spread.contains(&deviation) {
        return Err(refuse("what it took out of a tile is not the noise that was put in"));
    }
    Ok(())
}

fn refuse(reason: &str) -> PurifyError {
    PurifyError::BadResult { reason: reason.into() }
}
