//! `docs/results/purifier.md`: tables, charts and pictures of purification, from the records alone.

mod choice;
mod defence;
mod fidelity;

use std::fmt::Write;

use crate::{attack::record::Estimate, records::Record};

const HEAD: &str = "# The purifier\n\n\
    Written by `cargo lab report purifier` from the run records in `runs/`; no figure here is typed by hand. Intervals are 95 %, by bootstrap over \
    groups. ε is in the pixels' scale [0, 1].\n\n\
    An image that the detector flags gets noise up to a level t that follows its score, and a U-Net walks back to a clean image in a few steps (DiffPure, Nie et al. 2022; \
    MedFedPure, arXiv 2511.11625). The purified image is encoded and answered. It runs on the device, on the whole image, or on relays that are given noised tiles.\n\n\
    ## What is protected, and what is not\n\n\
    - On the device nothing leaves it: the image, its noise and the purified image stay in the page.\n\
    - On relays a tile travels as pixels under Gaussian noise of level t. **Noised tiles are not encryption.** Who holds a tile can denoise it, which is what it is asked to do, \
    and has a picture of that part. What is protected is the whole: no relay gets neighbouring tiles, each sees a bounded share of the area, and neither order nor place nor \
    orientation of its tiles. Relays that work together see more.\n\
    - Purification answers attacks that were made without knowing it. An attacker who knows detector, purifier and all weights is measured below, whatever the figure.\n\
    - A purified image is a drawing. It is for the classifier; nobody should read a diagnosis from it. What it does to lesions is measured below.\n";

/// Every file of the report, by name.
pub fn pages(records: &[Record]) -> Vec<(String, String)> {
    let mut out = HEAD.to_string();
    let mut files = Vec::new();
    defence::attacks(&mut out, records);
    fidelity::fidelity(&mut out, records, &mut files);
    choice::pictures(&mut out, records);
    choice::choices(&mut out, records, &mut files);
    files.push(("purifier.md".into(), out));
    files
}

/// `12.3 % [11.0, 13.5]`.
fn percent(e: Estimate) -> String {
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * e.mean, 100.0 * e.low, 100.0 * e.high)
}

fn short(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Adds a chart to the text and to the files, where it has a line of two points.
fn show(out: &mut String, files: &mut Vec<(String, String)>, file: String, chart: &crate::plot::Chart, lines: &[crate::plot::Line]) {
    if lines.iter().any(|line| line.points.len() > 1) {
        let _ = writeln!(out, "\n![{}]({file})", chart.title);
        files.push((file, crate::plot::svg(chart, lines)));
    }
}
