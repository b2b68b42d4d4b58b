//! Pictures for the report: phantoms before and after an attack, the change, and the detector's maps.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    arena::Arena,
    cases::Case,
    evade::Evaded,
    judge::{Judge, eight_bits},
    registry::Spec,
};
use crate::attack::sheet::Columns;

/// Phantoms in a sheet.
const ROWS: usize = 6;
/// The change is drawn so many times larger, around grey.
const LARGER: f32 = 16.0;
/// A patch this many deviations above clean ones is drawn at full strength.
const FULL: f32 = 6.0;

/// A sheet of attacked phantoms, one a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Examples {
    /// Model.
    pub model: String,
    /// Attack.
    pub attack: String,
    /// File of the picture, beside the report.
    pub file: String,
    /// What its columns show.
    pub columns: Vec<String>,
    /// What its rows show.
    pub rows: Vec<Evaded>,
    /// The command line.
    pub command: String,
}

/// The sheet of the first images that were `evaded`, as PNG, with the record of it.
///
/// # Errors
/// Where there is none, or the pipeline refuses an image.
pub fn examples(arena: &Arena, spec: Spec, evaded: &[(Case, Vec<f32>, Evaded)], command: String) -> Result<(Examples, Vec<u8>)> {
    ensure!(!evaded.is_empty(), "there is no attacked image to show");
    let card = &arena.judge.pipeline.card;
    let (side, channels) = (card.preprocess.size, card.preprocess.channels.count());
    let mut columns: [Vec<Vec<f32>>; 5] = Default::default();
    for (case, attacked, _) in evaded.iter().take(ROWS) {
        let attacked = eight_bits(attacked);
        let change = attacked.iter().zip(&case.image).map(|(a, c)| 0.5 + LARGER * (a - c)).collect();
        columns[3].push(heat(&arena.judge, &case.image, side, channels)?);
        columns[4].push(heat(&arena.judge, &attacked, side, channels)?);
        columns[2].push(rgb(change, channels));
        columns[0].push(rgb(case.image.clone(), channels));
        columns[1].push(rgb(attacked, channels));
    }
    let titles = ["before", "attacked", "change × 16", "map before", "map after"];
    let shown = if arena.judge.guard.is_some() { 5 } else { 3 };
    let mut sheet = Columns::default();
    columns.into_iter().zip(titles).take(shown).for_each(|(images, title)| sheet.push(title, images));
    let examples = Examples {
        model: card.id.clone(),
        attack: spec.to_string(),
        file: format!("detector-examples-{}.png", card.id),
        columns: sheet.titles(),
        rows: evaded.iter().take(ROWS).map(|(_, _, row)| row.clone()).collect(),
        command,
    };
    Ok((examples, sheet.to_png(side, 3)?))
}

/// Three channels of an image of one or three.
fn rgb(image: Vec<f32>, channels: usize) -> Vec<f32> {
    if channels == 3 { image } else { image.repeat(3) }
}

/// The detector's map in red over the darkened image; without a detector the image.
fn heat(judge: &Judge, image: &[f32], side: usize, channels: usize) -> Result<Vec<f32>> {
    let map = judge.judge(image)?.map;
    let mut picture = rgb(image.to_vec(), channels);
    let grid = map.len().isqrt();
    if grid == 0 {
        return Ok(picture);
    }
    let area = side * side;
    for (i, value) in picture.iter_mut().enumerate() {
        let (channel, row, column) = (i / area, i % area / side * grid / side, i % side * grid / side);
        let heat = (map[row * grid + column] / FULL).clamp(0.0, 1.0);
        let colour = if channel == 0 { 1.0 } else { 0.1 };
        *value = (0.6 * *value) * (1.0 - heat) + heat * colour;
    }
    Ok(picture)
}
