//! ROC curves and sweeps of ε.

use std::fmt::Write;

use crate::{
    evasion::record::{Evasion, Row},
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
    swept
        .flat_map(|attack| {
            let line = |what: &str, value: &dyn Fn(&Row) -> Option<f64>| Line {
                name: format!("{}, {what}", attack.family),
                points: attack.rows.iter().filter_map(|row| Some((row.epsilon, value(row)?))).collect(),
            };
            let undefended = line("undefended", &|row| Some(row.undefended_accuracy.mean));
            let system = line("system", &|row| Some(row.detected.as_ref()?.system_accuracy.mean));
            [undefended, system].into_iter().filter(|line| !line.points.is_empty()).collect::<Vec<_>>()
        })
        .collect()
}
