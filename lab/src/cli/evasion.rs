//! What `lab evaluate --attack` and `--artefact` do.

use std::{path::PathBuf, sync::Arc, time::Instant};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Map, Value};

use super::purify::Purify;
use crate::{
    attack::{network::Network, record::Estimate},
    evasion::{
        arena::{self, Arena, Settings},
        artefacts::Artefact,
        cases::Case,
        detector::Detection,
        judge::Judge,
        measure::{self, Before},
        record::{ArtefactRow, Benign, Evasion, Row, Subject},
        registry::{Kind, Spec},
        through::{Known, Opponent},
        worst,
    },
    pipeline::Pipeline,
    purify,
    records::{self, Record},
};

/// Attacks on the images that are evaluated.
#[derive(Args)]
pub struct Attacks {
    /// Attack the images: KIND-NORM-EPSILON, several with commas. Kinds: fgsm, pgd, apgd, square, transfer, adaptive, purified (adaptive,
    /// through the purifier too); norms: linf, l2; ε in the pixels' scale [0, 1], for example pgd-linf-0.015. The figures of several are
    /// the worst, image by image.
    #[arg(long, value_delimiter = ',')]
    pub attack: Vec<Spec>,
    /// Measure each attack at these ε too.
    #[arg(long, value_delimiter = ',')]
    eps: Vec<f64>,
    /// How hard attacks try.
    #[command(flatten)]
    pub how: How,
    /// What stands behind them.
    #[command(flatten)]
    purify: Purify,
    /// Measure changes without an attacker: none, motion-blur, noise, jpeg, resize, gamma, or all.
    #[arg(long, value_delimiter = ',')]
    artefact: Vec<String>,
}

/// How hard attacks try.
#[derive(Args)]
pub struct How {
    /// Attempts at each image [default: the attack's own]
    #[arg(long)]
    pub restarts: Option<usize>,
    /// Steps, or queries [default: the attack's own]
    #[arg(long)]
    pub steps: Option<usize>,
    /// Seed of everything random in attacks.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Pack folder or safetensors file with a head, on which transferred attacks are made.
    #[arg(long)]
    pub surrogate: Option<PathBuf>,
}

/// A pack, loaded for attackers.
pub struct Victim {
    network: Arc<Network>,
    surrogate: Option<Network>,
    detection: Option<Detection>,
    purifier: Option<Known>,
    settings: Settings,
}

impl Victim {
    /// Loads what attacks need beside the pipeline.
    ///
    /// # Errors
    /// Where pack or surrogate cannot be read.
    pub fn load(folder: &std::path::Path, how: &How) -> Result<Self> {
        let (network, pack) = Network::load(folder)?;
        let network = Arc::new(network);
        let surrogate = how.surrogate.as_ref().map(|path| arena::surrogate(path, &network)).transpose()?;
        let detection = Detection::of_pack(&pack, &network)?;
        let purifier = Known::of_pack(&pack)?;
        let settings = Settings { restarts: how.restarts, steps: how.steps };
        Ok(Self { network, surrogate, detection, purifier, settings })
    }

    /// Everything together.
    pub fn arena<'a>(&'a self, pipeline: &'a Pipeline) -> Arena<'a> {
        Arena {
            network: &self.network,
            judge: Judge { pipeline, guard: self.detection.as_ref().map(|d| d as _) },
            surrogate: self.surrogate.as_ref(),
            detector: self.detection.as_ref().map(|d| d as _),
            purifier: self.purifier.as_ref().map(Opponent::new),
            settings: self.settings,
        }
    }
}

/// What is evaluated.
pub struct Evaluated<'a> {
    /// The pack.
    pub pipeline: &'a Pipeline,
    /// Its folder.
    pub folder: PathBuf,
    /// The images.
    pub cases: &'a [Case],
    /// Name of the data set.
    pub data: String,
    /// Split.
    pub split: String,
}

impl Attacks {
    /// Whether anything was asked for.
    pub fn wanted(&self) -> bool {
        !self.attack.is_empty() || !self.artefact.is_empty()
    }

    /// Attacks and measures, prints, and writes records where `record`; the result are keys for `--json`.
    ///
    /// # Errors
    /// Where an attack cannot be run, or a record not be written.
    pub fn run(&self, evaluated: &Evaluated, record: bool) -> Result<Map<String, Value>> {
        let victim = Victim::load(&evaluated.folder, &self.how)?;
        let mut arena = victim.arena(evaluated.pipeline);
        self.purify.face(&mut arena);
        let place = (evaluated.data.clone(), evaluated.split.clone());
        let subject = subject(evaluated.pipeline, &arena, evaluated.cases, place, self.how.seed);
        let keep = |name: String, record_of: Record| -> Result<()> {
            if record {
                println!("{}", records::write(&records::folder(), &name, &record_of)?.display());
            }
            Ok(())
        };
        let place = format!("{}-{}-{}", subject.model, subject.data, subject.split);
        let mut json = Map::new();
        if !self.attack.is_empty() {
            let found = self.attacks(&arena, evaluated.cases, &subject)?;
            json.extend(worst::json(&found));
            json.extend(purify::json::json(&found));
            for one in found {
                let suffix = self.purify.suffix(&one.family);
                keep(format!("evasion-{place}-{}{suffix}", one.family), Record::Evasion(Box::new(one)))?;
            }
        }
        if !self.artefact.is_empty() {
            let rows = self.artefacts(&arena, evaluated.cases)?;
            json.insert("artefacts".into(), serde_json::to_value(&rows)?);
            keep(format!("benign-{place}"), Record::Benign(Box::new(Benign { subject, rows })))?;
        }
        Ok(json)
    }

    fn attacks(&self, arena: &Arena, cases: &[Case], subject: &Subject) -> Result<Vec<Evasion>> {
        let mut before = Before::new(arena, cases)?;
        if let Some(ways) = self.purify.ways(arena)? {
            before = before.purified(ways)?;
        }
        let clean = before.clean();
        println!("clean: accuracy {}{}", words(clean.accuracy), optional(", flagged ", clean.fpr));
        let one = |spec: &Spec| {
            let started = Instant::now();
            let mut radii: Vec<f64> = self.eps.iter().copied().chain([spec.ball.radius]).collect();
            radii.sort_by(f64::total_cmp);
            radii.dedup();
            let bar = ProgressBar::new((cases.len() * radii.len()) as u64);
            let row = |radius: &f64| {
                let row = before.attack(arena, spec.with_radius(*radius), *radius == spec.ball.radius, &|| bar.inc(1))?;
                bar.suspend(|| print(&row));
                Ok(row)
            };
            let rows = radii.iter().map(row).collect::<Result<_>>()?;
            bar.finish_and_clear();
            Ok(Evasion {
                subject: subject.clone(),
                family: spec.family(),
                epsilon: spec.ball.radius,
                surrogate: self.surrogate_of(spec),
                restarts: self.how.restarts.unwrap_or_else(|| spec.kind.restarts()),
                seconds: started.elapsed().as_secs_f64(),
                clean: clean.clone(),
                rows,
                group_of_image: before.group_numbers(),
            })
        };
        let found: Vec<Evasion> = self.attack.iter().map(one).collect::<Result<_>>()?;
        let rows: Vec<&Row> = found.iter().filter_map(Evasion::headline).collect();
        if let Some(worst) = worst::worst(&rows, &found[0].group_of_image).filter(|_| found.len() > 1) {
            println!("worst of these: undefended {}, system {}", words(worst.undefended_accuracy), words(worst.system_accuracy));
        }
        Ok(found)
    }

    fn surrogate_of(&self, spec: &Spec) -> Option<String> {
        let path = self.how.surrogate.as_ref().filter(|_| spec.kind == Kind::Transfer)?;
        Some(path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
    }

    fn artefacts(&self, arena: &Arena, cases: &[Case]) -> Result<Vec<ArtefactRow>> {
        let all = self.artefact.iter().any(|name| name == "all");
        let chosen = if all { Artefact::all() } else { self.artefact.iter().map(|n| n.parse()).collect::<Result<_>>()? };
        let mut rows = Vec::new();
        for artefact in chosen {
            for strength in artefact.strengths() {
                let row = measure::artefact(arena, cases, artefact, *strength)?;
                let name = format!("{artefact} {strength}");
                println!("{name:<18} accuracy {}{}", words(row.accuracy), optional(", flagged ", row.fpr));
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

/// What a record says of model and images; `place` is the data set and its split.
pub(super) fn subject(pipeline: &Pipeline, arena: &Arena, cases: &[Case], place: (String, String), seed: u64) -> Subject {
    let card = &pipeline.card;
    let groups: std::collections::BTreeSet<&str> = cases.iter().map(|c| c.group.as_str()).collect();
    Subject {
        model: card.id.clone(),
        version: card.version.clone(),
        encoder: card.encoder.sha256.clone(),
        detector: card.detector.as_ref().map(|d| d.sha256.clone()),
        threshold: arena.judge.guard.map(|g| g.threshold()),
        purifier: card.purifier.as_ref().map(|p| (p.sha256.clone(), p.training.data.clone())),
        data: place.0,
        split: place.1,
        n: cases.len(),
        groups: groups.len(),
        seed,
        command: super::command_line(),
    }
}

fn words(estimate: Estimate) -> String {
    format!("{:.4} [{:.4}, {:.4}]", estimate.mean, estimate.low, estimate.high)
}

fn optional(name: &str, estimate: Option<Estimate>) -> String {
    estimate.map_or(String::new(), |e| format!("{name}{}", words(e)))
}

fn print(row: &Row) {
    println!("{}", row.attack);
    println!("  undefended {} (as PNG {:.4})", words(row.undefended_accuracy), row.rounded_accuracy.mean);
    if let Some(d) = &row.detected {
        println!("  detection AUC {}, flagged {}", words(d.auc), words(d.tpr));
        println!("  system {} (as PNG {:.4})", words(d.system_accuracy), d.rounded_system_accuracy.mean);
    }
    for f in &row.filters {
        println!("  {}: AUC {}, accuracy behind it {}", f.filter, words(f.auc), words(f.accuracy));
    }
    for p in &row.purified {
        let which = format!("{:?} purified in {} on {:?}", p.who, p.steps, p.place).to_lowercase();
        println!("  {which}: accuracy {}, clean {}, loss {}", words(p.accuracy), words(p.clean_accuracy), words(p.clean_loss));
    }
}
