//! `docs/results/detector.md`: tables and charts of attacks, detectors and artefacts, from the records alone.

mod charts;
mod tables;

use std::{collections::BTreeMap, fmt::Write};

use super::{
    compare::Comparison,
    examples::Examples,
    record::{Benign, Evasion, Subject},
    registry::Kind,
};
use crate::{detect, records::Record};

const HEAD: &str = "# The detector under attack\n\n\
    Written by `cargo lab report detector` from the run records in `runs/`; no figure here is typed by hand. Intervals are 95 %, by bootstrap over \
    groups. ε is in the pixels' scale [0, 1], and attacked images are cut to it before normalisation.\n\n\
    *Undefended* is the same model on the same attacked images, whatever the detector says. *System* counts an attacked image as harmless where the \
    answer is right **or** the image is flagged; a flagged image is not sent unless the user decides so. No image is purified (see [purifier.md](purifier.md)): the paper's figure (MedFedPure, \
    arXiv 2511.11625: 87.33 % under its PGD on Br35H, random split) is the accuracy of answers after purification, another thing, and its undefended \
    figure is of another model. *As PNG* is the same after the attacked images were rounded to 8 bits. AUC is of attacked against clean scores of all images, \
    those included on which the attack failed. Every attack is decided by the real pipeline: stored weights, integer token, integer head.\n";

const ATTACKS: &str = "\n## The attacks\n\n\
    - `fgsm`: one step of size ε along the slope's signs (Goodfellow et al. 2015).\n\
    - `pgd`: the paper's settings, L∞ 7 steps of ε/5 (ε = 0.015: 0.003), L2 10 steps of ε/10, from a random start; the last point counts.\n\
    - `apgd`: Auto-PGD (Croce and Hein 2020) on cross-entropy, then on the margin (two classes) or the difference-of-logits ratio (more).\n\
    - `square`: random squares (Andriushchenko et al. 2020), by queries of the integer logits alone.\n\
    - `transfer`: momentum PGD (Dong et al. 2018) on another network.\n\
    - `adaptive`: classifier and detector together. It knows weights, masks, features and threshold, goes through the detector's reconstructions, their targets \
    and both encodings, and tries a joint loss with several weights, selective and orthogonal steps (Bryniarski et al. 2022), each from its own random start. An \
    image is lost where any attempt gives a wrong answer that passes.\n\n\
    *Worst case* joins attacks image by image: an image counts as defended only where every one of them failed on it. Restarts stop at the first success.\n";

/// Records on one model and data set.
#[derive(Default)]
struct Part<'a> {
    attacks: Vec<&'a Evasion>,
    benign: Option<&'a Benign>,
}

/// Every file of the report, by name.
pub fn pages(records: &[Record]) -> Vec<(String, String)> {
    let mut parts: BTreeMap<(&str, &str, &str), Part> = BTreeMap::new();
    for record in records {
        match record {
            // Who wants to be flagged is no matter of the detector: see purifier.md.
            Record::Evasion(e) if e.family.starts_with(Kind::Purified.name()) => {}
            Record::Evasion(e) => parts.entry(place(&e.subject)).or_default().attacks.push(e),
            Record::Benign(b) => parts.entry(place(&b.subject)).or_default().benign = Some(b),
            _ => {}
        }
    }
    let mut out = format!("{HEAD}{ATTACKS}");
    let mut files = Vec::new();
    for ((model, data, split), part) in &mut parts {
        let name = format!("detector-{model}-{data}-{split}");
        let _ = writeln!(out, "\n## {model} on {data}, `{split}`");
        if data.contains("@random") {
            out.push_str(
                "\nRandom 70/30 split, image by image: the papers' protocol. Near-copies of most test images lie in train, so read the grouped split first.\n",
            );
        }
        // Clean figures are those of the most images.
        part.attacks.sort_by_key(|attack| std::cmp::Reverse(attack.subject.n));
        if !part.attacks.is_empty() {
            tables::attacks(&mut out, &part.attacks);
            tables::confusion(&mut out, &part.attacks);
            tables::filters(&mut out, &part.attacks);
            files.extend(charts::put(&mut out, &name, &part.attacks));
        }
        if let Some(benign) = part.benign {
            tables::benign(&mut out, benign);
        }
        tables::commands(&mut out, &part.attacks, part.benign);
    }
    let calibrations = records.iter().filter_map(|record| match record {
        Record::Calibrate(calibration) => Some(&**calibration),
        _ => None,
    });
    detect::report::calibrations(&mut out, &calibrations.collect::<Vec<_>>());
    let examples = records.iter().filter_map(|record| match record {
        Record::Examples(examples) => Some(&**examples),
        _ => None,
    });
    tables::examples(&mut out, &examples.collect::<Vec<&Examples>>());
    let comparisons = records.iter().filter_map(|record| match record {
        Record::Comparison(comparison) => Some(&**comparison),
        _ => None,
    });
    tables::comparisons(&mut out, &comparisons.collect::<Vec<&Comparison>>());
    files.push(("detector.md".into(), out));
    files
}

fn place(subject: &Subject) -> (&str, &str, &str) {
    (&subject.model, &subject.data, &subject.split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attack::record::Estimate,
        evasion::record::{Clean, Detected, Row},
    };

    fn estimate(mean: f64) -> Estimate {
        Estimate { mean, low: mean - 0.01, high: mean + 0.01 }
    }

    fn row(epsilon: f64, outcomes: &str) -> Row {
        Row {
            attack: format!("pgd-linf-{epsilon}"),
            epsilon,
            undefended_accuracy: estimate(0.111),
            rounded_accuracy: estimate(0.112),
            success: Some(estimate(0.888)),
            detected: Some(Detected {
                auc: estimate(0.987),
                tpr: estimate(0.913),
                tpr_of_wrong: None,
                system_accuracy: estimate(0.944),
                rounded_system_accuracy: estimate(0.945),
                roc: vec![(0.0, 0.0), (0.05, 0.9), (1.0, 1.0)],
            }),
            filters: Vec::new(),
            purified: Vec::new(),
            outcomes: outcomes.into(),
        }
    }

    fn record(family: &str, epsilon: f64, outcomes: &str) -> Record {
        let subject = Subject {
            model: "one".into(),
            version: "1".into(),
            encoder: "ab".into(),
            detector: Some("cd".into()),
            threshold: Some(1.5),
            purifier: None,
            data: "set".into(),
            split: "test".into(),
            n: 4,
            groups: 2,
            seed: 1,
            command: "cargo lab evaluate".into(),
        };
        Record::Evasion(Box::new(Evasion {
            subject,
            family: family.into(),
            epsilon,
            surrogate: None,
            restarts: 1,
            seconds: 1.0,
            clean: Clean {
                accuracy: estimate(0.99),
                fpr: Some(estimate(0.05)),
                system_accuracy: Some(estimate(0.94)),
                outcomes: "rrRw".into(),
            },
            rows: vec![row(epsilon / 2.0, "rrrr"), row(epsilon, outcomes)],
            group_of_image: "0 0 1 1".into(),
        }))
    }

    #[test]
    fn the_report_holds_the_figures_and_joins_attacks_image_by_image() {
        let records = [record("pgd-linf", 0.015, "rWWw"), record("apgd-linf", 0.015, "wWWr")];
        let files = pages(&records);
        let text = &files.iter().find(|(name, _)| name == "detector.md").unwrap().1;
        assert!(text.contains("11.1 % [10.1, 12.1]") && text.contains("94.4 % [93.4, 95.4]"), "{text}");
        // Each attack leaves three of four images defended, both together two; and one, or none, right.
        assert!(text.contains("| **worst case of 2** | 0.015 | 4 | 0.0 % [0.0, 0.0] | | | | 50.0 % [50.0, 50.0] | |"), "{text}");
        assert!(text.contains("| `pgd-linf-0.015` | 1 | 0 | 2 | 1 |"), "{text}");
        assert!(files.iter().any(|(name, svg)| name == "detector-one-set-test-roc.svg" && svg.contains("polyline")));
        assert!(files.iter().any(|(name, _)| name == "detector-one-set-test-epsilon-linf.svg"));
    }
}
