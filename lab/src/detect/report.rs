//! How detectors were fitted, for the report.

use std::fmt::Write;

use super::calibrate::{Basis, CalibrateRecord};

/// The scores that were tried, pack by pack.
pub fn calibrations(out: &mut String, records: &[&CalibrateRecord]) {
    if records.is_empty() {
        return;
    }
    out.push_str(
        "\n## How the scores were chosen\n\n\
         Every score that was tried, on the validation split: AUC of attacked against clean images, and the share of attacked images over a threshold that flags the \
         stated share of clean ones. *Reconstruction* is the masked autoencoder's error, standardised patch by patch; *token* the distance between the CLS tokens of \
         image and filtered copy; *drift* that distance along the directions in which attacks move the token most, against what filtering clean training images does.\n",
    );
    for record in records {
        one(out, record);
    }
}

fn one(out: &mut String, record: &CalibrateRecord) {
    let basis = match record.basis {
        Basis::Val => "validation",
        Basis::TrainAndVal => "training and validation",
    };
    let _ = writeln!(
        out,
        "\n### {} on {}\n\nThreshold {:.3}, set on clean {basis} images, every group counted the same: it flags {:.1} % of the validation and {:.1} % of the training images. \
         Written by `{}`.\n\n| score | directions | AUC | flagged | flagged of those answered wrongly |\n|---|---|---|---|---|",
        record.model,
        record.data,
        record.threshold,
        100.0 * record.val_fpr,
        100.0 * record.train_fpr,
        record.command
    );
    for (i, candidate) in record.candidates.iter().enumerate() {
        let parts = candidate.features.iter().map(|(feature, weight)| match weight {
            1.0 => format!("{feature:?}").to_lowercase(),
            weight => format!("{weight} {feature:?}").to_lowercase(),
        });
        let words = parts.collect::<Vec<_>>().join(" + ");
        let words = if i == record.chosen { format!("**{words}**") } else { words };
        let fooled = candidate.val_tpr_fooled.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share));
        let _ = writeln!(
            out,
            "| {words} | {} | {:.4} | {:.1} % | {fooled} |",
            candidate.directions,
            candidate.val_auc,
            100.0 * candidate.val_tpr
        );
    }
}
