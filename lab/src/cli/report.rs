//! `lab report`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::{records, report};

/// Write docs/results/<model>.md and its chart from the run records.
#[derive(Args)]
pub struct Report {
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
        let chart = format!("{}-training.svg", self.model);
        let put = |name: &str, text: String| {
            let path = out.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        put(&format!("{}.md", self.model), report::markdown(&self.model, &records, &chart))?;
        put(&chart, report::chart(&records))
    }
}
