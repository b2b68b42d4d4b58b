//! One call of `lab attack invert`: load, attack, write records and pictures.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};
use models::RelayPack;

use super::{
    context::{Context, Options, Outcome},
    gradients, membership,
    network::Network,
    protocol,
    record::{Leakage, Sheet},
    subjects::Subjects,
    tokens::{self, Decoders},
};
use crate::records::{self, Record};

/// What can be attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Gradients of one image or a batch.
    Gradients,
    /// Plaintext CLS tokens.
    Tokens,
    /// Ciphertexts and opened statistics.
    Protocol,
    /// Membership in opened statistics.
    Membership,
}

impl What {
    /// Its name in records and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gradients => "gradients",
            Self::Tokens => "tokens",
            Self::Protocol => "protocol",
            Self::Membership => "membership",
        }
    }
}

/// Runs the attacks in order; decoders are trained once.
///
/// # Errors
/// Where pack or data cannot be read, or an attack fails.
pub fn run(pack: &Path, data: &Path, what: &[What], options: &Options) -> Result<Vec<(Leakage, Option<Vec<u8>>)>> {
    let (network, pack) = Network::load(pack)?;
    let subjects = Subjects::load(&network, &pack.card, data, options.seed)?;
    let context = Context { network: &network, subjects: &subjects, options };
    let needs = what.iter().any(|w| matches!(w, What::Tokens | What::Protocol));
    let decoders = if needs { Some(Decoders::train(&context)?) } else { None };
    let decoders = || decoders.as_ref().context("no decoder was trained");
    let mut found = Vec::new();
    for what in what {
        let started = Instant::now();
        let outcome = match what {
            What::Gradients => gradients::run(&context)?,
            What::Tokens => tokens::run(&context, decoders()?)?,
            What::Protocol => protocol::run(&context, decoders()?)?,
            What::Membership => membership::run(&context)?,
        };
        found.push(finish(&context, &pack, *what, outcome, started.elapsed().as_secs_f64())?);
    }
    Ok(found)
}

fn finish(context: &Context, pack: &RelayPack, what: What, outcome: Outcome, seconds: f64) -> Result<(Leakage, Option<Vec<u8>>)> {
    let shown = context.subjects.may_be_shown() && !outcome.sheet.columns.is_empty();
    let channels = context.network.layout.config.in_channels;
    let picture = if shown { Some(outcome.sheet.to_png(context.network.side(), channels)?) } else { None };
    let file = format!("leakage-{}-{}.png", what.name(), pack.card.id);
    let leakage = Leakage {
        what: what.name().into(),
        model: pack.card.id.clone(),
        version: pack.card.version.clone(),
        encoder: pack.card.encoder.sha256.clone(),
        data: context.subjects.name.clone(),
        seed: context.options.seed,
        command: crate::cli::command_line(),
        seconds,
        rows: outcome.rows,
        membership: outcome.membership,
        facts: outcome.facts,
        sheet: picture.as_ref().map(|_| Sheet { file, columns: outcome.sheet.titles() }),
    };
    Ok((leakage, picture))
}

/// Writes a record below `runs` and its pictures below `pictures`.
///
/// # Errors
/// Where a folder cannot be written.
pub fn write(leakage: Leakage, picture: Option<Vec<u8>>, runs: &Path, pictures: &Path) -> Result<PathBuf> {
    if let (Some(bytes), Some(sheet)) = (picture, &leakage.sheet) {
        let path = pictures.join(&sheet.file);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let name = format!("leakage-{}-{}-{}", leakage.what, leakage.model, leakage.data);
    records::write(runs, &name, &Record::Leakage(Box::new(leakage)))
}
