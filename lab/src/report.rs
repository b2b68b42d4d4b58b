//! The report of a model: Markdown tables and a chart, from run records alone.

use std::fmt::Write;

use crate::{
    evaluate::{Evaluation, Figures},
    pack::FitRecord,
    plot::{Chart, Line, svg},
    records::Record,
    train::run::Summary,
};

/// The Markdown text of the report on `model`, which shows the chart in the file `chart`.
pub fn markdown(model: &str, records: &[Record], chart: &str) -> String {
    let mut out = format!(
        "# {model}\n\nWritten by `cargo lab report` from the run records in `runs/`; no figure here is typed by hand. Intervals are 95 %, by \
         bootstrap over groups: the data is full of near-copies of the same picture, and only whole groups are independent. Run, \
         epoch, head and storage of the shipped model were chosen on `val` alone; `test` decided nothing.\n"
    );
    starts(&mut out, model, records, chart);
    for record in records {
        if let Record::Fit(fit) = record
            && fit.model == model
        {
            storage(&mut out, fit);
        }
    }
    let learned = |record: &Record| matches!(record, Record::Federate(run) if run.model == model && run.processes);
    if records.iter().any(learned) {
        out.push_str(
            "\nThe head in the pack is that of a real round of sites on this encoder: see [federation.md](federation.md).\n",
        );
    }
    evaluations(&mut out, model, records);
    out
}

/// The chart of validation accuracy by epoch of the runs for `model`.
pub fn chart(model: &str, records: &[Record]) -> String {
    let lines: Vec<Line> = trained(model, records)
        .map(|(name, summary, _)| Line {
            name: name.to_string(),
            points: summary.epochs.iter().map(|e| (f64::from(e.epoch), e.val_accuracy)).collect(),
        })
        .collect();
    let chart = Chart { title: "Accuracy on val, averaged weights".into(), x: "epoch".into(), range: (0.5, 1.0) };
    svg(&chart, &lines)
}

/// Training runs on the data that the model was evaluated on.
fn trained<'a>(model: &str, records: &'a [Record]) -> impl Iterator<Item = (&'a str, &'a Summary, Option<&'a Figures>)> {
    let of_model = |record: &'a Record| match record {
        Record::Evaluate { model: of, data, .. } if of == model => Some(data),
        _ => None,
    };
    let known: Vec<&String> = records.iter().filter_map(of_model).collect();
    records.iter().filter_map(move |record| match record {
        Record::Train { name, summary, test, data } if known.contains(&data) => Some((name.as_str(), &**summary, test.as_ref())),
        _ => None,
    })
}

fn starts(out: &mut String, model: &str, records: &[Record], chart: &str) {
    out.push_str("\n## Training, by start\n\n");
    out.push_str(
        "Weights as floats, with the head that was trained along. The epoch is the best on `val`. \
                  Speeds are of the fastest epoch, on two cores that other work shared.\n\n",
    );
    out.push_str("| run | start | blocks | epochs (best) | val | test | images/s |\n|---|---|---|---|---|---|---|\n");
    for (name, summary, test) in trained(model, records) {
        let progress = &summary.progress;
        let speed = summary.epochs.iter().map(|e| e.images_per_second).fold(0.0, f64::max);
        let _ = writeln!(
            out,
            "| {name} | {} | {} | {} of {} ({}) | {} | {} | {speed:.0} |",
            summary.start,
            summary.config.encoder.depth,
            progress.epoch,
            summary.config.epochs,
            progress.best_epoch,
            progress.best.map_or("-".into(), |b| percent(b.0)),
            test.map_or("-".into(), with_interval)
        );
    }
    let _ = writeln!(out, "\n![Validation accuracy by epoch]({chart})\n");
    for (name, summary, _) in trained(model, records) {
        let _ = writeln!(out, "- {name}: `{}`", summary.command);
    }
}

fn storage(out: &mut String, fit: &FitRecord) {
    out.push_str("\n## Storage and head\n\nIntegers of ±255 for CLS token and weights, temperature fitted, on `val`.\n\n");
    out.push_str("| epoch | encoder stored as | bytes | head | accuracy | AUC | NLL | |\n|---|---|---|---|---|---|---|---|\n");
    for (i, c) in fit.candidates.iter().enumerate() {
        let auc = c.val_auc.map_or("-".into(), |a| format!("{a:.4}"));
        let mark = if i == fit.chosen { "shipped" } else { "" };
        let accuracy = percent(c.val_accuracy);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {accuracy} | {auc} | {:.4} | {mark} |",
            c.epoch, c.storage, c.bytes, c.head, c.val_nll
        );
    }
    let _ = writeln!(
        out,
        "\nLargest difference of a CLS value between int8 and f16 storage: {:.3}. Fitted by `{}`.",
        fit.int8_cls_difference, fit.command
    );
}

fn evaluations(out: &mut String, model: &str, records: &[Record]) {
    out.push_str("\n## The shipped model\n\n");
    for record in records {
        let Record::Evaluate { model: of, version, encoder, data, split, command, evaluation } = record else {
            continue;
        };
        if of == model {
            let _ = writeln!(
                out,
                "### {data}, `{split}`: {} images in {} groups\n\nVersion {version}, encoder `{}…`, `{command}`\n",
                evaluation.n,
                evaluation.groups,
                encoder.get(..12).unwrap_or(encoder)
            );
            table(out, evaluation);
        }
    }
}

fn table(out: &mut String, evaluation: &Evaluation) {
    out.push_str("| path | accuracy | balanced | AUC | NLL | calibration error |\n|---|---|---|---|---|---|\n");
    let mut row = |name: &str, f: &Figures| {
        let auc = f.auc.map_or("-".into(), |a| format!("{a:.4}"));
        let (accuracy, balanced) = (with_interval(f), percent(f.balanced_accuracy));
        let _ = writeln!(out, "| {name} | {accuracy} | {balanced} | {auc} | {:.4} | {:.4} |", f.nll, f.calibration_error);
    };
    row("plain", &evaluation.plain);
    row("quantised", &evaluation.quantised);
    if let Some(figures) = &evaluation.encrypted {
        row("encrypted", figures);
    }
    let _ = write!(out, "\nQuantised answers equal to plain ones: {}.", percent(evaluation.quantised_agreement));
    if let Some(agreement) = evaluation.encrypted_agreement {
        let _ = write!(out, " Images whose opened logits are exactly the quantised integers: {}.", percent(agreement));
    }
    out.push_str("\n\n");
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn with_interval(figures: &Figures) -> String {
    format!("{} [{:.1}, {:.1}]", percent(figures.accuracy), 100.0 * figures.ci_low, 100.0 * figures.ci_high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_holds_the_figures_of_the_records_and_no_others() {
        let figures = Figures {
            accuracy: 0.975,
            ci_low: 0.95,
            ci_high: 0.99,
            balanced_accuracy: 0.97,
            auc: Some(0.9987),
            nll: 0.1,
            calibration_error: 0.02,
        };
        let evaluation = Evaluation {
            n: 480,
            groups: 60,
            plain: figures.clone(),
            quantised: figures.clone(),
            encrypted: Some(figures),
            quantised_agreement: 1.0,
            encrypted_agreement: Some(1.0),
        };
        let record = |model: &str| Record::Evaluate {
            model: model.into(),
            version: "1".into(),
            encoder: "ab".repeat(32),
            data: "set".into(),
            split: "test".into(),
            command: "cargo lab evaluate".into(),
            evaluation: Box::new(evaluation.clone()),
        };
        let text = markdown("one", &[record("one"), record("two")], "one.svg");
        assert_eq!(text.matches("| encrypted | 97.5 % [95.0, 99.0] | 97.0 % | 0.9987 |").count(), 1, "{text}");
        assert!(text.contains("480 images in 60 groups") && text.contains("integers: 100.0 %"));
    }
}
