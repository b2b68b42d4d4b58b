//! `lab fidelity`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    data::{self, Split},
    evasion::{judge::Judge, run::judge_all},
    pipeline::{Pipeline, pack_folder},
    purify::{
        defence::{Defence, Place},
        fidelity::{self, FidelityRecord, FidelityRow},
        lesion::MARGIN,
        purification::Purification,
    },
    records::{self, Record},
};

/// Measure what purification does to clean images with a lesion: how alike they stay, its area, the answer.
#[derive(Args)]
pub struct Fidelity {
    /// Name of the model.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Folder with index.csv and the splits; the index names images in its column `image` and masks in `file` [default: seg_brain_br35h of
    /// the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Split.
    #[arg(long, default_value = "test")]
    split: String,
    /// At most this many images, taken evenly over the split.
    #[arg(long)]
    limit: Option<usize>,
    /// Noise levels, several with commas [default: those of the pack's map]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1000))]
    levels: Vec<u16>,
    /// Steps of the walk, several with commas [default: the pack's own]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=20))]
    steps: Vec<u8>,
    /// Where images are purified.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "device")]
    place: Vec<Place>,
    /// Seed of the noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the run record to docs/results/runs.
    #[arg(long)]
    record: bool,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

impl Fidelity {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or data cannot be read, or the pack has no purifier.
    pub fn run(self) -> Result<()> {
        let found = self.measure()?;
        let name = format!("fidelity-{}-{}-{}", found.model, found.data, found.split);
        let record = Record::Fidelity(Box::new(found));
        if self.record {
            println!("{}", records::write(&records::folder(), &name, &record)?.display());
        }
        if self.json {
            println!("{}", serde_json::to_string(&record)?);
        }
        Ok(())
    }

    fn measure(&self) -> Result<FidelityRecord> {
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        let pipeline = Pipeline::load(&folder)?;
        let pack = models::RelayPack::load_dir(&folder)?;
        let purification = Purification::of_pack(&pack)?.context("the pack has no purifier: see `lab calibrate purifier`")?;
        let data = self.data.clone().unwrap_or_else(|| data::default_folder("seg_brain_br35h"));
        let column = |file| Split::load_columns(&data, &self.split, ["label", file], self.limit);
        let (images, masks) = (column("image")?, column("file")?);
        let marked = fidelity::marked(&pipeline.card.preprocess, &images, &masks, self.seed)?;
        let judge = Judge { pipeline: &pipeline, guard: None };
        let before = judge_all(&judge, &marked.iter().map(|m| m.image.as_slice()).collect::<Vec<_>>())?;
        let card = purification.card();
        let levels = if self.levels.is_empty() { card.levels.iter().map(|level| level.t).collect() } else { self.levels.clone() };
        let steps = if self.steps.is_empty() { vec![card.steps] } else { self.steps.clone() };
        let mut rows = Vec::new();
        for (place, steps) in self.place.iter().flat_map(|place| steps.iter().map(move |steps| (*place, *steps))) {
            let defence = Defence { judge, purification: &purification, steps, place };
            for t in &levels {
                rows.push(fidelity::row(&defence, *t, &marked, &before)?);
                rows.last().into_iter().for_each(print);
            }
        }
        Ok(FidelityRecord {
            model: pipeline.card.id.clone(),
            version: pipeline.card.version.clone(),
            purifier: card.sha256.clone(),
            data: data.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            split: self.split.clone(),
            n: marked.len(),
            groups: images.groups(),
            seed: self.seed,
            command: super::command_line(),
            margin: MARGIN,
            segmenter: fidelity::segmenter(&marked),
            rows,
        })
    }
}

fn print(row: &FidelityRow) {
    println!(
        "t {:>3} in {:>2} on {:?}: PSNR {:.1} dB (inside {:.1}), SSIM {:.3} (inside {:.3}, outside {:.3}), area ±{:.3} ({:+.3}), overlap {:.3}, {} flips",
        row.t,
        row.steps,
        row.place,
        row.whole[0].mean,
        row.inside[0].mean,
        row.whole[1].mean,
        row.inside[1].mean,
        row.outside[1].mean,
        row.area_change.mean,
        row.area_drift.mean,
        row.overlap.mean,
        row.flipped
    );
}
