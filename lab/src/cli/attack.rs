//! `lab attack`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

use crate::{
    attack::{
        context::Options,
        record::Leakage,
        run::{self, What},
        subjects::PHANTOMS,
    },
    pipeline, records,
};

/// What to attack.
#[derive(Subcommand)]
pub enum Attack {
    /// Rebuild images from what sites could send.
    Invert(Invert),
    /// Write images that the pack answers wrongly.
    Evade(super::evade::Evade),
    /// Run our PGD beside foolbox's on the same weights and images.
    Compare(super::evade::Compare),
}

/// Arguments of `attack invert`.
#[derive(Args)]
pub struct Invert {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Folder with index.csv and the splits, or `phantoms`; pictures are made of phantoms only.
    #[arg(long, default_value = PHANTOMS)]
    data: PathBuf,
    /// Messages to attack.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "gradients,tokens,protocol,membership")]
    what: Vec<What>,
    /// Seed of everything random but keys and ciphertexts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Most images attacked one by one.
    #[arg(long, default_value_t = 96)]
    images: usize,
    /// Images attacked by gradient matching.
    #[arg(long, default_value_t = 2)]
    matching_images: usize,
    /// Steps of gradient matching.
    #[arg(long, default_value_t = 300)]
    matching_steps: usize,
    /// Passes of the decoder's training.
    #[arg(long, default_value_t = 12)]
    epochs: usize,
    /// Rounds drawn for each kind of opened sum.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Write records and pictures to this folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write records to docs/results/runs and pictures to docs/results.
    #[arg(long)]
    record: bool,
    /// Print one JSON object, with one entry for each kind of message, on the last line.
    #[arg(long)]
    json: bool,
}

impl Attack {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or data cannot be read, or an attack fails.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Invert(args) => args.run(),
            Self::Evade(args) => args.run(),
            Self::Compare(args) => args.run(),
        }
    }
}

impl Invert {
    fn run(self) -> Result<()> {
        ensure!(self.images > 0 && self.rounds > 0 && self.epochs > 0, "--images, --rounds and --epochs start at 1");
        let options = Options {
            seed: self.seed,
            images: self.images,
            matching: (self.matching_images, self.matching_steps),
            epochs: self.epochs,
            rounds: self.rounds,
        };
        let pack = pipeline::pack_folder(self.zoo.as_deref(), &self.model);
        let mut all = serde_json::Map::new();
        for (leakage, picture) in run::run(&pack, &self.data, &self.what, &options)? {
            print(&leakage);
            all.insert(leakage.what.clone(), serde_json::to_value(&leakage)?);
            if let Some(folder) = &self.out {
                println!("{}", run::write(leakage.clone(), picture.clone(), folder, folder)?.display());
            }
            if self.record {
                let (runs, pictures) = (records::folder(), records::folder().join(".."));
                println!("{}", run::write(leakage, picture, &runs, &pictures)?.display());
            }
        }
        if self.json {
            println!("{}", serde_json::Value::Object(all));
        }
        Ok(())
    }
}

fn print(leakage: &Leakage) {
    println!("{} of {} on {}, {:.0} s", leakage.what, leakage.model, leakage.data, leakage.seconds);
    for row in &leakage.rows {
        let cohort = row.cohort.map_or(String::new(), |(sites, per_site)| format!(", {sites} × {per_site}"));
        let noise = row.epsilon.map_or(String::new(), |e| format!(", ε = {e}"));
        let sent = format!("{}{cohort}{noise}: {}", row.sent, row.attack);
        println!("{sent:<100} {:>6.2} dB  SSIM {:.3}  NMI {:.3}", row.psnr.mean, row.ssim.mean, row.nmi.mean);
    }
    for row in &leakage.membership {
        let noise = row.epsilon.map_or("none".into(), |e| format!("ε = {e}"));
        let (auc, tpr) = (row.auc, row.tpr);
        println!(
            "{:>3} × {:<3} noise {noise:<8} AUC {:.3} [{:.3}, {:.3}]  TPR at 1 % {:.3}",
            row.sites, row.per_site, auc.mean, auc.low, auc.high, tpr.mean
        );
    }
    for (name, value) in &leakage.facts {
        println!("{name}: {value:.4}");
    }
}
