//! `docs/results/purifier.md`: tables, charts and pictures of purification, from the records alone.

mod choice;
mod defence;
mod fidelity;
mod traffic;

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
    traffic::egress(&mut out, records, &mut files);
    traffic::benches(&mut out, records);
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
fn show(
    out: &mut String,
    files: &mut Vec<(String, String)>,
    file: String,
    chart: &crate::plot::Chart,
    lines: &[crate::plot::Line],
) {
    if lines.iter().any(|line| line.points.len() > 1) {
        let _ = writeln!(out, "\n![{}]({file})", chart.title);
        files.push((file, crate::plot::svg(chart, lines)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evasion::record::{Clean, Evasion, FilterRow, Row, Subject},
        purify::{
            defence::Place,
            record::{Purified, Who},
        },
    };

    fn estimate(mean: f64) -> Estimate {
        Estimate { mean, low: mean - 0.01, high: mean + 0.01 }
    }

    fn purified(who: Who, accuracy: f64) -> Purified {
        Purified {
            who,
            place: Place::Device,
            steps: 3,
            draws: 1,
            accuracy: estimate(accuracy),
            accepted: estimate(0.91),
            of_purified: None,
            every_draw: None,
            clean_accuracy: estimate(0.985),
            clean_loss: estimate(0.005),
            mean_level: 77.0,
            outcomes: "rrwR".into(),
            clean_outcomes: "rrrw".into(),
        }
    }

    fn record(model: &str) -> Record {
        let subject = Subject {
            model: model.into(),
            version: "1".into(),
            encoder: "ab".into(),
            detector: None,
            threshold: Some(1.5),
            purifier: Some(("cd".repeat(32), "set".into())),
            data: "set@random-1".into(),
            split: "test".into(),
            n: 4,
            groups: 2,
            seed: 1,
            command: "cargo lab evaluate".into(),
        };
        let row = Row {
            attack: "pgd-linf-0.015".into(),
            epsilon: 0.015,
            undefended_accuracy: estimate(0.111),
            rounded_accuracy: estimate(0.112),
            success: None,
            detected: None,
            filters: vec![FilterRow {
                filter: "3×3 mean".into(),
                clean_accuracy: estimate(0.97),
                accuracy: estimate(0.725),
                auc: estimate(0.9),
            }],
            purified: vec![purified(Who::Flagged, 0.944), purified(Who::All, 0.933)],
            outcomes: "rWWw".into(),
        };
        Record::Evasion(Box::new(Evasion {
            subject,
            family: "pgd-linf".into(),
            epsilon: 0.015,
            surrogate: None,
            restarts: 1,
            seconds: 1.0,
            clean: Clean { accuracy: estimate(0.99), fpr: None, system_accuracy: None, outcomes: "rrRw".into() },
            rows: vec![row],
            group_of_image: "0 0 1 1".into(),
        }))
    }

    #[test]
    fn every_purified_figure_stands_beside_the_undefended_one_and_the_filters() {
        let text = &pages(&[record("one")])[0].1;
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} is missing in {text}"));
        assert!(place("| 11.1 % [10.1, 12.1] | - |") < place("| flagged | device, 3 | 94.4 % [93.4, 95.4] | 91.0 % |"));
        assert!(place("| all | device, 3 | 93.3 %") < place("| all, by 3×3 mean | | 72.5 %"));
        assert!(text.contains("| +0.5 | 77 |") && text.contains("not encryption"));
    }

    #[test]
    fn a_purifier_that_saw_the_test_images_is_named() {
        let text = &pages(&[record("one")])[0].1;
        assert!(text.contains("papers' protocol") && text.contains("it has seen most of these images"), "{text}");
    }
}
