//! From a trained masked autoencoder to a pack with a detector.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use models::{
    CpuVit, RelayPack, Tensor, TensorMap,
    card::{Storage, Training},
    detector::{DIRECTIONS, DetectorCard, Feature, FeatureCard, Filter, Masks, PatchError, QUANTILES, RocPoint},
    mae::MaeConfig,
    pack::sha256_hex,
};
use serde::{Deserialize, Serialize};

use super::{
    candidates::{self, Candidate, Scores, auc, scores_of, standardise},
    directions::derive_directions,
    look::{self, Eyes, Look},
};

/// Masks of an examination: each hides three quarters of the patches.
const MASKS: Masks = Masks { seed: 1, count: 4 };
/// Name of the file in the pack.
const FILE: &str = "detector.safetensors";
/// Most points of the curve in the card.
const CURVE: usize = 101;

/// The images that a detector is fitted on, as normalised inputs.
pub struct Material {
    /// Clean training images.
    pub train: Vec<Vec<f32>>,
    /// Attacked training images.
    pub attacked_train: Vec<Vec<f32>>,
    /// Clean validation images.
    pub val: Vec<Vec<f32>>,
    /// The same, attacked.
    pub attacked_val: Vec<Vec<f32>>,
    /// Which attacked validation images are answered wrongly.
    pub fooled: Vec<bool>,
    /// Name of the attack.
    pub attack: String,
    /// Name of the data set.
    pub data: String,
    /// Independent unit of each training image.
    pub train_groups: Vec<String>,
    /// Independent unit of each validation image.
    pub val_groups: Vec<String>,
}

/// What a threshold is to reach.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Share of clean images that may be flagged.
    pub rate: f64,
    /// Which clean images.
    pub basis: Basis,
}

/// The clean images that a threshold is set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Validation images: nothing was fitted on them but the choice of the score.
    Val,
    /// Training and validation images: the encoder knows the former, but a rate of 5 % needs more groups than a small validation split has.
    TrainAndVal,
}

/// A trained masked autoencoder.
pub struct Network {
    /// Sizes.
    pub architecture: MaeConfig,
    /// Weights.
    pub weights: TensorMap,
    /// How they were made.
    pub training: Training,
}

/// What was tried; a run record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrateRecord {
    /// Name of the model.
    pub model: String,
    /// Data set.
    pub data: String,
    /// How the copy is made.
    pub filter: Filter,
    /// The command line.
    pub command: String,
    /// Every score that was tried.
    pub candidates: Vec<Candidate>,
    /// Index of the shipped one.
    pub chosen: usize,
    /// Threshold.
    pub threshold: f32,
    /// The clean images that it was set on.
    pub basis: Basis,
    /// Share of clean validation images that it flags, every group counted the same.
    pub val_fpr: f64,
    /// Share of clean training images that it flags, every group counted the same.
    pub train_fpr: f64,
    /// Bytes of the detector's file.
    pub bytes: usize,
}

/// Everything that was seen.
struct Seen {
    train: Vec<Look>,
    train_groups: Vec<String>,
    clean_changes: Vec<Vec<f32>>,
    attacked_changes: Vec<Vec<f32>>,
    val: Vec<Look>,
    attacked: Vec<Look>,
    fooled: Vec<bool>,
    groups: Vec<String>,
}

/// Fits the detector of the pack in `folder` and writes it there.
///
/// The score with the highest AUC on the validation split wins; of equals the first, which is the simplest. The threshold flags at most
/// the share that `goal` allows of its clean images, every group counted the same.
///
/// # Errors
/// Where the pack, the network and the images do not fit each other, or the folder cannot be written.
pub fn calibrate(folder: &Path, network: &Network, material: &Material, filter: Filter, goal: Goal) -> Result<CalibrateRecord> {
    let Goal { rate, basis } = goal;
    ensure!((0.0..0.5).contains(&rate), "a rate of false positives of {rate} is outside 0 to 0.5");
    let mut pack = RelayPack::load_dir(folder).with_context(|| format!("no usable model pack in {}", folder.display()))?;
    let encoder = CpuVit::load(&pack.card.encoder.architecture, TensorMap::from_safetensors(&pack.encoder_bytes)?)?;
    let plain = network.weights.to_safetensors_int8()?;
    let mut card = blank(network, material, filter, rate, &plain);
    let eyes = Eyes::open(encoder, &card, &plain)?;
    let train = eyes.look(&material.train)?;
    card.patch_error = look::patch_error(&train);
    let changes = |looks: &[Look]| looks.iter().map(Look::change).collect::<Vec<_>>();
    let seen = Seen {
        clean_changes: changes(&train),
        train_groups: material.train_groups.clone(),
        train,
        attacked_changes: changes(&eyes.look(&material.attacked_train)?),
        val: eyes.look(&material.val)?,
        attacked: eyes.look(&material.attacked_val)?,
        fooled: material.fooled.clone(),
        groups: material.val_groups.clone(),
    };
    let tried = candidates::scores().into_iter().map(|(features, count)| seen.attempt(&mut card, features, count, rate));
    let tried: Vec<Candidate> = tried.collect::<Result<_>>()?;
    let best = tried.iter().map(|c| c.val_auc).fold(0.0, f64::max);
    let chosen = tried.iter().position(|c| c.val_auc >= best).context("no score was tried")?;
    let (file, directions) = seen.finish(&mut card, network, &tried[chosen], goal)?;
    let flagged =
        |looks, groups: &[String]| Scores::new(&scores_of(&card, &directions, looks), groups).share_over(card.threshold);
    let record = CalibrateRecord {
        model: pack.card.id.clone(),
        data: material.data.clone(),
        filter,
        command: crate::cli::command_line(),
        candidates: tried,
        chosen,
        threshold: card.threshold,
        basis,
        val_fpr: flagged(&seen.val, &seen.groups),
        train_fpr: flagged(&seen.train, &seen.train_groups),
        bytes: file.len(),
    };
    pack.card.detector = Some(card);
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"));
    put(FILE, &file)?;
    put("card.json", pack.card.to_json()?.as_bytes())?;
    Ok(record)
}

/// A card that describes the network and knows nothing else yet.
fn blank(network: &Network, material: &Material, filter: Filter, rate: f64, file: &[u8]) -> DetectorCard {
    let patches = network.architecture.patches();
    let point = |threshold, share| RocPoint { threshold, false_positive_rate: share, true_positive_rate: share };
    DetectorCard {
        architecture: network.architecture.clone(),
        file: FILE.into(),
        sha256: sha256_hex(file),
        bytes: file.len() as u64,
        storage: Storage::Int8,
        masks: MASKS,
        filter,
        patch_error: PatchError { mean: vec![0.0; patches], std: vec![1.0; patches] },
        features: vec![FeatureCard { name: Feature::Reconstruction, mean: 0.0, std: 1.0, weight: 1.0 }],
        false_positive_rate: rate,
        threshold: 0.0,
        clean_quantiles: vec![0.0; QUANTILES],
        roc: vec![point(0.0, 1.0), point(1.0, 0.0)],
        attack: material.attack.clone(),
        training: network.training.clone(),
    }
}

impl Seen {
    fn directions(&self, count: usize) -> Result<Vec<f32>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        Ok(derive_directions(&self.clean_changes, &self.attacked_changes, count)?.concat())
    }

    fn attempt(&self, card: &mut DetectorCard, features: Vec<(Feature, f32)>, count: usize, rate: f64) -> Result<Candidate> {
        let directions = self.directions(count)?;
        standardise(card, &features, &directions, &self.val);
        let (clean, attacked) = (scores_of(card, &directions, &self.val), scores_of(card, &directions, &self.attacked));
        let threshold = Scores::new(&clean, &self.groups).threshold(rate);
        let fooled: Vec<f32> = attacked.iter().zip(&self.fooled).filter(|(_, f)| **f).map(|(s, _)| *s).collect();
        let share_over = |scores: &[f32]| scores.iter().filter(|s| **s >= threshold).count() as f64 / scores.len().max(1) as f64;
        Ok(Candidate {
            features,
            directions: count,
            val_auc: auc(&clean, &attacked),
            val_tpr: share_over(&attacked),
            val_tpr_fooled: (!fooled.is_empty()).then(|| share_over(&fooled)),
        })
    }

    /// Fills the card for the chosen score, from the file as it is stored, and answers the file and the directions in it.
    fn finish(&self, card: &mut DetectorCard, network: &Network, chosen: &Candidate, goal: Goal) -> Result<(Vec<u8>, Vec<f32>)> {
        let mut weights = network.weights.clone();
        let directions = self.directions(chosen.directions)?;
        if !directions.is_empty() {
            let shape = vec![chosen.directions, directions.len() / chosen.directions];
            weights.insert(DIRECTIONS, Tensor { shape, data: directions });
        }
        let file = weights.to_safetensors_int8()?;
        let stored = TensorMap::from_safetensors(&file)?.remove(DIRECTIONS).map_or_else(Vec::new, |tensor| tensor.data);
        standardise(card, &chosen.features, &stored, &self.val);
        let mut scores = scores_of(card, &stored, &self.val);
        let mut groups = self.groups.clone();
        if goal.basis == Basis::TrainAndVal {
            scores.extend(scores_of(card, &stored, &self.train));
            groups.extend(self.train_groups.iter().cloned());
        }
        let clean = Scores::new(&scores, &groups);
        let attacked = Scores::new(&scores_of(card, &stored, &self.attacked), &self.groups);
        card.threshold = clean.threshold(goal.rate);
        card.clean_quantiles = (0..QUANTILES).map(|q| clean.quantile(q as f64 / (QUANTILES - 1) as f64)).collect();
        card.roc = curve(&clean, &attacked, card.threshold);
        card.sha256 = sha256_hex(&file);
        card.bytes = file.len() as u64;
        Ok((file, stored))
    }
}

/// Rates at thresholds spread over the scores of both kinds, and at `own`.
fn curve(clean: &Scores, attacked: &Scores, own: f32) -> Vec<RocPoint> {
    let mut all: Vec<f32> = clean.values().chain(attacked.values()).collect();
    all.sort_by(f32::total_cmp);
    let last = all.len() - 1;
    let mut thresholds: Vec<f32> = (0..CURVE).map(|i| all[i * last / (CURVE - 1)]).collect();
    thresholds.extend([own, all[last].next_up()]);
    thresholds.sort_by(f32::total_cmp);
    thresholds.dedup();
    let point = |threshold: f32| RocPoint {
        threshold,
        false_positive_rate: clean.share_over(threshold),
        true_positive_rate: attacked.share_over(threshold),
    };
    thresholds.into_iter().map(point).collect()
}
