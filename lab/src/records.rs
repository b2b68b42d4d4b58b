//! Run records: what was measured, as JSON files that the lab writes and the report reads.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    attack::record::Leakage,
    bench::purify::record::PurifyBench,
    detect::calibrate::CalibrateRecord,
    egress::record::Egress,
    evaluate::Evaluation,
    evaluate::Figures,
    evasion::{
        compare::Comparison,
        examples::Examples,
        record::{Benign, Evasion},
    },
    federate::record::FederateRecord,
    pack::FitRecord,
    purify::{calibrate::PurifierRecord, examples::PurifiedExamples, fidelity::FidelityRecord},
    train::run::Summary,
};

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Record {
    /// A training run and how its best weights, as floats with the trained head, do on the test split.
    Train {
        /// Short name.
        name: String,
        /// Settings, start, log.
        summary: Box<Summary>,
        /// Name of the data set of `test`.
        data: String,
        /// Test split; absent where it was not asked for.
        test: Option<Figures>,
    },
    /// The choice of storage and head of a pack.
    Fit(FitRecord),
    /// A pack on a split.
    Evaluate {
        /// Model.
        model: String,
        /// Version of the model.
        version: String,
        /// SHA-256 of the encoder.
        encoder: String,
        /// Data set.
        data: String,
        /// Split.
        split: String,
        /// The command line.
        command: String,
        /// Figures.
        evaluation: Box<Evaluation>,
    },
    /// The fit of a detector.
    Calibrate(Box<CalibrateRecord>),
    /// What attacks on messages gave away.
    Leakage(Box<Leakage>),
    /// An attack on a pack's answers.
    Evasion(Box<Evasion>),
    /// Changes of images without an attacker.
    Benign(Box<Benign>),
    /// Attacked phantoms with the detector's maps.
    Examples(Box<Examples>),
    /// The attacks beside another implementation.
    Comparison(Box<Comparison>),
    /// What relays that purify could rebuild of images.
    Egress(Box<Egress>),
    /// Speed of purification.
    PurifyBench(Box<PurifyBench>),
    /// The choice of a pack's purifier.
    Purifier(Box<PurifierRecord>),
    /// What purification does to clean images.
    Fidelity(Box<FidelityRecord>),
    /// Attacked phantoms, purified.
    Purified(Box<PurifiedExamples>),
    /// A simulated consortium.
    Federate(Box<FederateRecord>),
}

/// The project's folder of records.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results/runs")
}

/// Writes a record as `<name>.json`.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write(folder: &Path, name: &str, record: &Record) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(record)? + "\n";
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Reads all records of a folder in the order of their names.
///
/// # Errors
/// Where a file is no record.
pub fn read_all(folder: &Path) -> Result<Vec<Record>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("no run records in {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
    paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no run record", path.display()))
    };
    paths.iter().map(read).collect()
}
