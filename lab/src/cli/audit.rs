//! `cargo lab audit`: checks a relay's exported audit log, and what relays could rebuild of images.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

/// A relay's audit log, and what relays could rebuild of images.
#[derive(Subcommand)]
pub enum Audit {
    /// Check that an exported log is one unbroken chain from its first entry.
    Verify(Verify),
    /// Rebuild images from the noised tiles that one, two … all relays are sent, as well as can be.
    Egress(Box<super::egress::Egress>),
}

/// What to check.
#[derive(Args)]
pub struct Verify {
    /// The log as `GET /v1/consortia/{id}/audit` gives it.
    file: PathBuf,
    /// Hash of an entry that was kept earlier; the log must still hold it.
    #[arg(long, value_name = "HASH")]
    kept: Option<String>,
}

impl Audit {
    /// Runs the command.
    ///
    /// # Errors
    /// As the command's own `run`.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Verify(verify) => verify.run(),
            Self::Egress(egress) => egress.run(),
        }
    }
}

impl Verify {
    /// Fails where the log cannot be read, is no unbroken chain, or lacks the kept hash.
    fn run(self) -> anyhow::Result<()> {
        let Self { file, kept } = self;
        let log = File::open(&file).with_context(|| format!("{} cannot be opened; name an exported log", file.display()))?;
        let verified = federation::audit::verify(BufReader::new(log), kept.as_deref())?;
        if verified.holds_kept == Some(false) {
            bail!("The log is a chain, but not the one that the kept hash belongs to: it was cut off or made anew.");
        }
        println!("{verified}");
        Ok(())
    }
}
