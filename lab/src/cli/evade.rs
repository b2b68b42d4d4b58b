//! `lab attack evade` and `lab attack compare`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::ProgressBar;

use super::evasion::{How, Victim};
use crate::{
    attack::subjects::PHANTOMS,
    data::{self, Split},
    evasion::{
        arena::Arena,
        cases::{self, Case},
        compare::{self, Comparison},
        evade::{Evaded, evade},
        examples::examples,
        registry::Spec,
    },
    pipeline::{Pipeline, pack_folder},
    purify,
    records::{self, Record},
};

/// Which pack and which images.
#[derive(Args)]
struct Which {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Split.
    #[arg(long, default_value = "test")]
    split: String,
    /// Column of the index that holds the classes.
    #[arg(long, default_value = "label")]
    label_column: String,
    #[command(flatten)]
    how: How,
}

impl Which {
    fn load(&self) -> Result<(Pipeline, Victim)> {
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        Ok((Pipeline::load(&folder)?, Victim::load(&folder, &self.how)?))
    }

    fn cases(&self, pipeline: &Pipeline, data: &Path, limit: usize) -> Result<Vec<Case>> {
        if data == Path::new(PHANTOMS) {
            return Ok(cases::phantoms(pipeline, limit, self.how.seed));
        }
        let split = Split::load_labelled(data, &self.split, &self.label_column, Some(limit))?;
        cases::of_split(pipeline, &split, self.how.seed)
    }
}

/// Write attacked images as PNG files, those that the pack answers wrongly from the file, each beside the image before.
#[derive(Args)]
pub struct Evade {
    #[command(flatten)]
    which: Which,
    /// Attack: KIND-NORM-EPSILON.
    #[arg(long, default_value = "pgd-linf-0.015")]
    attack: Spec,
    /// Folder with index.csv and the splits, or `phantoms`.
    #[arg(long, default_value = PHANTOMS)]
    data: PathBuf,
    /// Images to attack.
    #[arg(long, default_value_t = 8)]
    limit: usize,
    /// Folder for the files.
    #[arg(long)]
    out: PathBuf,
    /// Write a picture of the first ones with the detector's maps and one of them purified to docs/results, and records to
    /// docs/results/runs; of phantoms only.
    #[arg(long)]
    record: bool,
}

impl Evade {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or images cannot be read, no attack works, or files cannot be written.
    pub(super) fn run(self) -> Result<()> {
        ensure!(
            !self.record || self.data == Path::new(PHANTOMS),
            "only pictures of phantoms may be shown: leave --data or --record out"
        );
        let (pipeline, victim) = self.which.load()?;
        let cases = self.which.cases(&pipeline, &self.data, self.limit)?;
        let bar = ProgressBar::new(cases.len() as u64);
        let found = evade(&victim.arena(&pipeline), self.attack, &cases, &self.out, &|| bar.inc(1))?;
        bar.finish_and_clear();
        for (_, _, one) in &found {
            let score = |s: Option<f64>| s.map_or("-".into(), |s| format!("{s:.2}"));
            let flagged = if one.flagged { ", flagged" } else { "" };
            println!(
                "{}: {} is answered {} (score {} → {}{flagged})",
                one.attacked,
                one.class,
                one.answer,
                score(one.clean_score),
                score(one.score)
            );
        }
        println!("{} of {} images, in {}", found.len(), cases.len(), self.out.display());
        if self.record {
            self.show(&victim.arena(&pipeline), &found)?;
        }
        Ok(())
    }

    /// Writes the picture of the detector's maps and, where the pack has a purifier, that of the purified images, with their records.
    fn show(&self, arena: &Arena, found: &[(Case, Vec<f32>, Evaded)]) -> Result<()> {
        let put = |file: &str, picture: Vec<u8>, name: String, record: Record| -> Result<()> {
            let path = records::folder().join("..").join(file);
            std::fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{}", records::write(&records::folder(), &name, &record)?.display());
            Ok(())
        };
        let (sheet, picture) = examples(arena, self.attack, found, super::command_line())?;
        put(&sheet.file.clone(), picture, format!("examples-{}", sheet.model), Record::Examples(Box::new(sheet)))?;
        let Some(opponent) = arena.purifier else { return Ok(()) };
        let defence = opponent.defence(arena.judge);
        let (sheet, picture) = purify::examples::examples(&defence, self.attack, found, super::command_line())?;
        put(&sheet.file.clone(), picture, format!("purified-{}", sheet.model), Record::Purified(Box::new(sheet)))
    }
}

/// Run our PGD beside foolbox's on the same weights and the same images, and print both success rates.
#[derive(Args)]
pub struct Compare {
    #[command(flatten)]
    which: Which,
    /// Attacks: pgd-linf-EPSILON or pgd-l2-EPSILON, with the paper's steps.
    #[arg(long, value_delimiter = ',', default_value = "pgd-linf-0.002,pgd-linf-0.004,pgd-linf-0.015,pgd-l2-0.1")]
    attack: Vec<Spec>,
    /// Folder with index.csv and the splits [default: br35h of the shared data], or `phantoms`.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Images to attack.
    #[arg(long, default_value_t = 120)]
    limit: usize,
    /// Write the run record to docs/results/runs.
    #[arg(long)]
    record: bool,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

impl Compare {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or images cannot be read, or the peer cannot be installed or fails.
    pub(super) fn run(self) -> Result<()> {
        let (pipeline, victim) = self.which.load()?;
        let data = self.data.clone().unwrap_or_else(|| data::default_folder("br35h"));
        let cases = self.which.cases(&pipeline, &data, self.limit)?;
        let name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let arena = victim.arena(&pipeline);
        let subject = super::evasion::subject(&pipeline, &arena, &cases, (name, self.which.split.clone()), self.which.how.seed);
        let found: Comparison = compare::compare(&arena, &self.attack, &cases, subject)?;
        println!("{} images, beside {}", found.subject.n, found.peer);
        for row in &found.rows {
            let words = |e: crate::attack::record::Estimate| format!("{:.4} [{:.4}, {:.4}]", e.mean, e.low, e.high);
            let (ours, peers, difference) = (words(row.ours), words(row.peers), words(row.difference));
            println!(
                "{:<18} success on {} images: ours {ours}, the peer's {peers}, difference {difference}",
                row.attack, row.attacked
            );
        }
        let name = format!("comparison-{}-{}-{}", found.subject.model, found.subject.data, found.subject.split);
        let record = Record::Comparison(Box::new(found));
        if self.record {
            println!("{}", records::write(&records::folder(), &name, &record)?.display());
        }
        if self.json {
            println!("{}", serde_json::to_string(&record)?);
        }
        Ok(())
    }
}
