//! ROC curves and sweeps of ε.

use std::fmt::Write;

use crate::{
    evasion::record::{Evasion, Row, is_defended, is_right},
    plot::{Chart, Line, svg},
};

/// Adds the charts to the text, and returns their files.
pub fn put(out: &mut String, name: &str, attacks: &[&Evasion]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut show = |kind: &str, chart: Chart, lines: Vec<Line>| {
        if lines.iter().any(|line| line.points.len() > 1) {
            let file = format!("{name}-{kind}.svg");
            let _ = writeln!(out, "\n![{}]({file})", chart.title);
            files.push((file, svg(&chart, &lines)));
        }
    };
    let roc = Chart {
        title: "ROC of the detector: share of attacked images flagged".into(),
        x: "share of clean images flagged".into(),
        range: (0.0, 1.0),
    };
    show("roc", roc, curves(attacks));
    for norm in ["linf", "l2"] {
        let title = format!("Accuracy by ε ({})", if norm == "linf" { "L∞" } else { "L2" });
        show(&format!("epsilon-{norm}"), Chart { title, x: "ε".into(), range: (0.0, 1.0) }, sweeps(attacks, norm));
    }
    files
}

fn curves(attacks: &[&Evasion]) -> Vec<Line> {
    let curve = |row: &Row| Some(Line { name: row.attack.clone(), points: row.detected.as_ref()?.roc.clone() });
    attacks.iter().filter_map(|a| a.headline()).filter_map(curve).collect()
}

fn sweeps(attacks: &[&Evasion], norm: &str) -> Vec<Line> {
    let swept = attacks.iter().filter(|a| a.rows.len() > 1 && a.family.ends_with(norm));
    swept.flat_map(|attack| [undefended(attack), system(attack)]).filter(|line| line.points.len() > 1).collect()
}

fn undefended(attack: &Evasion) -> Line {
    line(attack, "undefended", is_right, |row| Some(row.undefended_accuracy.mean))
}

fn system(attack: &Evasion) -> Line {
    line(attack, "system", is_defended, |row| Some(row.detected.as_ref()?.system_accuracy.mean))
}

/// The share of good outcomes by ε, that of the clean images first.
fn line(attack: &Evasion, what: &str, good: fn(char) -> bool, value: fn(&Row) -> Option<f64>) -> Line {
    let clean = &attack.clean.outcomes;
    let before = clean.chars().filter(|c| good(*c)).count() as f64 / clean.len().max(1) as f64;
    let rows = attack.rows.iter().filter(|row| row.epsilon > 0.0);
    let points = rows.filter_map(|row| Some((row.epsilon, value(row)?)));
    Line { name: format!("{}, {what}", attack.family), points: std::iter::once((0.0, before)).chain(points).collect() }
}
