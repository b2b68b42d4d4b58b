//! From a finished training run to a model pack: storage, head, quantiser, temperature, card.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use models::{
    ClsQuantiser, CpuVit, LinearHead, ModelCard, QuantisedHead, TensorMap,
    card::{CARD_FORMAT, Calibration, Class, Cls, Encoder, Storage, Training},
    pack::sha256_hex,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    data::Split,
    fit::{self, Tokens},
    metrics,
    train::run::Summary,
};

/// Texts of a card that no program can know.
#[derive(Clone, Debug, Deserialize)]
pub struct CardText {
    /// Title.
    pub title: String,
    /// Version of the model.
    pub version: String,
    /// What it decides.
    pub task: String,
    /// What a person reads for each class id.
    pub classes: BTreeMap<String, String>,
    /// Data set's name.
    pub data: String,
    /// How its splits were made.
    pub split: String,
    /// What the weights started from.
    pub start: String,
    /// Limits.
    pub limits: Vec<String>,
    /// Licence.
    pub licence: String,
    /// Origin of weights and data.
    pub provenance: String,
}

/// A head on the validation split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// How the encoder's numbers were stored.
    pub storage: String,
    /// Bytes of the encoder's file.
    pub bytes: usize,
    /// How the head was made.
    pub head: String,
    /// Accuracy of the integers.
    pub val_accuracy: f64,
    /// Negative log-likelihood after the temperature.
    pub val_nll: f64,
    /// AUC.
    pub val_auc: Option<f64>,
}

/// What `fit` tried; a run record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FitRecord {
    /// Always `fit`.
    pub kind: String,
    /// Name of the model.
    pub model: String,
    /// The command line.
    pub command: String,
    /// Every candidate, best last chosen by `chosen`.
    pub candidates: Vec<Candidate>,
    /// Index of the shipped one.
    pub chosen: usize,
    /// Largest difference of a CLS value between int8 and f16 storage, over the validation split.
    pub int8_cls_difference: f32,
}

struct Variant {
    storage: Storage,
    bytes: Vec<u8>,
    train: Tokens,
    val: Tokens,
}

struct Fitted {
    head: QuantisedHead,
    quantiser: ClsQuantiser,
    logit_scale: f64,
    row: Candidate,
}

/// Fits heads on the best weights of a run and writes the pack of the one that does best on the validation split.
///
/// Int8 storage is taken unless f16 answers more validation images rightly.
///
/// # Errors
/// Where the run, the data or the folder cannot be read or written.
pub fn fit(
    summary: &Summary,
    best: &TensorMap,
    data: [&Split; 2],
    text: &CardText,
    id: &str,
    folder: &Path,
) -> Result<FitRecord> {
    let mut variants = Vec::new();
    for storage in [Storage::Int8, Storage::F16] {
        variants.push(variant(summary, best, storage, data)?);
    }
    let mut fitted = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        for (name, head) in heads(summary, best, &variant.train)? {
            fitted.push((index, finish(variant, name, &head)?));
        }
    }
    let better = |a: &Candidate, b: &Candidate| {
        a.val_accuracy > b.val_accuracy || (a.val_accuracy == b.val_accuracy && a.val_nll < b.val_nll)
    };
    let best_of = |variant: usize| {
        let own = fitted.iter().enumerate().filter(|(_, (v, _))| *v == variant).map(|(i, _)| i);
        own.reduce(|a, b| if better(&fitted[b].1.row, &fitted[a].1.row) { b } else { a })
    };
    let (int8, f16) = (best_of(0).context("no head")?, best_of(1).context("no head")?);
    let chosen = if fitted[f16].1.row.val_accuracy > fitted[int8].1.row.val_accuracy { f16 } else { int8 };
    let (index, winner) = &fitted[chosen];
    write(summary, &variants[*index], winner, text, id, folder)?;
    let pairs = variants[0].val.rows.iter().flatten().zip(variants[1].val.rows.iter().flatten());
    Ok(FitRecord {
        kind: "fit".into(),
        model: id.into(),
        command: crate::cli::command_line(),
        int8_cls_difference: pairs.fold(0.0, |most, (a, b)| most.max((a - b).abs())),
        candidates: fitted.iter().map(|(_, f)| f.row.clone()).collect(),
        chosen,
    })
}

fn variant(summary: &Summary, best: &TensorMap, storage: Storage, [train, val]: [&Split; 2]) -> Result<Variant> {
    let mut encoder = TensorMap::default();
    for (name, tensor) in best.iter().filter(|(name, _)| !name.starts_with("head.")) {
        encoder.insert(name, tensor.clone());
    }
    let bytes = match storage {
        Storage::Int8 => encoder.to_safetensors_int8()?,
        _ => encoder.to_safetensors_f16()?,
    };
    let stored = TensorMap::from_safetensors(&bytes)?;
    let engine = CpuVit::load(&summary.config.encoder, stored)?;
    let tokens = |split: &Split| tokens(summary, &engine, split);
    let (train, val) = (tokens(train)?, tokens(val)?);
    Ok(Variant { storage, bytes, train, val })
}

fn tokens(summary: &Summary, engine: &CpuVit, split: &Split) -> Result<Tokens> {
    let preprocess = &summary.config.preprocess;
    let one = |sample: &crate::data::Sample| -> Result<Vec<f32>> {
        let image = preprocess.letterbox(&models::decode(&sample.bytes).with_context(|| sample.file.clone())?);
        Ok(engine.encode(&image.to_tensor(preprocess))?)
    };
    let rows = split.samples.par_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(Tokens { rows, classes: split.samples.iter().map(|s| s.class).collect(), count: split.labels.len() })
}

/// Heads to choose from: the one trained with the encoder, and fits on the CLS tokens of the training split.
fn heads(summary: &Summary, best: &TensorMap, train: &Tokens) -> Result<Vec<(&'static str, LinearHead)>> {
    let (d, classes) = (summary.config.encoder.dim, summary.config.labels.len());
    let weights = &best.get("head.weight", &[classes, d])?.data;
    let bias = &best.get("head.bias", &[classes])?.data;
    Ok(vec![
        ("trained with the encoder", fit::given(weights, bias)?),
        ("logistic regression", fit::logistic(train, 0.1)?),
        ("LDA, shrinkage 0.1", fit::lda(train, 0.1)?),
    ])
}

fn finish(variant: &Variant, name: &str, head: &LinearHead) -> Result<Fitted> {
    let values: Vec<f32> = variant.train.rows.iter().flatten().copied().collect();
    let quantiser = ClsQuantiser::fit(9, &values, 0.9999)?;
    let head = QuantisedHead::from_linear(head, &quantiser)?;
    let logits: Vec<Vec<f64>> =
        variant.val.rows.iter().map(|r| head.logits(&quantiser.quantise(r)).iter().map(|l| *l as f64).collect()).collect();
    let unit = f64::from(head.weight_scale) * f64::from(quantiser.scale);
    let truth = &variant.val.classes;
    let logit_scale = fit::best_scale(&logits, truth, unit);
    let scaled = |row: &Vec<f64>| fit::softmax(&row.iter().map(|l| l * logit_scale).collect::<Vec<f64>>());
    let probabilities: Vec<Vec<f64>> = logits.iter().map(scaled).collect();
    let answers: Vec<usize> = probabilities.iter().map(|p| metrics::top(p)).collect();
    let row = Candidate {
        storage: format!("{:?}", variant.storage).to_lowercase(),
        bytes: variant.bytes.len(),
        head: name.to_string(),
        val_accuracy: metrics::accuracy(&answers, truth),
        val_nll: metrics::nll(&probabilities, truth),
        val_auc: metrics::auc_of_classes(&probabilities, truth),
    };
    Ok(Fitted { head, quantiser, logit_scale, row })
}

fn write(summary: &Summary, variant: &Variant, fitted: &Fitted, text: &CardText, id: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let class = |label: &String| Class { id: label.clone(), label: text.classes.get(label).unwrap_or(label).clone() };
    let figure = |value: f64| serde_json::json!((value * 1e4).round() / 1e4);
    let metrics = [
        ("val_accuracy", figure(fitted.row.val_accuracy)),
        ("val_nll", figure(fitted.row.val_nll)),
        ("val_auc", fitted.row.val_auc.map_or(serde_json::Value::Null, figure)),
    ];
    let more = [
        ("head", serde_json::json!(fitted.row.head)),
        ("best_epoch", serde_json::json!(summary.progress.best_epoch)),
        ("settings", serde_json::to_value(&summary.config)?),
    ];
    let named = |pairs: &[(&str, serde_json::Value)]| pairs.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    let card = ModelCard {
        format: CARD_FORMAT,
        id: id.into(),
        title: text.title.clone(),
        version: text.version.clone(),
        task: text.task.clone(),
        classes: summary.config.labels.iter().map(class).collect(),
        encoder: Encoder {
            architecture: summary.config.encoder.clone(),
            file: "encoder.safetensors".into(),
            sha256: sha256_hex(&variant.bytes),
            bytes: variant.bytes.len() as u64,
            storage: variant.storage,
        },
        preprocess: summary.config.preprocess.clone(),
        cls: Cls { dim: summary.config.encoder.dim, quantiser: fitted.quantiser },
        calibration: Calibration { logit_scale: fitted.logit_scale },
        he_parameters: "GLWE_2048_TU17".into(),
        training: Training {
            data: text.data.clone(),
            split: text.split.clone(),
            seed: summary.config.seed,
            command: summary.command.clone(),
            start: text.start.clone(),
            epochs: summary.config.epochs,
            more: named(&more),
        },
        metrics: named(&metrics),
        limits: text.limits.clone(),
        licence: text.licence.clone(),
        provenance: text.provenance.clone(),
    };
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    };
    put("encoder.safetensors", &variant.bytes)?;
    put("head.safetensors", &fitted.head.to_safetensors()?)?;
    put("card.json", card.to_json()?.as_bytes())
}
