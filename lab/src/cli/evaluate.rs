//! `lab evaluate`, `lab encode` and `lab phantom`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::ProgressBar;

use super::evasion::Evaluated;
use crate::{
    data::{self, Split},
    evaluate::{Evaluation, Figures, evaluate},
    evasion::cases,
    pack,
    pipeline::{Pipeline, pack_folder},
    records::{self, Record},
};

/// Which pack to use, and how.
#[derive(Args)]
pub struct Model {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
}

impl Model {
    fn folder(&self) -> PathBuf {
        pack_folder(self.zoo.as_deref(), &self.model)
    }

    fn load(&self) -> Result<Pipeline> {
        Pipeline::load(&self.folder())
    }
}

/// Evaluate a model on a split: plain, quantised and encrypted.
#[derive(Args)]
pub struct Evaluate {
    #[command(flatten)]
    model: Model,
    /// Folder with index.csv and <split>.tar [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Split.
    #[arg(long, default_value = "test")]
    split: String,
    /// Column of the index that holds the classes.
    #[arg(long, default_value = "label")]
    label_column: String,
    /// At most this many images, taken evenly over the split.
    #[arg(long)]
    limit: Option<usize>,
    /// Leave the encrypted path out.
    #[arg(long)]
    plain_only: bool,
    #[command(flatten)]
    attacks: super::evasion::Attacks,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Write run records to docs/results/runs: of the attacks or artefacts, or else of the evaluation, whose figures also go to the
    /// model's card.
    #[arg(long)]
    record: bool,
}

impl Evaluate {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or data cannot be read, or the labels are not the model's classes.
    pub fn run(self) -> Result<()> {
        let folder = self.data.clone().unwrap_or_else(|| data::default_folder("br35h"));
        let split = Split::load_labelled(&folder, &self.split, &self.label_column, self.limit)?;
        let pipeline = self.model.load()?;
        let bar = ProgressBar::new(split.samples.len() as u64);
        let evaluation = evaluate(&pipeline, &split, !self.plain_only, &|| bar.inc(1))?;
        bar.finish_and_clear();
        print(&evaluation);
        let data = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut json = evaluation.json();
        if self.attacks.wanted() {
            let cases = cases::of_split(&pipeline, &split, self.attacks.how.seed)?;
            let (folder, split) = (self.model.folder(), self.split.clone());
            let evaluated = Evaluated { pipeline: &pipeline, folder, cases: &cases, data, split };
            let found = self.attacks.run(&evaluated, self.record)?;
            if let Some(object) = json.as_object_mut() {
                object.extend(found);
            }
        } else if self.record {
            let name = format!("evaluate-{}-{data}-{}", pipeline.card.id, self.split);
            pack::add_metrics(&self.model.folder(), &data, &self.split, &evaluation)?;
            let record = Record::Evaluate {
                model: pipeline.card.id.clone(),
                version: pipeline.card.version.clone(),
                encoder: pipeline.card.encoder.sha256.clone(),
                data,
                split: self.split.clone(),
                command: super::command_line(),
                evaluation: Box::new(evaluation.clone()),
            };
            println!("{}", records::write(&records::folder(), &name, &record)?.display());
        }
        if self.json {
            println!("{json}");
        }
        Ok(())
    }
}

fn print(evaluation: &Evaluation) {
    println!("{} images in {} groups; intervals: 95 %, bootstrap over groups", evaluation.n, evaluation.groups);
    println!("{:<10} {:>8}  {:<16} {:>8} {:>7} {:>7} {:>7}", "", "accuracy", "interval", "balanced", "AUC", "NLL", "ECE");
    let row = |name: &str, f: &Figures| {
        let auc = f.auc.map_or("-".into(), |a| format!("{a:.4}"));
        let interval = format!("[{:.4}, {:.4}]", f.ci_low, f.ci_high);
        println!(
            "{name:<10} {:>8.4}  {interval:<16} {:>8.4} {auc:>7} {:>7.4} {:>7.4}",
            f.accuracy, f.balanced_accuracy, f.nll, f.calibration_error
        );
    };
    row("plain", &evaluation.plain);
    row("quantised", &evaluation.quantised);
    println!("quantised answers equal to the plain ones: {}", evaluation.quantised_agreement);
    if let (Some(figures), Some(agreement)) = (&evaluation.encrypted, evaluation.encrypted_agreement) {
        row("encrypted", figures);
        println!("images whose opened logits are exactly the quantised integers: {agreement}");
    }
}

/// Run one image through the native pipeline.
#[derive(Args)]
pub struct Encode {
    #[command(flatten)]
    model: Model,
    /// PNG or JPEG file.
    #[arg(long)]
    image: PathBuf,
    /// Print one JSON object: cls, quantised, logits, probabilities.
    #[arg(long)]
    json: bool,
}

impl Encode {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or image cannot be read.
    pub fn run(self) -> Result<()> {
        let pipeline = self.model.load()?;
        let file = std::fs::read(&self.image).with_context(|| format!("cannot read {}", self.image.display()))?;
        let encoded = pipeline.encode(&file)?;
        if self.json {
            println!("{}", serde_json::to_string(&encoded)?);
            return Ok(());
        }
        for (class, p) in pipeline.card.classes.iter().zip(&encoded.probabilities) {
            println!("{:<24} {:>6.2} %", class.label, 100.0 * p);
        }
        Ok(())
    }
}

/// Draw a phantom: a picture made by this program, of nobody.
#[derive(Args)]
pub struct Phantom {
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw a lesion.
    #[arg(long)]
    lesion: bool,
    /// Side in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// PNG file to write.
    out: PathBuf,
}

impl Phantom {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn run(self) -> Result<()> {
        let png = models::phantom::brain_phantom_png(self.seed, self.lesion, self.size)?;
        std::fs::write(&self.out, png).with_context(|| format!("cannot write {}", self.out.display()))
    }
}
