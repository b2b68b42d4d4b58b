//! `cargo lab audit egress`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use models::{RelayPack, decode, purifier::Remote};
use wire::PurifyRequest;

use crate::{
    attack::{record::Estimate, subjects::PHANTOMS},
    data::{self, Split},
    egress::{
        record::{Collusion, Egress as EgressRecord, Exposure, Rebuilt},
        run::Attackers,
        setting::Setting,
        traffic::Traffic,
    },
    evasion::cases::{self, Case},
    pipeline::{Pipeline, pack_folder},
    records::{self, Record},
    train::augment,
};

/// The setting that is audited where a pack has no purifier yet.
const DEFAULT: Remote = Remote { tile: 32, stride: 30, relays: 3, min_t: 75 };

/// Rebuild images from the noised tiles that one, two … all relays are sent, as well as can be.
#[derive(Args)]
pub struct Egress {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Folder with index.csv and the splits, or `phantoms` [default: br35h of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Split of the attacked images; attackers learn from `train`.
    #[arg(long, default_value = "test")]
    split: String,
    /// Attacked images.
    #[arg(long, default_value_t = 48)]
    limit: usize,
    /// Images that attackers learn from.
    #[arg(long, default_value_t = 700)]
    train: usize,
    /// Side of a tile [default: the pack's own, as for the next three]
    #[arg(long)]
    tile: Option<usize>,
    /// Pixels from one tile to the next.
    #[arg(long)]
    stride: Option<usize>,
    /// Relays that share the image.
    #[arg(long)]
    relays: Option<usize>,
    /// Noise level of the tiles.
    #[arg(long)]
    t: Option<u16>,
    /// Steps of the purifier with which attackers denoise tiles, several with commas; 1 gives the expected image at once.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..=20))]
    steps: Vec<u8>,
    /// Vary noise, turns, decoys, tiles and relays too, one at a time, on so many of the images.
    #[arg(long, value_name = "IMAGES")]
    sweep: Option<usize>,
    /// Attack recorded messages in place of drawn missions: one file of kind 4 a relay, all of one image.
    #[arg(long, num_args = 1.., requires = "image")]
    messages: Vec<PathBuf>,
    /// The image that the recorded messages were made of, to measure by.
    #[arg(long)]
    image: Option<PathBuf>,
    /// Write the best image that was rebuilt from recorded messages to this PNG file.
    #[arg(long, requires = "messages")]
    picture: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a record to docs/results/runs.
    #[arg(long)]
    record: bool,
    /// Print one JSON object, the record, on the last line.
    #[arg(long)]
    json: bool,
}

impl Egress {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack, data or messages cannot be read, or a setting is refused.
    pub fn run(self) -> Result<()> {
        ensure!(self.limit > 0 && self.sweep != Some(0), "--limit and --sweep start at 1");
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        let (pipeline, pack) = (Pipeline::load(&folder)?, RelayPack::load_dir(&folder)?);
        let attackers = Attackers::new(&pipeline, &pack, self.steps.clone(), self.cases(&pipeline, "train", self.train)?)?;
        let setting = Setting::of(self.remote(&pack));
        if !self.messages.is_empty() {
            return self.attack_messages(&attackers, &setting);
        }
        let cases = self.cases(&pipeline, &self.split, self.limit)?;
        let settings = if self.sweep.is_some() { Setting::sweep(setting.remote) } else { vec![setting] };
        let subject = self.subject(&attackers, &cases);
        let egress = attackers.run(&settings, &cases, self.sweep.unwrap_or(self.limit), subject, &print)?;
        for row in &egress.baselines {
            println!("without traffic, {}: {}", row.fill, words(row));
        }
        if self.record {
            let name = format!("egress-{}-{}", egress.model, egress.data);
            println!("{}", records::write(&records::folder(), &name, &Record::Egress(Box::new(egress.clone())))?.display());
        }
        if self.json {
            println!("{}", serde_json::to_string(&egress)?);
        }
        Ok(())
    }

    fn remote(&self, pack: &RelayPack) -> Remote {
        let own = pack.card.purifier.as_ref().map_or(DEFAULT, |purifier| purifier.remote);
        Remote {
            tile: self.tile.unwrap_or(own.tile),
            stride: self.stride.unwrap_or(own.stride),
            relays: self.relays.unwrap_or(own.relays),
            min_t: self.t.unwrap_or(own.min_t),
        }
    }

    fn folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| data::default_folder("br35h"))
    }

    fn cases(&self, pipeline: &Pipeline, split: &str, limit: usize) -> Result<Vec<Case>> {
        let folder = self.folder();
        if folder == Path::new(PHANTOMS) {
            // Attackers learn from other phantoms than those that are attacked.
            let all = cases::phantoms(pipeline, self.train + self.limit, self.seed);
            let (learnt, attacked) = all.split_at(self.train);
            return Ok(if split == "train" { learnt } else { attacked }.to_vec());
        }
        cases::of_split(pipeline, &Split::load(&folder, split, Some(limit))?, self.seed)
    }

    fn subject(&self, attackers: &Attackers, cases: &[Case]) -> EgressRecord {
        let card = &attackers.pipeline.card;
        let groups: std::collections::BTreeSet<&str> = cases.iter().map(|case| case.group.as_str()).collect();
        EgressRecord {
            model: card.id.clone(),
            version: card.version.clone(),
            purifier: attackers.purifier.as_ref().map(|purifier| purifier.card.sha256.clone()),
            schedule: attackers.schedule(),
            data: self.folder().file_name().unwrap_or_default().to_string_lossy().into_owned(),
            split: self.split.clone(),
            images: cases.len(),
            groups: groups.len(),
            trained_on: attackers.train.len(),
            seed: self.seed,
            command: super::command_line(),
            seconds: 0.0,
            baselines: Vec::new(),
            untouched: Estimate { mean: 0.0, low: 0.0, high: 0.0 },
            settings: Vec::new(),
        }
    }

    fn attack_messages(&self, attackers: &Attackers, setting: &Setting) -> Result<()> {
        let read = |path: &PathBuf| -> Result<PurifyRequest> {
            let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            PurifyRequest::decode(&bytes).with_context(|| format!("{} is no purify request", path.display()))
        };
        let messages = self.messages.iter().map(read).collect::<Result<Vec<_>>>()?;
        let traffic = Traffic::of_messages(attackers.schedule(), messages.iter().enumerate())?;
        let case = self.original(attackers.pipeline)?;
        let found = attackers.on_record(&attackers.prior(setting.remote)?, setting, &case, &traffic)?;
        for (row, _) in &found {
            println!("{:<60} {}", attack(row), words(row));
        }
        let best = found.iter().max_by(|a, b| a.0.ssim.mean.total_cmp(&b.0.ssim.mean));
        if let (Some(path), Some((_, image))) = (&self.picture, best) {
            let size = attackers.pipeline.card.preprocess.size as u32;
            let pixels = image[..(size * size) as usize].iter().map(|value| (value * 255.0).round() as u8).collect();
            let picture = image::GrayImage::from_raw(size, size, pixels).context("the image has another size")?;
            picture.save(path).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// The image behind recorded messages. Its class is what the pack says of it.
    fn original(&self, pipeline: &Pipeline) -> Result<Case> {
        let path = self.image.as_ref().context("--image names the image that the messages were made of")?;
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let preprocess = &pipeline.card.preprocess;
        let pixels = preprocess.letterbox(&decode(&bytes)?).pixels;
        let class = models::head::top_class(&pipeline.encode(&bytes)?.logits);
        let name = path.display().to_string();
        Ok(Case { image: augment::plain(&pixels, preprocess.size), class, group: name.clone(), seed: self.seed, name })
    }
}

fn attack(row: &Rebuilt) -> String {
    let who = if row.oracle { "oracle" } else { "jigsaw" };
    let by = if row.denoised.is_empty() { "alone".into() } else { format!("under tiles by {}", row.denoised) };
    format!("{who}: {} {by}", row.fill)
}

fn words(row: &Rebuilt) -> String {
    let Rebuilt { psnr, ssim, nmi, answers, .. } = row;
    format!(
        "SSIM {:.3} [{:.3}, {:.3}]  {:.2} dB  NMI {:.3}  answered rightly {:.1} %",
        ssim.mean,
        ssim.low,
        ssim.high,
        psnr.mean,
        nmi.mean,
        100.0 * answers.mean
    )
}

fn print(exposure: &Exposure) {
    let Setting { remote, turned, decoys } = exposure.setting;
    let turns = if turned { "turned" } else { "upright" };
    println!(
        "tiles of {} every {}, t {}, {turns}, {decoys} decoys, {} relays, {} images",
        remote.tile, remote.stride, remote.min_t, remote.relays, exposure.images
    );
    exposure.colluders.iter().for_each(print_collusion);
}

fn print_collusion(collusion: &Collusion) {
    println!(
        "  {} together: at most {:.1} % of the area, {:.0} % of tiles placed, class from the bag {:.1} %",
        collusion.relays,
        100.0 * collusion.share,
        100.0 * collusion.placed.mean,
        100.0 * collusion.bag.mean
    );
    for row in [collusion.best(false), collusion.best(true)].into_iter().flatten() {
        println!("    {:<60} {}", attack(row), words(row));
    }
}
