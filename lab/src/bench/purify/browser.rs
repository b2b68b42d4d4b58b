//! Purification in Chromium, on the CPU engine that pages run.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use models::RelayPack;

use super::record::Browser;
use crate::bench::peers;

/// Measures encoder and purifier of a pack in turn.
///
/// # Errors
/// A browser that fails, or a purified image that is not one.
pub fn measure(pack: &RelayPack, runs: usize, chromium: &Path) -> Result<Browser> {
    let wasm = peers::our_wasm()?;
    let folder = peers::root().join("target/bench-purify").join(&pack.card.id);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("card.json"), serde_json::to_string(&pack.card)?)?;
    fs::write(folder.join("encoder.safetensors"), &pack.encoder_bytes)?;
    let purifier = pack.purifier_bytes.as_ref().context("the pack has no purifier")?;
    fs::write(folder.join("purifier.safetensors"), purifier)?;
    let mut node = peers::node("purify.mjs")?;
    node.arg(runs.to_string()).arg(wasm).arg(folder).arg(chromium);
    let found = peers::json(node)?;
    let number = |key: &str| found[key].as_f64().with_context(|| format!("no {key} was reported"));
    let values = pack.card.preprocess.channels.count() * pack.card.preprocess.size.pow(2);
    ensure!(found["values"] == values, "the purified image has another size");
    Ok(Browser {
        version: found["browser"].as_str().unwrap_or_default().to_owned(),
        runs,
        encoder_ms: number("encoder_ms")?,
        one_step_ms: number("one_step_ms")?,
        ten_steps_ms: number("ten_steps_ms")?,
    })
}
