//! What `lab evaluate --purify` adds to its JSON object.

use serde_json::{Map, Value, json};

use super::record::{Purified, Who};
use crate::{attack::record::Estimate, evasion::record::Evasion};

/// The figures of the first defence, the worst of several attacks; and each of them in `purification`.
pub fn json(records: &[Evasion]) -> Map<String, Value> {
    let rows: Vec<_> = records.iter().filter_map(Evasion::headline).collect();
    let mut out = Map::new();
    for (who, prefix) in [(Who::Flagged, "purified"), (Who::All, "purify_all")] {
        let firsts: Vec<&Purified> = rows.iter().filter_map(|row| row.purified.iter().find(|p| p.who == who)).collect();
        let mut put = |key: &str, estimate: Option<Estimate>| {
            let Some(e) = estimate else { return };
            out.insert(format!("{prefix}_{key}"), json!(e.mean));
            out.insert(format!("{prefix}_{key}_ci_low"), json!(e.low));
            out.insert(format!("{prefix}_{key}_ci_high"), json!(e.high));
        };
        let least = |pick: fn(&Purified) -> Estimate| firsts.iter().map(|p| pick(p)).min_by(|a, b| a.mean.total_cmp(&b.mean));
        put("accuracy", least(|p| p.accuracy));
        put("accepted", least(|p| p.accepted));
        put("clean_accuracy", least(|p| p.clean_accuracy));
        put("clean_loss", firsts.first().map(|p| p.clean_loss));
    }
    let each = rows.iter().filter(|row| !row.purified.is_empty()).map(|row| (row.attack.clone(), json!(row.purified)));
    let each: Map<String, Value> = each.collect();
    if !each.is_empty() {
        out.insert("purification".into(), Value::Object(each));
    }
    out
}
