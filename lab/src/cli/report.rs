//! `lab report`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{attack::report as leakage, evasion, federate, purify, records, report};

/// What a report is on.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    /// A model: see --model.
    Model,
    /// Simulated consortia.
    Federation,
    /// What attacks on messages gave away.
    Leakage,
    /// Detectors, and what attacks and artefacts did.
    Detector,
    /// Purifiers, and what is left of attacks behind them.
    Purifier,
}

/// Write docs/results/<model>.md and its chart, federation.md, leakage.md, detector.md or purifier.md, from the run records.
#[derive(Args)]
pub struct Report {
    /// What the report is on.
    #[arg(value_enum, default_value = "model")]
    topic: Topic,
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of run records [default: docs/results/runs]
    #[arg(long)]
    runs: Option<PathBuf>,
    /// Folder of reports [default: docs/results]
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Report {
    /// Runs the command.
    ///
    /// # Errors
    /// Where records cannot be read or the report cannot be written.
    pub fn run(self) -> Result<()> {
        let runs = self.runs.unwrap_or_else(records::folder);
        let out = self.out.unwrap_or_else(|| records::folder().join(".."));
        let records = records::read_all(&runs)?;
        let put = |name: &str, text: String| {
            let path = out.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        if self.topic == Topic::Federation {
            return federate::report::pages(&records).into_iter().try_for_each(|page| put(&page.name, page.text));
        }
        if self.topic == Topic::Leakage {
            return leakage::pages(&records).into_iter().try_for_each(|(name, text)| put(name, text));
        }
        if self.topic == Topic::Detector {
            return evasion::report::pages(&records).into_iter().try_for_each(|(name, text)| put(&name, text));
        }
        if self.topic == Topic::Purifier {
            return purify::report::pages(&records).into_iter().try_for_each(|(name, text)| put(&name, text));
        }
        let chart = format!("{}-training.svg", self.model);
        put(&format!("{}.md", self.model), report::markdown(&self.model, &records, &chart))?;
        put(&chart, report::chart(&self.model, &records))
    }
}
