//! `lab site`: a hospital without a page.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use federation::{
    api::{HeadKind, Round, RoundResult},
    heads::{SHRINKAGE, lda},
    privacy::{Ledger, Noise, Shares, mu},
    site::Roster,
    statistics::{Shape, Statistics},
};
use indicatif::ProgressBar;
use zeroize::Zeroizing;

use crate::{
    federate::{
        labelled,
        site::{Site, State},
        tokens::Tokens,
    },
    pipeline::{Pipeline, pack_folder},
};

const PAUSE: Duration = Duration::from_millis(250);

/// What a site does.
#[derive(Subcommand)]
pub enum Command {
    /// Make an identity and take up an invitation.
    Enrol(Enrol),
    /// Show the roster's fingerprint, to be compared with the other sites over another channel.
    Fingerprint(Fingerprint),
    /// Contribute the statistics of labelled images to rounds, and help to open them.
    TakePart(Box<TakePart>),
}

/// Arguments of `site enrol`.
#[derive(Args)]
pub struct Enrol {
    /// Address of the relay.
    #[arg(long)]
    relay: String,
    /// File that holds the invitation.
    #[arg(long)]
    invitation: PathBuf,
    /// New file for the site's secrets; only its owner may read it.
    #[arg(long)]
    state: PathBuf,
}

/// Arguments of `site fingerprint`.
#[derive(Args)]
pub struct Fingerprint {
    /// The site's state.
    #[arg(long)]
    state: PathBuf,
}

/// Arguments of `site take-part`.
#[derive(Args)]
pub struct TakePart {
    /// The site's state.
    #[arg(long)]
    state: PathBuf,
    /// Folder of images: one folder for each class, or a labels.csv with the columns file and label.
    #[arg(long)]
    images: PathBuf,
    /// Name of the model.
    #[arg(long)]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// The roster's fingerprint as compared with the other sites; needed once.
    #[arg(long)]
    fingerprint: Option<String>,
    /// End after this many rounds.
    #[arg(long)]
    rounds: Option<u32>,
    /// Keep every N-th group of images out, to see how well the new head does on it.
    #[arg(long, value_name = "N")]
    hold_out: Option<usize>,
    /// Add this site's part of noise for differential privacy: ε of a round.
    #[arg(long, requires = "budget")]
    epsilon: Option<f64>,
    /// ε that all rounds together may spend; kept with the state from the first round on.
    #[arg(long)]
    budget: Option<f64>,
    /// δ of both.
    #[arg(long, default_value_t = 1e-6)]
    delta: f64,
}

/// Runs `site`.
///
/// # Errors
/// Where the relay refuses, the state cannot be kept, or images and model do not fit.
pub fn main(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Enrol(args) => runtime.block_on(args.run()),
        Command::Fingerprint(args) => runtime.block_on(args.run()),
        Command::TakePart(args) => runtime.block_on(args.run()),
    }
}

impl Enrol {
    async fn run(self) -> Result<()> {
        let text = std::fs::read_to_string(&self.invitation);
        let text = Zeroizing::new(text.with_context(|| format!("no invitation in {}", self.invitation.display()))?);
        let state = State::enrol(&self.relay, &Zeroizing::new(text.trim().to_owned()), &self.state).await?;
        println!("enrolled in {}", state.consortium);
        Ok(())
    }
}

impl Fingerprint {
    async fn run(self) -> Result<()> {
        let roster = Site::load(&self.state)?.ready(PAUSE).await?;
        println!("{}", roster.consortium.fingerprint());
        Ok(())
    }
}

impl TakePart {
    async fn run(self) -> Result<()> {
        let mut site = Site::load(&self.state)?;
        if let Some(fingerprint) = &self.fingerprint {
            site.confirm(fingerprint, PAUSE).await?;
        }
        let roster = site.ready(PAUSE).await?;
        let pipeline = self.pipeline(&site, &roster).await?;
        let shape = Shape::new(pipeline.card.classes.len(), pipeline.card.cls.dim, roster.view.clip_norm)?;
        let (own, held) = self.tokens(&pipeline)?;
        let statistics = own.statistics(shape)?;
        println!("{} images to contribute, by class: {:?}; {} held out", own.rows.len(), statistics.counts(), held.rows.len());
        let budget = self.budget.map(|epsilon| Ledger::new(epsilon, self.delta)).transpose()?;
        let keeper = site.keeper();
        let values = |round: &Round| -> Result<Vec<i64>> {
            let mut values = statistics.to_values();
            if let (Some(epsilon), Some(budget)) = (self.epsilon, &budget) {
                let noise = self.noise(&roster, shape, epsilon)?;
                let spent = keeper.spend(round, noise.mu(shape), budget)?;
                println!(
                    "round {}: noise for ε = {epsilon}; ε = {spent:.3} of {:.3} spent",
                    round.number,
                    self.budget.unwrap_or_default()
                );
                noise.add_part(shape, &mut values)?;
            }
            Ok(values)
        };
        let (mut after, mut played) = (0, 0);
        while self.rounds.is_none_or(|rounds| played < rounds) {
            let (round, result) = site.take_part(PAUSE, after, values).await?;
            (after, played) = (round.number, played + 1);
            report(&round, result, shape, &held)?;
        }
        Ok(())
    }

    fn noise(&self, roster: &Roster, shape: Shape, epsilon: f64) -> Result<Noise> {
        let rules = roster.consortium.rules();
        Ok(Noise::derive(shape, mu(epsilon, self.delta)?, Shares::EVEN, rules.cohort() - rules.collusion())?)
    }

    /// The pack, which has to be the one that the consortium learns for and that the relay serves.
    async fn pipeline(&self, site: &Site, roster: &Roster) -> Result<Pipeline> {
        let pipeline = Pipeline::load(&pack_folder(self.zoo.as_deref(), &self.model))?;
        let card = &pipeline.card;
        ensure!(roster.view.model == card.id, "the consortium learns a head for {}, not for {}", roster.view.model, card.id);
        let ids: Vec<&str> = card.classes.iter().map(|class| class.id.as_str()).collect();
        ensure!(roster.view.classes == ids, "the consortium's classes {:?} are not the model's {ids:?}", roster.view.classes);
        let served = site.card(&card.id).await?;
        let same = served.encoder.sha256 == card.encoder.sha256 && served.cls == card.cls && served.preprocess == card.preprocess;
        ensure!(same, "the relay serves another encoder for {}; fetch its pack", card.id);
        Ok(pipeline)
    }

    /// Tokens to contribute, and those held out.
    fn tokens(&self, pipeline: &Pipeline) -> Result<(Tokens, Tokens)> {
        let split = labelled::load(Path::new(&self.images))?;
        let bar = ProgressBar::new(split.samples.len() as u64);
        let tokens = Tokens::encode(pipeline, &split, &|| bar.inc(1))?;
        bar.finish_and_clear();
        let mut groups = tokens.groups.clone();
        groups.sort();
        groups.dedup();
        let place = |group: &String| groups.binary_search(group).unwrap_or_default();
        let held = |group: &String| self.hold_out.is_some_and(|n| n > 0 && place(group) % n == n - 1);
        let sites: Vec<usize> = tokens.groups.iter().map(|group| usize::from(held(group))).collect();
        Ok((tokens.of_site(&sites, 0), tokens.of_site(&sites, 1)))
    }
}

/// Says what came of a round, and how well its head does on the images held out.
fn report(round: &Round, result: RoundResult, shape: Shape, held: &Tokens) -> Result<()> {
    let opened = Statistics::from_values(shape, result.sum)?;
    println!("round {}: opened, {} sites, images by class: {:?}", round.number, result.cohort.len(), opened.counts());
    if let Some(version) = round.published {
        println!("round {}: published as version {version}, {:?}", round.number, HeadKind::Lda);
    }
    if !held.rows.is_empty() {
        let figures = held.figures(&lda(&opened, SHRINKAGE)?)?;
        println!("accuracy on the images held out: {:.4} [{:.4}, {:.4}]", figures.accuracy, figures.ci_low, figures.ci_high);
    }
    Ok(())
}
