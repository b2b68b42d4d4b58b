//! Attacked images as PNG files, for tests and for eyes.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use image::codecs::png::PngEncoder;
use serde::{Deserialize, Serialize};

use super::{arena::Arena, artefacts::picture, cases::Case, judge::Judgement, registry::Spec};

/// One attacked image on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evaded {
    /// File of the attacked image.
    pub attacked: String,
    /// File of the image before.
    pub clean: String,
    /// True class.
    pub class: String,
    /// What the pipeline answers to the attacked file.
    pub answer: String,
    /// The detector's score of the clean file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_score: Option<f64>,
    /// The detector's score of the attacked file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Whether the attacked file is flagged.
    pub flagged: bool,
}

/// Attacks every case and writes those whose attack still works from the PNG, which can hold 256 values only, to `out`, each beside the
/// image before, with `index.json`. Returns each with its case and the attacked image before rounding. Images that are answered wrongly without an attack are left out.
///
/// # Errors
/// Where no attack works, the pipeline refuses an image, or the folder cannot be written.
pub fn evade(
    arena: &Arena,
    spec: Spec,
    cases: &[Case],
    out: &Path,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<(Case, Vec<f32>, Evaded)>> {
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let side = arena.judge.pipeline.card.preprocess.size;
    let mut found = Vec::new();
    for (case, outcome) in cases.iter().zip(arena.run(spec, cases, progress)?) {
        let (clean, attacked) = (png(&case.image, side)?, png(&outcome.image, side)?);
        let (before, after) = (read_back(arena, &clean, side)?, read_back(arena, &attacked, side)?);
        if before.answer != case.class || after.answer == case.class {
            continue;
        }
        let name = case.name.rsplit('/').next().unwrap_or(&case.name);
        let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let (clean_file, attacked_file) = (format!("{name}-clean.png"), format!("{name}-attacked.png"));
        for (file, bytes) in [(&clean_file, &clean), (&attacked_file, &attacked)] {
            fs::write(out.join(file), bytes).with_context(|| format!("cannot write {}", out.join(file).display()))?;
        }
        let class = |index: usize| arena.judge.pipeline.card.classes[index].id.clone();
        let row = Evaded {
            attacked: attacked_file,
            clean: clean_file,
            class: class(case.class),
            answer: class(after.answer),
            clean_score: before.score,
            score: after.score,
            flagged: after.flagged,
        };
        found.push((case.clone(), outcome.image, row));
    }
    ensure!(
        !found.is_empty(),
        "{spec} changed no answer of {} images once they were written as PNG; try a larger ε",
        cases.len()
    );
    let rows: Vec<&Evaded> = found.iter().map(|(_, _, row)| row).collect();
    fs::write(out.join("index.json"), serde_json::to_string_pretty(&rows)? + "\n")?;
    Ok(found)
}

fn png(image: &[f32], side: usize) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    picture(image, side)?.write_with_encoder(PngEncoder::new(&mut file))?;
    Ok(file)
}

/// What the pipeline says of a file, decoded and letterboxed as a user's would be.
fn read_back(arena: &Arena, file: &[u8], side: usize) -> Result<Judgement> {
    let picture = arena.judge.pipeline.card.preprocess.letterbox(&models::decode(file)?);
    arena.judge.judge(&crate::train::augment::plain(&picture.pixels, side))
}
