//! A picture for the report: phantoms before an attack, attacked, and purified. Phantoms only: no image of a data set is shown.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{defence::Defence, purification::Draw};
use crate::{
    attack::{fidelity, sheet::Columns},
    evasion::{cases::Case, evade::Evaded, judge::eight_bits, registry::Spec},
};

/// Phantoms in a sheet.
const ROWS: usize = 6;
/// Differences are drawn so many times larger, around grey.
const LARGER: f32 = 8.0;

/// One phantom of a sheet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurifiedExample {
    /// Name.
    pub name: String,
    /// True class.
    pub class: String,
    /// Answer to the attacked image.
    pub attacked: String,
    /// The detector's score of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Noise level.
    pub t: u16,
    /// Answer to the purified image.
    pub purified: String,
    /// PSNR of the purified image against the one before the attack, in dB.
    pub psnr: f64,
}

/// A sheet of attacked and purified phantoms, one a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurifiedExamples {
    /// Model.
    pub model: String,
    /// Attack.
    pub attack: String,
    /// Steps of the walk.
    pub steps: u8,
    /// File of the picture, beside the report.
    pub file: String,
    /// What its columns show.
    pub columns: Vec<String>,
    /// What its rows show.
    pub rows: Vec<PurifiedExample>,
    /// The command line.
    pub command: String,
}

/// The sheet of the first images that were `evaded` and flagged, as PNG, with the record of it.
///
/// # Errors
/// Where none was flagged, or the purifier refuses an image.
pub fn examples(
    defence: &Defence,
    spec: Spec,
    evaded: &[(Case, Vec<f32>, Evaded)],
    command: String,
) -> Result<(PurifiedExamples, Vec<u8>)> {
    let card = &defence.judge.pipeline.card;
    let mut columns: [Vec<Vec<f32>>; 5] = Default::default();
    let mut rows = Vec::new();
    for (case, attacked, found) in evaded.iter().filter(|(_, _, found)| found.flagged).take(ROWS) {
        let attacked = eight_bits(attacked);
        let setting = defence.setting(found.score);
        let purified = defence.purified(&attacked, setting, Draw::defenders(case.seed, 0))?;
        rows.push(PurifiedExample {
            name: case.name.clone(),
            class: found.class.clone(),
            attacked: found.answer.clone(),
            score: found.score,
            t: setting.t,
            purified: card.classes[defence.judge.judge(&purified)?.answer].id.clone(),
            psnr: fidelity::psnr(&case.image, &purified),
        });
        let change = |to: &[f32]| case.image.iter().zip(to).map(|(a, b)| 0.5 + LARGER * (b - a)).collect::<Vec<f32>>();
        columns[2].push(change(&attacked));
        columns[4].push(change(&purified));
        columns[0].push(case.image.clone());
        columns[1].push(attacked);
        columns[3].push(purified);
    }
    ensure!(
        !rows.is_empty(),
        "none of {} attacked images is flagged, so there is nothing to purify; try a larger ε",
        evaded.len()
    );
    let titles = ["before", "attacked", "attacked − before, × 8", "purified", "purified − before, × 8"];
    let mut sheet = Columns::default();
    columns.into_iter().zip(titles).for_each(|(images, title)| sheet.push(title, images));
    let examples = PurifiedExamples {
        model: card.id.clone(),
        attack: spec.to_string(),
        steps: defence.steps,
        file: format!("purifier-examples-{}.png", card.id),
        columns: sheet.titles(),
        rows,
        command,
    };
    Ok((examples, sheet.to_png(card.preprocess.size, card.preprocess.channels.count())?))
}
