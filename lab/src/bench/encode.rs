//! `lab bench encode`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use models::VitConfig;
use serde_json::Value;

use super::random_weights::random_weights;
use super::{peers, table};

/// Encoders in Chromium, beside onnxruntime-web with the same weights, one thread each.
#[derive(Args)]
pub struct Encode {
    /// Timed runs of each engine.
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Only the cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// The shipped pack to measure.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Chromium's program.
    #[arg(long, env = "CHROMIUM", default_value = "/usr/bin/chromium")]
    chromium: PathBuf,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

impl Encode {
    /// Measures and prints.
    ///
    /// # Errors
    /// A peer that cannot be installed or fails; an answer that is wrong.
    pub fn run(self) -> Result<()> {
        let wasm = peers::our_wasm()?;
        let cases = [
            (self.model.as_str(), None),
            ("ViT-Ti/16 at 224", Some(VitConfig::tiny16(224))),
            ("ViT-B/16 at 224", Some(VitConfig::base16(224))),
        ];
        let mut results = serde_json::Map::new();
        for (name, config) in cases.into_iter().filter(|(name, _)| name.contains(&self.only)) {
            eprintln!("Measuring {name} ...");
            let folder = self.prepare(name, config)?;
            results.insert(name.to_owned(), self.measure(&wasm, &folder)?);
        }
        let rows = results.iter().map(|(name, result)| row(name, result)).collect::<Result<Vec<_>>>()?;
        println!("One image, one thread, headless Chromium, median of {} runs in turn", self.runs);
        table::print(
            [
                "encoder",
                "ours ms",
                "onnxruntime-web ms",
                "ratio",
                "ours peak MB",
                "onnxruntime-web peak MB",
                "max difference",
                "detector ms",
                "detector / encoder",
            ],
            &rows,
        );
        if self.json {
            println!("{}", Value::Object(results));
        }
        Ok(())
    }

    /// A folder with the architecture, the weights, and the same weights as ONNX.
    fn prepare(&self, name: &str, config: Option<VitConfig>) -> Result<PathBuf> {
        let folder = peers::root().join("target/bench-encode").join(name.replace([' ', '/'], "-"));
        if folder.exists() {
            // A detector of an earlier run must not be measured with this model.
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let (config, weights) = match config {
            // The architecture is what is timed; its weights need not be trained.
            Some(config) => (config.clone(), random_weights(&config, 1).to_safetensors_f16()?),
            None => shipped(&peers::root().join("models/zoo").join(&self.model), &folder)?,
        };
        let architecture = serde_json::to_string(&config)?;
        fs::write(folder.join("architecture.json"), &architecture)?;
        fs::write(folder.join("weights.safetensors"), weights)?;
        let mut export = peers::python("export_onnx.py")?;
        export.arg(&architecture).arg(folder.join("weights.safetensors")).arg(folder.join("model.onnx"));
        peers::quiet(export)?;
        Ok(folder)
    }

    fn measure(&self, wasm: &Path, folder: &Path) -> Result<Value> {
        let mut node = peers::node("encode.mjs")?;
        node.arg(self.runs.to_string()).arg(wasm).arg(folder).arg(&self.chromium);
        peers::json(node)
    }
}

/// Architecture and weights of a pack's encoder; its detector, where it has one, is written to `folder`.
fn shipped(pack: &Path, folder: &Path) -> Result<(VitConfig, Vec<u8>)> {
    let pack = models::RelayPack::load_dir(pack).with_context(|| format!("the pack {} cannot be read", pack.display()))?;
    if let (Some(card), Some(bytes)) = (&pack.card.detector, &pack.detector_bytes) {
        fs::write(folder.join("detector.json"), serde_json::to_string(card)?)?;
        fs::write(folder.join("detector.safetensors"), bytes)?;
    }
    Ok((pack.card.encoder.architecture, pack.encoder_bytes))
}

fn row(name: &str, result: &Value) -> Result<[String; 9]> {
    let number = |key: &str| result[key].as_f64().with_context(|| format!("no {key} was reported"));
    let megabytes = |key: &str| number(key).map(|bytes| format!("{:.0}", bytes / 1e6));
    let optional = |key: &str, digits: usize| result[key].as_f64().map_or("–".into(), |value| format!("{value:.digits$}"));
    Ok([
        name.to_owned(),
        format!("{:.1}", number("ours_ms")?),
        format!("{:.1}", number("ort_ms")?),
        format!("{:.2}", number("ratio")?),
        megabytes("ours_memory_bytes")?,
        megabytes("ort_memory_bytes")?,
        format!("{:.1e}", number("max_difference")?),
        optional("detector_ms", 1),
        optional("detector_ratio", 2),
    ])
}
