//! `docs/results/leakage.md`: tables, charts and pictures from the records alone.

use std::{collections::BTreeMap, fmt::Write};

use super::record::{Estimate, Inference, Leakage, Row};
use crate::{
    plot::{Chart, Line, svg},
    records::Record,
};

/// Files of the charts, beside the report.
pub const CHARTS: [&str; 2] = ["leakage-opened.svg", "leakage-membership.svg"];

const HEAD: &str = "# What leaks from each thing that could be sent\n\n\
    Written by `cargo lab report leakage` from the run records in `runs/`; no figure here is typed by hand. The attacker knows the encoder and the \
    head, and has the training split of the same data set; the attacked images are of `test` and of other groups (source pictures). \
    Pictures show phantoms only, drawn by this project; figures are of phantoms and of real images. Intervals are 95 %, by bootstrap over groups, \
    or over rounds where whole rounds were drawn.\n\n\
    PSNR in dB on values in 0..1 (100 at most); SSIM after Wang et al. 2004 (Gaussian window 11 × 11, σ 1.5); NMI is 2 I(A; B) / (H(A) + H(B)) of \
    64-bin histograms. The paper behind this project (arXiv 2511.20983) reports PSNR 52.26 dB, SSIM 0.999, NMI 0.741 for gradients. \
    Read every figure against the rows of sending nothing: an image of a head looks like any other to some degree.\n";

const GRADIENTS: &str = "\n## Gradients\n\n\
    The gradient of the mean cross-entropy by every parameter, as FedSGD sends it. *Closed form*: the gradient of the patch embedding is Σ_p δ_p x_pᵀ and \
    that of the positions is δ_p, so the patches x_p solve a linear system, exactly as long as there are no more patches than the token is \
    wide (64 and 192 here). The label and the CLS token are read off the head's gradient besides. A batch gives only sums over its images, and the same solve \
    gives their mixture. A noise multiplier is the deviation of each value's noise over the norm of the whole gradient, as DP-SGD counts it. *Gradient matching* \
    is the optimisation attack (cosine of each tensor, total variation, Adam); it needs no positions, and is far weaker than the closed form.\n";

const TOKENS: &str = "\n## Plaintext CLS tokens\n\n\
    Decoders trained on the training split's tokens and images; settings and epoch are chosen on `val`.\n";

const PROTOCOL: &str = "\n## What the protocol sends and opens\n\n\
    *Ciphertexts*: the bodies of a sealed token and of a contribution, in the place of the token, through the decoder of plaintext tokens and through one that was trained \
    on ciphertexts of the training split. They must do no better than random numbers and the mean image. *Opened statistics*: the sum over a cohort (sites × images of each site) that every \
    member sees at the end of a round, through the decoder of tokens: the mean token of the target's class, and the best of it and six points along the \
    principal directions of the opened second moments, picked by an oracle that knows the target. Noise is the Gaussian mechanism of `federation::privacy` on the whole \
    statistics (δ = 1e-5, one image added or removed). Cohorts of one site are shown for comparison: the rules refuse fewer than \
    three contributions to a sum.\n";

const MEMBERSHIP: &str = "\n## Membership in opened statistics\n\n\
    The attacker holds an image and asks whether it was in the sum. It knows the token exactly, the number of images, and a population of its own; four scores (product with the \
    mean, its likelihood ratio, leverage in the second moments at two levels) become one by logistic regression on simulated rounds. Without noise, a sum of \
    fewer images than the token is wide gives every member away: the second moments span only the members' tokens, and a stranger's token lies outside; beyond that, a leverage above 1 still excludes most strangers. \
    AUC 0.5 is guessing. The bound is Φ(μ/√2), the largest AUC that any attacker can reach against the noise, even one who knows all other images.\n";

const FOLLOWS: &str = "\n## What follows\n\n\
    - A gradient of one image *is* the image: the closed form needs one least-squares solve, no prior and no label, and half precision does not stop it. \
    In a small batch the image that the network gets most wrong may still come out. The protocol sends no gradient of the encoder.\n\
    - A plaintext token tells these decoders little more than the mean image does, yet where a lesion is shows in the pictures of phantoms. Another \
    attacker may have more images and a better decoder, so this is no bound, and tokens are never sent in the clear.\n\
    - Ciphertexts tell nothing: decoders do no better on them than on random numbers, and one that is trained on them gives the mean image.\n\
    - A sum over few images is close to a token of one of them where its class holds a single image: the minimum cohort counts sites, so sites should \
    bring several images of each class.\n\
    - Exact opened statistics prove membership, mainly by their second moments: whoever holds a token can tell whether it is in the sum, well beyond as many images as the \
    token is wide. Where that matters, noise is needed (or sums without second moments and many images); with it the attack falls towards guessing, and its bound is stated. \
    Groups hold near-copies of one picture: who is in the sum with k pictures is protected with k μ, so the bound of one image may be exceeded there.\n\n\
    Tried and weaker: gradient matching from grey, which stays at the level of the grey image. Left out: the closed form at the first attention (APRIL), which \
    is not exact in a pre-norm encoder and needs the same positions; generative priors; larger sets of the attacker's own images.\n";

/// Every file of the report, by name.
pub fn pages(records: &[Record]) -> Vec<(&'static str, String)> {
    let leakages = records.iter().filter_map(|record| match record {
        Record::Leakage(leakage) => Some(&**leakage),
        _ => None,
    });
    let leakages: Vec<&Leakage> = leakages.collect();
    let [opened, membership] = charts(&leakages);
    vec![("leakage.md", markdown(&leakages)), (CHARTS[0], opened), (CHARTS[1], membership)]
}

/// The Markdown text.
pub fn markdown(records: &[&Leakage]) -> String {
    let mut out = HEAD.to_string();
    summary(&mut out, records);
    let parts = [
        ("gradients", GRADIENTS, None),
        ("tokens", TOKENS, None),
        ("protocol", PROTOCOL, Some(("PSNR of what an opened sum shows", CHARTS[0]))),
        ("membership", MEMBERSHIP, Some(("AUC of membership inference", CHARTS[1]))),
    ];
    for (what, text, chart) in parts {
        out.push_str(text);
        if let Some((title, file)) = chart {
            let _ = writeln!(out, "\n![{title}]({file})");
        }
        for record in records.iter().filter(|r| r.what == what) {
            section(&mut out, record);
        }
    }
    out.push_str(FOLLOWS);
    out.push_str("\n## Commands\n\n");
    for record in records {
        let _ = writeln!(
            out,
            "- {}, {}, {}: `{}` (seed {}, {:.0} s)",
            record.what, record.model, record.data, record.command, record.seed, record.seconds
        );
    }
    out
}

/// One line for each kind of message: the strongest attack on it.
fn summary(out: &mut String, records: &[&Leakage]) {
    type Pick = (&'static str, fn(&Row) -> bool);
    let picks: [Pick; 7] = [
        ("nothing: mean image", |r| r.attack.starts_with("mean image")),
        ("gradient of one image", |r| r.sent == "gradient of one image"),
        ("gradient of a batch of 8", |r| r.sent == "gradient of a batch of 8" && r.attack.ends_with("every image")),
        ("plaintext CLS token", |r| r.sent == "CLS token"),
        ("sealed token", |r| r.sent.starts_with("sealed")),
        ("contribution", |r| r.sent.starts_with("contribution")),
        ("opened sum, 3 sites × 1 image", |r| {
            r.cohort == Some((3, 1)) && r.epsilon.is_none() && r.attack.starts_with("mean token")
        }),
    ];
    out.push_str("\n## In short\n\nThe strongest attack on each kind of message, by mean PSNR: dB, SSIM, NMI.\n\n| sent |");
    let mut sets: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for record in records {
        sets.entry((&record.model, &record.data)).or_default().extend(&record.rows);
    }
    for (model, data) in sets.keys() {
        let _ = write!(out, " {model}, {data} |");
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(sets.len()));
    for (name, picked) in picks {
        let _ = write!(out, "| {name} |");
        for rows in sets.values() {
            let best = rows.iter().filter(|row| picked(row)).max_by(|a, b| a.psnr.mean.total_cmp(&b.psnr.mean));
            let text = best.map_or("-".into(), |r| format!("{:.1}, {:.3}, {:.3}", r.psnr.mean, r.ssim.mean, r.nmi.mean));
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
}

fn section(out: &mut String, record: &Leakage) {
    let _ = writeln!(
        out,
        "\n### {} {}, {}\n\nEncoder `{}…`\n",
        record.model,
        record.version,
        record.data,
        record.encoder.get(..12).unwrap_or(&record.encoder)
    );
    if let Some(sheet) = &record.sheet {
        let _ = writeln!(
            out,
            "![{} of phantoms]({})\n\nFrom left to right: {}.\n",
            record.what,
            sheet.file,
            sheet.columns.join("; ")
        );
    }
    if !record.rows.is_empty() {
        fidelity_table(out, &record.rows);
    }
    if !record.membership.is_empty() {
        membership_table(out, &record.membership);
    }
    if !record.facts.is_empty() {
        let facts: Vec<String> = record.facts.iter().map(|(name, value)| format!("{name} {}", plain(*value))).collect();
        let _ = writeln!(out, "\nBesides: {}.", facts.join("; "));
    }
}

/// Up to four digits behind the point, fewer where they are zeros.
fn plain(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.1e}") } else { format!("{}", (value * 1e4).round() / 1e4) }
}

fn fidelity_table(out: &mut String, rows: &[Row]) {
    out.push_str("| sent | attack | images | PSNR | SSIM | NMI |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let cohort = row.cohort.map_or(String::new(), |(sites, per_site)| format!(", {sites} × {per_site}"));
        let noise = row.epsilon.map_or(String::new(), |e| format!(", ε = {e}"));
        let (psnr, ssim, nmi) = (interval(&row.psnr, 1), interval(&row.ssim, 3), interval(&row.nmi, 3));
        let _ = writeln!(out, "| {}{cohort}{noise} | {} | {} | {psnr} | {ssim} | {nmi} |", row.sent, row.attack, row.images);
    }
}

fn membership_table(out: &mut String, rows: &[Inference]) {
    out.push_str(
        "| sites × images | images | ε | targets | AUC | TPR at 1 % FPR | bound of the AUC |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let noise = row.epsilon.map_or("no noise".into(), |e| e.to_string());
        let bound = row.bound.map_or("-".into(), |b| format!("{b:.3}"));
        let (sites, per_site) = (row.sites, row.per_site);
        let opened = if row.moments { "all" } else { "counts and sums" };
        let (auc, tpr) = (interval(&row.auc, 3), interval(&row.tpr, 3));
        let _ = writeln!(
            out,
            "| {sites} × {per_site} | {} | {opened} | {noise} | {} | {auc} | {tpr} | {bound} |",
            sites * per_site,
            row.targets
        );
    }
}

fn interval(estimate: &Estimate, digits: usize) -> String {
    format!("{:.digits$} [{:.digits$}, {:.digits$}]", estimate.mean, estimate.low, estimate.high)
}

/// The charts, in the order of [`CHARTS`].
pub fn charts(records: &[&Leakage]) -> [String; 2] {
    let noise = |epsilon: Option<f64>| epsilon.map_or("no noise".to_string(), |e| format!("ε = {e}"));
    let mut opened: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let mut member: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for record in records {
        for row in record.rows.iter().filter(|r| r.attack.starts_with("mean token")) {
            if let Some((sites, per_site)) = row.cohort {
                let name = format!("{}, {}", record.data, noise(row.epsilon));
                opened.entry(name).or_default().push(((sites * per_site) as f64, row.psnr.mean));
            }
        }
        for row in &record.membership {
            let opened = if row.moments { "" } else { ", counts and sums only" };
            let name = format!("{}, {}{opened}", record.data, noise(row.epsilon));
            member.entry(name).or_default().push(((row.sites * row.per_site) as f64, row.auc.mean));
        }
    }
    let draw = |title: &str, range: (f64, f64), lines: BTreeMap<String, Vec<(f64, f64)>>| {
        let sorted = |(name, mut points): (String, Vec<(f64, f64)>)| {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            points.dedup_by(|a, b| a.0 == b.0);
            Line { name, points }
        };
        let lines: Vec<Line> = lines.into_iter().map(sorted).collect();
        svg(&Chart { title: title.into(), x: "images in the sum".into(), range }, &lines)
    };
    [
        draw("PSNR of the decoded class mean against images of the cohort, dB", (0.0, 30.0), opened),
        draw("AUC of membership inference", (0.4, 1.0), member),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::fidelity::Fidelity;

    fn record(what: &str) -> Leakage {
        let found = [Fidelity { psnr: 61.25, ssim: 0.9991, nmi: 0.875 }];
        let row = Row::new("gradient of one image", "closed form", &found, &["a".to_string()]);
        let flat = Estimate { mean: 0.625, low: 0.5, high: 0.75 };
        Leakage {
            what: what.into(),
            model: "one".into(),
            version: "1".into(),
            encoder: "ab".repeat(32),
            data: "phantoms".into(),
            seed: 3,
            command: "cargo lab attack invert".into(),
            seconds: 2.0,
            rows: if what == "gradients" { vec![row] } else { Vec::new() },
            membership: if what == "membership" {
                vec![Inference {
                    sites: 3,
                    per_site: 8,
                    moments: true,
                    epsilon: Some(2.0),
                    bound: Some(0.7),
                    targets: 80,
                    auc: flat,
                    tpr: flat,
                }]
            } else {
                Vec::new()
            },
            facts: BTreeMap::from([("labels read".to_string(), 1.0)]),
            sheet: None,
        }
    }

    #[test]
    fn the_report_holds_the_figures_of_the_records() {
        let (gradients, membership) = (record("gradients"), record("membership"));
        let text = markdown(&[&gradients, &membership]);
        let rows = [
            "| gradient of one image | closed form | 1 | 61.2 [61.2, 61.2] | 0.999 [0.999, 0.999] | 0.875 [0.875, 0.875] |",
            "| gradient of one image | 61.2, 0.999, 0.875 |",
            "| 3 × 8 | 24 | all | 2 | 80 | 0.625 [0.500, 0.750] | 0.625 [0.500, 0.750] | 0.700 |",
            "labels read 1",
        ];
        for row in rows {
            assert!(text.contains(row), "{row} is not in {text}");
        }
        assert!(charts(&[&gradients, &membership])[1].contains("phantoms, ε = 2"));
    }
}
