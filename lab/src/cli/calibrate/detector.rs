//! `lab calibrate`: the detector.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use models::{card::Training, detector::Filter};
use serde_json::Value;

use crate::{
    attack::network::Network as Victim,
    data::{self, Split},
    detect::calibrate::{self, Basis, CalibrateRecord, Goal, Material, Network},
    evasion::{
        arena::{Arena, Settings},
        cases::{self, Case},
        judge::{Judge, normalised},
        registry::Spec,
        run::Outcome,
    },
    pipeline::{Pipeline, pack_folder},
    records::{self, Record},
    train::mae::run::MaeSummary,
};

/// Fit a pack's detector: what it measures on the training split, its threshold on the validation split.
#[derive(Args)]
pub struct Detector {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Folder of the finished run of `lab train mae`.
    #[arg(long, default_value = "target/lab/mae")]
    mae: PathBuf,
    /// Data folder [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Share of clean images that may be flagged.
    #[arg(long, default_value_t = 0.05)]
    rate: f64,
    /// The clean images that the threshold is set on.
    #[arg(long, value_enum, default_value = "val")]
    basis: Basis,
    /// Filter that makes the copy: mean-3x3 or mean-7x7.
    #[arg(long, value_parser = parse_filter, default_value = "mean-7x7")]
    filter: Filter,
    /// The attack whose images the score is chosen on.
    #[arg(long, default_value = "pgd-linf-0.015")]
    attack: Spec,
    /// At most this many training images, taken evenly over the split.
    #[arg(long)]
    limit: Option<usize>,
    /// Most training images that are attacked.
    #[arg(long, default_value_t = 420)]
    attacked: usize,
    /// Seed of the attack's starts.
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// Write the run record to docs/results/runs.
    #[arg(long)]
    record: bool,
}

fn parse_filter(name: &str) -> Result<Filter, String> {
    serde_json::from_value(Value::from(name)).map_err(|_| "known are mean-3x3 and mean-7x7".into())
}

impl Detector {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack, network or data cannot be read or do not fit.
    pub(super) fn run(self) -> Result<()> {
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        let network = read_network(&self.mae)?;
        let material = self.material(&folder)?;
        let goal = Goal { rate: self.rate, basis: self.basis };
        let record = calibrate::calibrate(&folder, &network, &material, self.filter, goal)?;
        print(&record);
        if self.record {
            let filter = serde_json::to_value(record.filter)?;
            let name = format!("calibrate-{}-{}", self.model, filter.as_str().unwrap_or_default());
            println!("{}", records::write(&records::folder(), &name, &Record::Calibrate(Box::new(record)))?.display());
        }
        Ok(())
    }

    fn material(&self, folder: &Path) -> Result<Material> {
        let pipeline = Pipeline::load(folder)?;
        let (victim, _) = Victim::load(folder)?;
        let judge = Judge { pipeline: &pipeline, guard: None };
        let arena =
            Arena { network: &victim, judge, surrogate: None, detector: None, purifier: None, settings: Settings::default() };
        let data = self.data.clone().unwrap_or_else(|| data::default_folder("br35h"));
        let split = |name: &str, limit| -> Result<Vec<Case>> {
            let split = Split::load(&data, name, limit).with_context(|| format!("the {name} split"))?;
            cases::of_split(&pipeline, &split, self.seed)
        };
        let (train, val) = (split("train", self.limit)?, split("val", None)?);
        let attack = |cases: &[Case]| arena.run(self.attack, cases, &|| ());
        let inputs = |images: &mut dyn Iterator<Item = &Vec<f32>>| -> Vec<Vec<f32>> {
            images.map(|image| normalised(&pipeline.card.preprocess, image)).collect()
        };
        let attacked_train = attack(&split("train", Some(self.attacked))?)?;
        let attacked_val = attack(&val)?;
        let fooled = |(outcome, case): (&Outcome, &Case)| outcome.judgement.answer != case.class;
        Ok(Material {
            train: inputs(&mut train.iter().map(|case| &case.image)),
            attacked_train: inputs(&mut attacked_train.iter().map(|outcome| &outcome.image)),
            val: inputs(&mut val.iter().map(|case| &case.image)),
            attacked_val: inputs(&mut attacked_val.iter().map(|outcome| &outcome.image)),
            fooled: attacked_val.iter().zip(&val).map(fooled).collect(),
            attack: self.attack.to_string(),
            data: data.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            train_groups: train.iter().map(|case| case.group.clone()).collect(),
            val_groups: val.iter().map(|case| case.group.clone()).collect(),
        })
    }
}

/// The network of a finished run of `lab train mae`.
fn read_network(folder: &Path) -> Result<Network> {
    let path = folder.join("summary.json");
    let text = std::fs::read(&path).with_context(|| format!("no finished run of `lab train mae` in {}", folder.display()))?;
    let summary: MaeSummary =
        serde_json::from_slice(&text).with_context(|| format!("{} is of no run of `lab train mae`", path.display()))?;
    let last = summary.epochs.last().context("the run has no epoch")?;
    let more = [
        ("val_loss", serde_json::json!((last.val_loss * 1e4).round() / 1e4)),
        // By way of text: a direct conversion would widen 0.1 to 0.10000000149011612.
        ("settings", serde_json::from_str(&serde_json::to_string(&summary.config)?)?),
    ];
    let training = Training {
        data: "the training images of the pack's encoder".into(),
        split: "train; clean images only, no labels".into(),
        seed: summary.config.seed,
        command: summary.command,
        start: summary.start,
        epochs: summary.progress.epoch,
        more: more.map(|(name, value)| (name.to_string(), value)).into_iter().collect(),
    };
    let weights = crate::cli::train::read_weights(&folder.join("best.safetensors"))?;
    Ok(Network { architecture: summary.config.architecture, weights, training })
}

fn print(record: &CalibrateRecord) {
    println!("{:<44} {:>10} {:>8} {:>8} {:>8}", "score", "directions", "AUC", "TPR", "fooled");
    for (i, candidate) in record.candidates.iter().enumerate() {
        let words: Vec<String> = candidate.features.iter().map(|(f, w)| format!("{w} {f:?}")).collect();
        let fooled = candidate.val_tpr_fooled.map_or("-".into(), |share| format!("{share:.4}"));
        let mark = if i == record.chosen { "  shipped" } else { "" };
        println!(
            "{:<44} {:>10} {:>8.4} {:>8.4} {fooled:>8}{mark}",
            words.join(" + "),
            candidate.directions,
            candidate.val_auc,
            candidate.val_tpr
        );
    }
    let CalibrateRecord { threshold, val_fpr, train_fpr, bytes, .. } = record;
    println!(
        "threshold {threshold:.4}, flags {val_fpr:.4} of the clean validation images and {train_fpr:.4} of the training ones; {bytes} bytes"
    );
}
