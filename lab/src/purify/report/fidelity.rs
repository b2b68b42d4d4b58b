//! What purification does to clean images and their lesions.

use std::fmt::Write;

use super::{percent, short, show};
use crate::{
    attack::record::Estimate,
    plot::{Chart, Line},
    purify::{
        defence::Place,
        fidelity::{FidelityRecord, FidelityRow},
    },
    records::Record,
};

/// Every run of `lab fidelity`.
pub fn fidelity(out: &mut String, records: &[Record], files: &mut Vec<(String, String)>) {
    let runs = records.iter().filter_map(|record| match record {
        Record::Fidelity(run) => Some(&**run),
        _ => None,
    });
    for run in runs {
        one(out, run, files);
    }
}

fn one(out: &mut String, run: &FidelityRecord, files: &mut Vec<(String, String)>) {
    let _ = writeln!(
        out,
        "\n## Fidelity: {} on {}, `{}`\n\n\
         {} clean images in {} groups, each with a lesion and its mask, all of them purified. *Inside* is the mask grown by {} pixels. Area is that of Otsu's threshold (brighter side) in the lesion's box, \
         grown likewise: a crude segmenter, which before purification overlaps the masks with a Dice of {}. *Change* is the mean size of the area's relative change, *drift* the mean with its sign, *overlap* the Dice \
         of the lesion before and after. *Flips* are answers that change. Made by `{}`.\n",
        run.model,
        run.data,
        run.split,
        run.n,
        run.groups,
        run.margin,
        number(run.segmenter, 2),
        run.command
    );
    out.push_str(
        "| t | steps | where | PSNR | inside | outside | SSIM | inside | outside | area change | drift | overlap | flips |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in &run.rows {
        let place = match row.place {
            Place::Device => "device",
            Place::Relays => "relays",
        };
        let [psnr, psnr_in, psnr_out] = [row.whole, row.inside, row.outside].map(|pair| format!("{:.1} dB", pair[0].mean));
        let [ssim, ssim_in, ssim_out] = [row.whole, row.inside, row.outside].map(|pair| number(pair[1], 3));
        let _ = writeln!(
            out,
            "| {} | {} | {place} | {psnr} | {psnr_in} | {psnr_out} | {ssim} | {ssim_in} | {ssim_out} | {} | {} | {} | {} ({}) |",
            row.t,
            row.steps,
            percent(row.area_change),
            short(row.area_drift.mean),
            number(row.overlap, 3),
            percent(row.flips),
            row.flipped
        );
    }
    let title = format!("{}: SSIM of purified clean images, by level", run.model);
    let chart = Chart { title, x: "t".into(), range: (0.0, 1.0) };
    show(out, files, format!("purifier-fidelity-{}.svg", run.model), &chart, &lines(run));
}

fn lines(run: &FidelityRecord) -> Vec<Line> {
    let first = run.rows.first().map(|row| (row.steps, row.place));
    let rows: Vec<&FidelityRow> = run.rows.iter().filter(|row| Some((row.steps, row.place)) == first).collect();
    let line = |name: &str, pick: fn(&FidelityRow) -> f64| Line {
        name: name.into(),
        points: rows.iter().map(|row| (f64::from(row.t), pick(row))).collect(),
    };
    vec![
        line("inside the lesion", |row| row.inside[1].mean),
        line("outside", |row| row.outside[1].mean),
        line("the lesion's overlap before and after (Dice)", |row| row.overlap.mean),
    ]
}

fn number(e: Estimate, digits: usize) -> String {
    format!("{:.digits$} [{:.digits$}, {:.digits$}]", e.mean, e.low, e.high)
}
