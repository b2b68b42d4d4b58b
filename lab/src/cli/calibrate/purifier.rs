//! `lab calibrate purifier`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use models::{card::Training, detector::Filter, purifier::Remote};

use crate::{
    attack::network::Network as Victim,
    cli::train::read_weights,
    data::{self, Split},
    evasion::{
        arena::{Arena, Settings},
        cases::{self, Case},
        detector::Detection,
        judge::{Guard, Judge, Judgement},
        registry::Spec,
        run::judge_all,
    },
    pipeline::{Pipeline, pack_folder},
    purify::{
        calibrate::{self, Ladder, Network, PurifierRecord},
        candidates::{Candidate, Material, Sample, smoothing_name},
    },
    records::{self, Record},
    train::unet::{UnetTrainConfig, run::UnetSummary},
};

/// Give a pack its purifier: network, steps and the noise level for each score of the detector, chosen on the validation split.
#[derive(Args)]
pub struct Purifier {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Folder of a run of `lab train purifier`.
    #[arg(long, default_value = "target/lab/purifier")]
    network: PathBuf,
    /// Folder of a run of `lab train purifier --student`, tried beside it.
    #[arg(long)]
    student: Option<PathBuf>,
    /// Data folder [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// At most this many validation images, taken evenly over the split.
    #[arg(long)]
    limit: Option<usize>,
    /// Images on which settings are compared, and on which alone walks of several steps are tried.
    #[arg(long, default_value_t = 40)]
    few: usize,
    /// Attacks whose images are purified, several with commas.
    #[arg(long, value_delimiter = ',', default_value = "pgd-linf-0.0075,pgd-linf-0.015,pgd-linf-0.03")]
    attack: Vec<Spec>,
    /// Noise levels to try.
    #[arg(long, value_delimiter = ',', default_value = "50,100,150,200,250", value_parser = clap::value_parser!(u16).range(1..=1000))]
    levels: Vec<u16>,
    /// Numbers of steps to try.
    #[arg(long, value_delimiter = ',', default_value = "1,2,5,10", value_parser = clap::value_parser!(u8).range(1..=20))]
    steps: Vec<u8>,
    /// Filters at the end to try: none, mean-3x3, mean-5x5, mean-7x7.
    #[arg(long, value_delimiter = ',', default_value = "none,mean-3x3,mean-5x5", value_parser = smoothing)]
    smoothing: Vec<Smoothing>,
    /// Ranges of scores that may have a level of their own.
    #[arg(long, default_value_t = 4)]
    bins: usize,
    /// Side of a tile on relays, in pixels.
    #[arg(long, default_value_t = 32)]
    tile: usize,
    /// Pixels from one tile to the next.
    #[arg(long, default_value_t = 30)]
    stride: usize,
    /// Relays that share the tiles.
    #[arg(long, default_value_t = 3)]
    relays: usize,
    /// Lowest noise level of tiles that leave the device.
    #[arg(long, default_value_t = 75)]
    min_t: u16,
    /// Seed of the attacks' starts and of the noise.
    #[arg(long, default_value_t = 2)]
    seed: u64,
    /// Write the run record to docs/results/runs.
    #[arg(long)]
    record: bool,
}

impl Purifier {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack, networks or data cannot be read or do not fit.
    pub(super) fn run(self) -> Result<()> {
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        let mut networks = vec![read_network("ddpm", &self.network)?];
        if let Some(student) = &self.student {
            networks.push(read_network("student", student)?);
        }
        let material = self.material(&folder)?;
        println!("network, steps, t, smoothing, images, clean, {}", material.attacks.join(", "));
        println!("{:<8} {:>5} {:>5} {:<9} {:>7}{}", "none", "", "", "", material.count(), shares(&material.as_they_are()));
        let ladder = Ladder {
            levels: self.levels.clone(),
            steps: self.steps.clone(),
            bins: self.bins,
            smoothings: self.smoothing.iter().map(|one| one.0).collect(),
        };
        let remote = Remote { tile: self.tile, stride: self.stride, relays: self.relays, min_t: self.min_t };
        let record = calibrate::calibrate(&folder, &networks, &material, &ladder, remote, &tried)?;
        print(&record);
        if self.record {
            let name = format!("purifier-{}", self.model);
            println!("{}", records::write(&records::folder(), &name, &Record::Purifier(Box::new(record)))?.display());
        }
        Ok(())
    }

    /// The validation images, clean and attacked, with what the pack says of each.
    fn material(&self, folder: &Path) -> Result<Material> {
        let pipeline = Pipeline::load(folder)?;
        let (victim, pack) = Victim::load(folder)?;
        let victim = std::sync::Arc::new(victim);
        let detection = Detection::of_pack(&pack, &victim)?.context("the pack has no detector: see `lab calibrate`")?;
        let judge = Judge { pipeline: &pipeline, guard: Some(&detection) };
        let arena =
            Arena { network: &victim, judge, surrogate: None, detector: None, purifier: None, settings: Settings::default() };
        let data = self.data.clone().unwrap_or_else(|| data::default_folder("br35h"));
        let val = Split::load(&data, "val", self.limit).context("the val split")?;
        let cases = cases::of_split(&pipeline, &val, self.seed)?;
        let images: Vec<&[f32]> = cases.iter().map(|case| case.image.as_slice()).collect();
        let clean = judge_all(&judge, &images)?;
        let mut kinds = vec![samples(&cases, cases.iter().map(|case| case.image.clone()).zip(clean))];
        for spec in &self.attack {
            let outcomes = arena.run(*spec, &cases, &|| ())?;
            kinds.push(samples(&cases, outcomes.into_iter().map(|outcome| (outcome.image, outcome.judgement))));
        }
        Ok(Material {
            data: data.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            attacks: self.attack.iter().map(Spec::to_string).collect(),
            kinds,
            threshold: detection.threshold() as f32,
            few: self.few,
        })
    }
}

fn samples(cases: &[Case], images: impl Iterator<Item = (Vec<f32>, Judgement)>) -> Vec<Sample> {
    let one = |(case, (image, judgement)): (&Case, (Vec<f32>, Judgement))| Sample {
        image,
        class: case.class,
        score: judgement.score.unwrap_or(0.0),
        right: judgement.answer == case.class,
        seed: case.seed,
    };
    cases.iter().zip(images).map(one).collect()
}

/// A filter at the end, or none.
#[derive(Clone, Copy)]
struct Smoothing(Option<Filter>);

fn smoothing(name: &str) -> Result<Smoothing, String> {
    if name == "none" {
        return Ok(Smoothing(None));
    }
    let filter = serde_json::from_value(name.into());
    filter
        .map(|filter| Smoothing(Some(filter)))
        .map_err(|_| format!("`{name}` is no filter: none, mean-3x3, mean-5x5 or mean-7x7"))
}

/// The network of a finished run of `lab train purifier`.
fn read_network(name: &str, folder: &Path) -> Result<Network> {
    let path = folder.join("summary.json");
    let text =
        std::fs::read(&path).with_context(|| format!("no finished run of `lab train purifier` in {}", folder.display()))?;
    let summary: UnetSummary =
        serde_json::from_slice(&text).with_context(|| format!("{} is of no run of `lab train purifier`", path.display()))?;
    let best = summary.epochs.iter().find(|epoch| epoch.epoch == summary.progress.best_epoch).context("the run has no epoch")?;
    let round = |value: f64| serde_json::json!((value * 1e4).round() / 1e4);
    let more = [
        ("val_error", round(best.val_error)),
        ("val_psnr", round(best.val_psnr)),
        // By way of text: a direct conversion would widen 0.1 to 0.10000000149011612.
        ("settings", serde_json::from_str(&serde_json::to_string(&summary.config)?)?),
    ];
    let training = Training {
        data: data_of(&summary.command),
        split: match summary.config.guide {
            None => "train; clean images only, no labels".into(),
            Some(_) => "train; no labels; half of the images attacked, what the encoder sees of them restored".into(),
        },
        seed: summary.config.seed,
        command: summary.command,
        start: summary.start,
        epochs: summary.progress.epoch,
        more: more.map(|(name, value)| (name.to_string(), value)).into_iter().collect(),
    };
    let weights = read_weights(&folder.join("best.safetensors"))?;
    let UnetTrainConfig { architecture, schedule, .. } = summary.config;
    Ok(Network { name: name.into(), architecture, schedule, weights, training })
}

/// Names of the data sets in a command line of `lab train purifier`.
fn data_of(command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let folders = words.windows(2).filter(|pair| pair[0] == "--data").map(|pair| pair[1]);
    let names: Vec<&str> = folders.map(|folder| folder.rsplit('/').next().unwrap_or(folder)).collect();
    if names.is_empty() { "br35h".into() } else { names.join(", ") }
}

fn shares(all: &[f64]) -> String {
    all.iter().map(|share| format!(" {share:>8.4}")).collect()
}

fn tried(c: &Candidate) {
    println!(
        "{:<8} {:>5} {:>5} {:<9} {:>7} {:>8.4}{}",
        c.network,
        c.steps,
        c.t,
        smoothing_name(c.smoothing),
        c.images,
        c.clean,
        shares(&c.attacked)
    );
}

fn print(record: &PurifierRecord) {
    let chosen = &record.candidates[record.chosen];
    let smoothing =
        record.smoothing.map_or("none".into(), |(filter, from)| format!("{} from t {from} on", smoothing_name(Some(filter))));
    println!("chosen: {} in {} steps, smoothing {smoothing}", chosen.network, chosen.steps);
    let levels: Vec<String> = record.levels.iter().map(|level| format!("from {:.3} t {}", level.from_score, level.t)).collect();
    println!("levels: {}", levels.join(", "));
    for (i, stored) in record.storages.iter().enumerate() {
        let mark = if i == record.shipped { "  shipped" } else { "" };
        println!("{:?}, {} bytes, in the end: {}{mark}", stored.storage, stored.bytes, shares(&stored.accuracy));
    }
}

#[cfg(test)]
mod tests {
    use super::data_of;

    #[test]
    fn the_data_of_a_run_is_read_from_its_command() {
        let command = "cargo lab train purifier --data ../shared/data/br35h --data …/chest_xray --epochs 2";
        assert_eq!(data_of(command), "br35h, chest_xray");
        assert_eq!(data_of("cargo lab train purifier"), "br35h");
    }
}
