//! From trained networks to a pack with a purifier: which network, how many steps, which noise level for which score.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use models::{
    PurifierCard, RelayPack, Schedule, TensorMap, UnetConfig,
    card::{Storage, Training},
    detector::Filter,
    pack::sha256_hex,
    purifier::{Level, Remote},
};
use serde::{Deserialize, Serialize};

use super::{
    candidates::{Candidate, Material, Tried},
    policy,
    purification::{Purification, Setting},
};
use crate::{evasion::judge::Judge, pipeline::Pipeline};

/// Name of the file in the pack.
const FILE: &str = "purifier.safetensors";

/// A trained network.
pub struct Network {
    /// What it was trained as: `ddpm` or `student`.
    pub name: String,
    /// Sizes.
    pub architecture: UnetConfig,
    /// Noise schedule.
    pub schedule: Schedule,
    /// Weights.
    pub weights: TensorMap,
    /// How they were made.
    pub training: Training,
}

/// What is tried.
pub struct Ladder {
    /// Noise levels, ascending.
    pub levels: Vec<u16>,
    /// Steps of DDIM, ascending.
    pub steps: Vec<u8>,
    /// Filters at the end; none is one of them.
    pub smoothings: Vec<Option<Filter>>,
    /// Ranges of scores that may have a level of their own.
    pub bins: usize,
}

/// What one way of storing the numbers comes to behind detector and purifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// How the numbers are stored.
    pub storage: Storage,
    /// Bytes of the file.
    pub bytes: usize,
    /// Right answers in the end: of clean images, then of each attack's.
    pub accuracy: Vec<f64>,
}

/// What was tried; a run record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurifierRecord {
    /// Name of the model.
    pub model: String,
    /// Data set; its validation split.
    pub data: String,
    /// The command line.
    pub command: String,
    /// Attacks whose images were purified.
    pub attacks: Vec<String>,
    /// Images of each kind.
    pub images: usize,
    /// Those of them that settings are compared on, and all that walks of several steps were tried on.
    pub few: usize,
    /// Right answers without a purifier: of clean images, then of each attack's.
    pub undefended: Vec<f64>,
    /// Every setting that was tried.
    pub candidates: Vec<Candidate>,
    /// Index of the setting of the highest level in use.
    pub chosen: usize,
    /// The map of levels.
    pub levels: Vec<Level>,
    /// The filter at the end, and the level from which on it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoothing: policy::Smoothing,
    /// How the numbers could be stored.
    pub storages: Vec<Stored>,
    /// Index of the shipped one.
    pub shipped: usize,
}

/// Gives the pack in `folder` a purifier and writes it there.
///
/// Network, steps, levels and smoothing are those of the best policy (see [`policy::choose`]); its map of levels is the one that never
/// falls with the score and answers the most flagged images rightly. Numbers are stored in int8 unless f16 answers more images rightly. `progress` is
/// told of every setting that was tried.
///
/// # Errors
/// Where networks and images do not fit the pack, or the folder cannot be written.
pub fn calibrate(
    folder: &Path,
    networks: &[Network],
    material: &Material,
    ladder: &Ladder,
    remote: Remote,
    progress: &dyn Fn(&Candidate),
) -> Result<PurifierRecord> {
    ensure!(material.count() > 0 && material.few > 0, "there are no images to choose on");
    let mut pack = RelayPack::load_dir(folder).with_context(|| format!("no usable model pack in {}", folder.display()))?;
    let pipeline = Pipeline::load(folder)?;
    let judge = Judge { pipeline: &pipeline, guard: None };
    let tried = try_all(&judge, networks, material, ladder, remote, progress)?;
    let policy =
        policy::choose(&tried, material, ladder.bins).context("nothing was tried: name a level and a number of steps")?;
    let best = policy.highest();
    let network =
        networks.iter().find(|n| n.name == best.network).context("the chosen network is none of those that were tried")?;
    let card = PurifierCard {
        levels: policy.levels.clone(),
        steps: best.setting.steps,
        smoothing: policy.smoothing.map(|(filter, _)| filter),
        smoothing_from: policy.smoothing.map_or(0, |(_, from)| from),
        ..card(network, remote)
    };
    let stored = [Storage::Int8, Storage::F16].map(|storage| store(&judge, network, &card, storage, material));
    let stored = stored.into_iter().collect::<Result<Vec<_>>>()?;
    let sum = |i: usize| stored[i].0.accuracy.iter().sum::<f64>();
    let shipped = usize::from(sum(1) > sum(0) + 1e-9);
    let record = PurifierRecord {
        model: pack.card.id.clone(),
        data: material.data.clone(),
        command: crate::cli::command_line(),
        attacks: material.attacks.clone(),
        images: material.count(),
        few: material.few.min(material.count()),
        undefended: material.as_they_are(),
        candidates: tried.iter().map(|one| one.candidate(material)).collect(),
        chosen: tried.iter().position(|one| std::ptr::eq(one, best)).unwrap_or_default(),
        levels: card.levels.clone(),
        smoothing: policy.smoothing,
        storages: stored.iter().map(|(row, _)| row.clone()).collect(),
        shipped,
    };
    let (row, file) = &stored[shipped];
    pack.card.purifier = Some(PurifierCard { storage: row.storage, bytes: file.len() as u64, sha256: sha256_hex(file), ..card });
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"));
    put(FILE, file)?;
    put("card.json", pack.card.to_json()?.as_bytes())?;
    Ok(record)
}

/// A card that knows everything of the network but how it is stored and used.
fn card(network: &Network, remote: Remote) -> PurifierCard {
    PurifierCard {
        architecture: network.architecture.clone(),
        file: FILE.into(),
        sha256: String::new(),
        bytes: 0,
        storage: Storage::F32,
        schedule: network.schedule,
        levels: Vec::new(),
        steps: 1,
        smoothing: None,
        smoothing_from: 0,
        remote,
        training: network.training.clone(),
    }
}

fn try_all(
    judge: &Judge,
    networks: &[Network],
    material: &Material,
    ladder: &Ladder,
    remote: Remote,
    progress: &dyn Fn(&Candidate),
) -> Result<Vec<Tried>> {
    let mut tried = Vec::new();
    for network in networks {
        for smoothing in &ladder.smoothings {
            let card = PurifierCard { smoothing: *smoothing, ..card(network, remote) };
            let purification = Purification::new(&card, network.weights.clone())?;
            for (steps, t) in ladder.steps.iter().flat_map(|steps| ladder.levels.iter().map(move |t| (*steps, *t))) {
                let one = Tried::new(judge, &network.name, &purification, Setting { t, steps }, material)?;
                progress(&one.candidate(material));
                tried.push(one);
            }
        }
    }
    Ok(tried)
}

/// The network in a file of this storage, and what it comes to there.
fn store(
    judge: &Judge,
    network: &Network,
    card: &PurifierCard,
    storage: Storage,
    material: &Material,
) -> Result<(Stored, Vec<u8>)> {
    let file = match storage {
        Storage::Int8 => network.weights.to_safetensors_int8()?,
        _ => network.weights.to_safetensors_f16()?,
    };
    let purification = Purification::new(card, TensorMap::from_safetensors(&file)?)?;
    let accuracy = material.defended(judge, &purification)?;
    Ok((Stored { storage, bytes: file.len(), accuracy }, file))
}
