//! The worst of several attacks, image by image: an image counts as defended only where every attack on it failed.

use serde_json::{Map, Value, json};

use super::record::{Evasion, Row, is_defended, is_right};
use crate::attack::record::Estimate;

/// What is left under all of a number of attacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worst {
    /// Right answers whatever the attack.
    pub undefended_accuracy: Estimate,
    /// Right answer, or flagged, whatever the attack.
    pub system_accuracy: Estimate,
}

/// The worst of `rows`, which are of the same images in the groups `group_of_image`; none where there are no rows or they do not fit.
pub fn worst(rows: &[&Row], group_of_image: &str) -> Option<Worst> {
    let groups: Vec<String> = group_of_image.split(' ').map(String::from).collect();
    let letters: Vec<Vec<char>> = rows.iter().map(|row| row.outcomes.chars().collect()).collect();
    if letters.is_empty() || letters.iter().any(|l| l.len() != groups.len()) {
        return None;
    }
    let all = |good: fn(char) -> bool| {
        let each = (0..groups.len()).map(|i| f64::from(u8::from(letters.iter().all(|l| good(l[i])))));
        Estimate::of(&each.collect::<Vec<f64>>(), &groups)
    };
    Some(Worst { undefended_accuracy: all(is_right), system_accuracy: all(is_defended) })
}

/// What `lab evaluate --attack` adds to its JSON object: the figures of the one attack, or the worst of several, and each of them.
pub fn json(records: &[Evasion]) -> Map<String, Value> {
    let rows: Vec<&Row> = records.iter().filter_map(Evasion::headline).collect();
    let mut out = Map::new();
    let Some(first) = records.first() else { return out };
    let mut put = |key: &str, estimate: Option<Estimate>| {
        if let Some(e) = estimate {
            out.insert(key.into(), json!(e.mean));
            out.insert(format!("{key}_ci_low"), json!(e.low));
            out.insert(format!("{key}_ci_high"), json!(e.high));
        } else {
            out.insert(key.into(), Value::Null);
        }
    };
    let all = worst(&rows, &first.group_of_image);
    let guarded = first.clean.fpr.is_some();
    let detected = || rows.iter().filter_map(|row| row.detected.as_ref());
    let least = |estimates: Vec<Estimate>| estimates.into_iter().min_by(|a, b| a.mean.total_cmp(&b.mean));
    put("undefended_accuracy", all.map(|w| w.undefended_accuracy));
    put("system_accuracy", all.filter(|_| guarded).map(|w| w.system_accuracy));
    put("detection_auc", least(detected().map(|d| d.auc).collect()));
    put("tpr", least(detected().map(|d| d.tpr).collect()));
    put("fpr", first.clean.fpr);
    put("clean_system_accuracy", first.clean.system_accuracy);
    put("rounded_accuracy", least(rows.iter().map(|r| r.rounded_accuracy).collect()));
    let each = records.iter().flat_map(|r| &r.rows).map(|row| (row.attack.clone(), one(row)));
    out.insert("attacks".into(), Value::Object(each.collect()));
    out
}

fn one(row: &Row) -> Value {
    let detected = row.detected.as_ref();
    json!({
        "undefended_accuracy": row.undefended_accuracy.mean,
        "rounded_accuracy": row.rounded_accuracy.mean,
        "success": row.success.map(|s| s.mean),
        "detection_auc": detected.map(|d| d.auc.mean),
        "tpr": detected.map(|d| d.tpr.mean),
        "system_accuracy": detected.map(|d| d.system_accuracy.mean),
        "rounded_system_accuracy": detected.map(|d| d.rounded_system_accuracy.mean),
        "filters": row.filters.iter().map(|f| json!({ "filter": f.filter, "auc": f.auc.mean, "accuracy": f.accuracy.mean })).collect::<Vec<_>>(),
    })
}
