//! `lab calibrate`.

mod detector;
mod purifier;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Fit a pack's detector or purifier on images that its encoder was not tested on. Without a name: the detector.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Calibrate {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    detector: detector::Detector,
}

#[derive(Subcommand)]
enum Part {
    Purifier(purifier::Purifier),
}

impl Calibrate {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack, network or data cannot be read or do not fit.
    pub fn run(self) -> Result<()> {
        match self.part {
            Some(Part::Purifier(purifier)) => purifier.run(),
            None => self.detector.run(),
        }
    }
}
