//! Tables of the report.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    attack::record::Estimate,
    evasion::{
        compare::Comparison,
        examples::Examples,
        record::{Benign, Evasion, Row},
        worst::worst,
    },
};

/// `12.3 % [11.0, 13.5]`.
pub fn percent(e: Estimate) -> String {
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * e.mean, 100.0 * e.low, 100.0 * e.high)
}

fn area(e: Estimate) -> String {
    format!("{:.4} [{:.4}, {:.4}]", e.mean, e.low, e.high)
}

fn or_dash(estimate: Option<Estimate>, words: fn(Estimate) -> String) -> String {
    estimate.map_or("-".into(), words)
}

/// Clean figures, and every attack at every ε with the undefended model beside it.
pub fn attacks(out: &mut String, attacks: &[&Evasion]) {
    let Some(first) = attacks.first() else { return };
    let (subject, clean) = (&first.subject, &first.clean);
    let _ = write!(out, "\n{} images in {} groups. Clean: accuracy {}", subject.n, subject.groups, percent(clean.accuracy));
    if let (Some(fpr), Some(system), Some(threshold)) = (clean.fpr, clean.system_accuracy, subject.threshold) {
        let (fpr, system) = (percent(fpr), percent(system));
        let _ = write!(out, "; flagged wrongly at the pack's threshold of {threshold:.3} {fpr}; right and not flagged {system}");
    } else {
        out.push_str("; this pack has no detector");
    }
    out.push_str(".\n\n| attack | ε | images | undefended | as PNG | detection AUC | flagged | system | as PNG |\n|---|---|---|---|---|---|---|---|---|\n");
    for (attack, row) in attacks.iter().flat_map(|a| a.rows.iter().map(move |row| (a, row))) {
        let d = row.detected.as_ref();
        let on = attack.surrogate.as_ref().map_or(String::new(), |s| format!(" (made on {s})"));
        let _ = writeln!(
            out,
            "| {}{on} | {} | {} | {} | {} | {} | {} | {} | {} |",
            if row.epsilon == attack.epsilon { format!("**{}**", attack.family) } else { attack.family.clone() },
            row.epsilon,
            attack.subject.n,
            percent(row.undefended_accuracy),
            short(row.rounded_accuracy),
            or_dash(d.map(|d| d.auc), area),
            or_dash(d.map(|d| d.tpr), percent),
            or_dash(d.map(|d| d.system_accuracy), percent),
            d.map_or("-".into(), |d| short(d.rounded_system_accuracy))
        );
    }
    worst_rows(out, attacks);
}

fn short(e: Estimate) -> String {
    format!("{:.1} %", 100.0 * e.mean)
}

/// The worst case over attacks of the same norm and ε on the same images, where there are several.
fn worst_rows(out: &mut String, attacks: &[&Evasion]) {
    let mut same: BTreeMap<String, Vec<(&Evasion, &Row)>> = BTreeMap::new();
    for (attack, row) in attacks.iter().flat_map(|a| a.rows.iter().map(move |row| (*a, row))) {
        let norm = attack.family.rsplit('-').next().unwrap_or_default();
        same.entry(format!("{norm} {:.6} {}", row.epsilon, attack.group_of_image)).or_default().push((attack, row));
    }
    for rows in same.values().filter(|rows| rows.len() > 1) {
        let of: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
        let Some(all) = worst(&of, &rows[0].0.group_of_image) else { continue };
        let system = if rows[0].1.detected.is_some() { percent(all.system_accuracy) } else { "-".into() };
        let (epsilon, images, undefended) = (rows[0].1.epsilon, rows[0].0.subject.n, percent(all.undefended_accuracy));
        let count = rows.len();
        let _ = writeln!(out, "| **worst case of {count}** | {epsilon} | {images} | {undefended} | | | | {system} | |");
    }
}

/// Images by answer and flag at the pack's threshold.
pub fn confusion(out: &mut String, attacks: &[&Evasion]) {
    let Some(first) = attacks.first().filter(|a| a.clean.fpr.is_some()) else { return };
    out.push_str("\nImages at the operating point:\n\n| | right, passed | right, flagged | wrong, flagged | wrong, passed |\n|---|---|---|---|---|\n");
    let mut line = |name: &str, outcomes: &str| {
        let count = |letter: char| outcomes.chars().filter(|c| *c == letter).count();
        let _ = writeln!(out, "| {name} | {} | {} | {} | {} |", count('r'), count('R'), count('W'), count('w'));
    };
    line("clean", &first.clean.outcomes);
    attacks.iter().filter_map(|a| a.headline()).for_each(|row| line(&format!("`{}`", row.attack), &row.outcomes));
}

/// The two-line filters at the ε that were asked for.
pub fn filters(out: &mut String, attacks: &[&Evasion]) {
    out.push_str(
        "\nTwo-line filters beside it: an image is suspect where the probabilities change under the filter. Nobody attacks these filters here.\n\n\
         | attack | filter | detection AUC | accuracy behind it | clean accuracy behind it |\n|---|---|---|---|---|\n",
    );
    for row in attacks.iter().filter_map(|a| a.headline()) {
        for f in &row.filters {
            let (accuracy, clean) = (percent(f.accuracy), percent(f.clean_accuracy));
            let _ = writeln!(out, "| `{}` | {} | {} | {accuracy} | {clean} |", row.attack, f.filter, area(f.auc));
        }
    }
}

/// Changes without an attacker.
pub fn benign(out: &mut String, benign: &Benign) {
    out.push_str(
        "\nChanges without an attacker; whatever is flagged here is a false alarm:\n\n\
         | artefact | strength | images | flagged | accuracy | right and not flagged |\n|---|---|---|---|---|---|\n",
    );
    for row in &benign.rows {
        let (flagged, system) = (or_dash(row.fpr, percent), or_dash(row.system_accuracy, percent));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {flagged} | {} | {system} |",
            row.artefact,
            row.strength,
            row.n,
            percent(row.accuracy)
        );
    }
}

/// What computed the figures, and with how many attempts.
pub fn commands(out: &mut String, attacks: &[&Evasion], benign: Option<&Benign>) {
    out.push('\n');
    for attack in attacks {
        let subject = &attack.subject;
        let _ = writeln!(
            out,
            "- {}: attempts {}, seed {}, encoder `{}…`, `{}`",
            attack.family,
            attack.restarts,
            subject.seed,
            subject.encoder.get(..12).unwrap_or(&subject.encoder),
            subject.command
        );
    }
    if let Some(benign) = benign {
        let _ = writeln!(out, "- artefacts: `{}`", benign.subject.command);
    }
}

/// Pictures of phantoms.
pub fn examples(out: &mut String, examples: &[&Examples]) {
    if !examples.is_empty() {
        out.push_str("\n## Examples\n\nPhantoms, drawn by this project; no picture here is of anybody.\n");
    }
    for e in examples {
        let _ = writeln!(out, "\n![{} under {}]({})\n", e.model, e.attack, e.file);
        let _ = writeln!(out, "{}, `{}`; columns: {}. Written by `{}`.\n", e.model, e.attack, e.columns.join(", "), e.command);
        out.push_str("| phantom | score before | score after | answer after | flagged |\n|---|---|---|---|---|\n");
        for row in &e.rows {
            let score = |s: Option<f64>| s.map_or("-".into(), |s| format!("{s:.2}"));
            let (before, after) = (score(row.clean_score), score(row.score));
            let flagged = if row.flagged { "yes" } else { "no" };
            let _ = writeln!(out, "| {} | {before} | {after} | {} instead of {} | {flagged} |", row.clean, row.answer, row.class);
        }
    }
}

/// The attacks beside another implementation of them.
pub fn comparisons(out: &mut String, comparisons: &[&Comparison]) {
    if comparisons.is_empty() {
        return;
    }
    out.push_str(
        "\n## Beside another implementation\n\n\
         The same weights and images, exported; success is a wrong answer of the real pipeline among images that were right before.\n\n\
         | model | attack | images | ours | peer | peer's | difference |\n|---|---|---|---|---|---|---|\n",
    );
    for (c, row) in comparisons.iter().flat_map(|c| c.rows.iter().map(move |row| (c, row))) {
        let (ours, peers, difference) = (percent(row.ours), percent(row.peers), percent(row.difference));
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {ours} | {} | {peers} | {difference} |",
            c.subject.model, row.attack, row.attacked, c.peer
        );
    }
}
