//! `lab fit` and `lab record`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::train::{images, read_summary, read_weights};
use crate::{
    data::{self, Split},
    evaluate::figures,
    fit::softmax,
    pack::{self, Epoch, FitData},
    pipeline, records,
    records::Record,
    train::{
        checkpoint,
        params::Layout,
        run::{Folder, Summary},
        step::infer,
    },
};

/// Fit a head on the CLS tokens of a finished run and write the model pack.
#[derive(Args)]
pub struct Fit {
    /// Folder of the finished run.
    #[arg(long, default_value = "target/lab/encoder")]
    run: PathBuf,
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Data folder [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Texts of the card [default: lab/cards/<model>.json]
    #[arg(long)]
    card: Option<PathBuf>,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Write the run record to docs/results/runs.
    #[arg(long)]
    record: bool,
}

impl Fit {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the run, the data or the texts cannot be read.
    pub fn run(self) -> Result<()> {
        let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("cards/{}.json", self.model));
        let card = self.card.clone().unwrap_or_else(own);
        let text = std::fs::read(&card).with_context(|| format!("no texts for the card at {}", card.display()))?;
        let text = serde_json::from_slice(&text).with_context(|| format!("{} is incomplete", card.display()))?;
        let folder = Folder::make(&self.run)?;
        let summary = read_summary(&folder)?;
        let epochs = epochs(&summary, &folder)?;
        let data = self.data.unwrap_or_else(|| data::default_folder("br35h"));
        let set = |name: &str| images(&Split::load(&data, name, None)?, &summary.config.preprocess);
        let data = FitData { train: set("train")?, val: set("val")? };
        let target = pipeline::pack_folder(self.zoo.as_deref(), &self.model);
        let record = pack::fit(&summary, &epochs, &data, &text, &self.model, &target)?;
        println!("{:<6} {:<6} {:>9}  {:<26} {:>8} {:>8}", "epoch", "stored", "bytes", "head", "val", "nll");
        for (i, c) in record.candidates.iter().enumerate() {
            let mark = if i == record.chosen { "  shipped" } else { "" };
            println!(
                "{:<6} {:<6} {:>9}  {:<26} {:>8.4} {:>8.4}{mark}",
                c.epoch, c.storage, c.bytes, c.head, c.val_accuracy, c.val_nll
            );
        }
        println!("{}", target.display());
        if self.record {
            let name = format!("fit-{}", self.model);
            println!("{}", records::write(&records::folder(), &name, &Record::Fit(record))?.display());
        }
        Ok(())
    }
}

/// The averaged weights of a run's best epoch and of its last.
fn epochs(summary: &Summary, folder: &Folder) -> Result<Vec<Epoch>> {
    let mut epochs = vec![Epoch { number: summary.progress.best_epoch, weights: read_weights(&folder.best())? }];
    if summary.progress.epoch != summary.progress.best_epoch {
        let (progress, state) = checkpoint::load(&folder.last(), &summary.config)?;
        let layout = Layout::new(&summary.config.encoder, summary.config.labels.len());
        layout.check(&state.ema)?;
        epochs.push(Epoch { number: progress.epoch, weights: layout.tensors(&state.ema, true) });
    }
    Ok(epochs)
}

/// Keep a finished training run for the report, with its figures on the test split.
#[derive(Args)]
pub struct Keep {
    /// Folder of the finished run.
    #[arg(long)]
    run: PathBuf,
    /// Name in the report.
    #[arg(long)]
    name: String,
    /// Data folder [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Keep {
    /// Runs the command.
    ///
    /// # Errors
    /// Where the run or the data cannot be read.
    pub fn run(self) -> Result<()> {
        let folder = Folder::make(&self.run)?;
        let summary = read_summary(&folder)?;
        let layout = Layout::new(&summary.config.encoder, summary.config.labels.len());
        let mut weights = layout.random(0);
        layout.load(&read_weights(&folder.best())?, &mut weights)?;
        let data = self.data.unwrap_or_else(|| data::default_folder("br35h"));
        let test = Split::load(&data, "test", None)?;
        let set = images(&test, &summary.config.preprocess)?;
        let (logits, _) = infer(&summary.config, &layout, &weights, &set);
        let wide = |row: &[f32]| softmax(&row.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>());
        let probabilities: Vec<Vec<f64>> = logits.chunks_exact(layout.classes).map(wide).collect();
        let groups: Vec<String> = test.samples.iter().map(|s| s.group.clone()).collect();
        let figures = figures(&probabilities, &set.classes, &groups);
        println!("test {:.4} [{:.4}, {:.4}]", figures.accuracy, figures.ci_low, figures.ci_high);
        let data = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("train-{}", self.name);
        let record = Record::Train { name: self.name, summary: Box::new(summary), data, test: Some(figures) };
        println!("{}", records::write(&records::folder(), &name, &record)?.display());
        Ok(())
    }
}
