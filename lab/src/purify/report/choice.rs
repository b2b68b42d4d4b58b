//! How network, steps and levels were chosen, and the pictures.

use std::fmt::Write;

use super::{short, show};
use crate::{
    plot::{Chart, Line},
    purify::{calibrate::PurifierRecord, candidates, examples::PurifiedExamples, policy},
    records::Record,
};

/// Every calibration, and every sheet of phantoms.
pub fn choices(out: &mut String, records: &[Record], files: &mut Vec<(String, String)>) {
    let records: Vec<&PurifierRecord> = pick(records, |record| match record {
        Record::Purifier(purifier) => Some(&**purifier),
        _ => None,
    });
    if records.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## How the purifiers were chosen\n\n\
         Every setting that was tried, on validation images, all of them purified whether flagged or not. Of these settings every \
         policy is made: one network and number of steps, and smoothing (a filter at the end) on no level or from one on. In a policy, the levels by score are those that never fall and answer the most flagged images rightly, clean ones counting as much as all attacks together, or less. \
         Taken is the highest accuracy under attack in the end, where flagged images are purified, of the policies that cost clean images at most {} point; of those within {} points of it the one with the fewest steps, then the weakest filter, then the filter on the \
         fewest levels, since each of them costs detail. Storage is int8 unless f16 answers more images rightly.",
        100.0 * policy::CLEAN_LOSS,
        100.0 * policy::TIE
    );
    records.into_iter().for_each(|record| choice(out, record, files));
}

fn choice(out: &mut String, record: &PurifierRecord, files: &mut Vec<(String, String)>) {
    let _ = writeln!(out, "\n### {} on {}, `val`\n\nWritten by `{}`.\n", record.model, record.data, record.command);
    let cells = |shares: &[f64]| shares.iter().map(|s| short(*s)).collect::<Vec<_>>().join(" | ");
    let names = record.attacks.iter().map(|attack| format!("`{attack}`")).collect::<Vec<_>>().join(" | ");
    let _ = writeln!(
        out,
        "| network | steps | t | smoothing | images | clean | {names} |\n|---|---|---|---|---|---|{}",
        "---|".repeat(record.attacks.len())
    );
    let _ = writeln!(out, "| none | | | | {} | {} |", record.images, cells(&record.undefended));
    for (i, c) in record.candidates.iter().enumerate() {
        let network = if i == record.chosen { format!("**{}**", c.network) } else { c.network.clone() };
        let (steps, t, images, clean, attacked) = (c.steps, c.t, c.images, short(c.clean), cells(&c.attacked));
        let _ = writeln!(
            out,
            "| {network} | {steps} | {t} | {} | {images} | {clean} | {attacked} |",
            candidates::smoothing_name(c.smoothing)
        );
    }
    let levels: Vec<String> =
        record.levels.iter().map(|level| format!("t {} from {:.3} on", level.t, level.from_score)).collect();
    let smoothing = record.smoothing.map_or(String::new(), |(filter, from)| {
        format!("; smoothing {} from t {from} on", candidates::smoothing_name(Some(filter)))
    });
    let _ = writeln!(out, "\nLevels by score: {}{smoothing}.\n", levels.join(", "));
    let _ = writeln!(
        out,
        "| stored as | bytes | clean, in the end | {names} |\n|---|---|---|{}",
        "---|".repeat(record.attacks.len())
    );
    for (i, stored) in record.storages.iter().enumerate() {
        let name = format!("{:?}", stored.storage).to_lowercase();
        let name = if i == record.shipped { format!("**{name}**") } else { name };
        let _ = writeln!(out, "| {name} | {} | {} |", stored.bytes, cells(&stored.accuracy));
    }
    let title = format!("{}: mean accuracy over the attacks, every image purified", record.model);
    let chart = Chart { title, x: "t".into(), range: (0.0, 1.0) };
    show(out, files, format!("purifier-levels-{}.svg", record.model), &chart, &lines(record));
}

/// Mean accuracy over the attacks by level, a line for each network and number of steps.
fn lines(record: &PurifierRecord) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for c in &record.candidates {
        let (name, mean) = (
            format!("{}, {} steps, {}", c.network, c.steps, candidates::smoothing_name(c.smoothing)),
            c.attacked.iter().sum::<f64>() / c.attacked.len().max(1) as f64,
        );
        let point = (f64::from(c.t), mean);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { name, points: vec![point] }),
        }
    }
    lines
}

/// The sheets of phantoms.
pub fn pictures(out: &mut String, records: &[Record]) {
    let sheets: Vec<&PurifiedExamples> = pick(records, |record| match record {
        Record::Purified(examples) => Some(&**examples),
        _ => None,
    });
    for sheet in sheets {
        let _ = writeln!(
            out,
            "\n## Phantoms, attacked and purified ({})\n\nDrawn by this project, of nobody; `{}`, purified in {} steps on the device. Columns: {}. Made by `{}`.\n\n![Phantoms before, attacked and purified]({})\n",
            sheet.model,
            sheet.attack,
            sheet.steps,
            sheet.columns.join(", "),
            sheet.command,
            sheet.file
        );
        out.push_str(
            "| phantom | class | attacked | score | t | purified | PSNR against before |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &sheet.rows {
            let score = row.score.map_or("-".into(), |score| format!("{score:.2}"));
            let _ = writeln!(
                out,
                "| {} | {} | {} | {score} | {} | {} | {:.1} dB |",
                row.name, row.class, row.attacked, row.t, row.purified, row.psnr
            );
        }
    }
}

fn pick<'a, T>(records: &'a [Record], one: impl Fn(&'a Record) -> Option<&'a T>) -> Vec<&'a T> {
    records.iter().filter_map(one).collect()
}
