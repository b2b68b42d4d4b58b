//! From a finished training run to a model pack: storage, head, quantiser, temperature, card.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use models::{
    ClsQuantiser, LinearHead, ModelCard, QuantisedHead, TensorMap,
    card::{CARD_FORMAT, Calibration, Class, Cls, Encoder, Storage, Training},
    pack::sha256_hex,
};
use serde::{Deserialize, Serialize};

use crate::{
    evaluate::Evaluation,
    federate::{self, record::FederateRecord},
    fit::{self, Tokens},
    metrics,
    train::{
        params::Layout,
        run::Summary,
        step::{Images, infer},
    },
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
    /// Epoch after which the (averaged) weights were taken.
    pub epoch: u32,
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
    /// Name of the model.
    pub model: String,
    /// The command line.
    pub command: String,
    /// Every candidate, in the order tried.
    pub candidates: Vec<Candidate>,
    /// Index of the shipped one.
    pub chosen: usize,
    /// Largest difference of a CLS value between int8 and f16 storage, over the validation split.
    pub int8_cls_difference: f32,
}

/// Weights of one epoch of a run.
pub struct Epoch {
    /// Counted from 1.
    pub number: u32,
    /// Averaged weights, timm names, with the trained head.
    pub weights: TensorMap,
}

struct Variant {
    epoch: u32,
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

/// The letterboxed images of the training and the validation split.
pub struct FitData {
    /// Training split: heads and quantiser are fitted on its CLS tokens.
    pub train: Images,
    /// Validation split: temperature and choice.
    pub val: Images,
}

/// Fits heads on the CLS tokens of each epoch's weights and writes the pack of the best.
///
/// The likeliest answers on the validation split win: the negative log-likelihood tells more than the few wrong answers.
/// Storage is int8, unless f16 answers more validation images rightly.
///
/// # Errors
/// Where weights do not fit the run or the folder cannot be written.
pub fn fit(summary: &Summary, epochs: &[Epoch], data: &FitData, text: &CardText, id: &str, folder: &Path) -> Result<FitRecord> {
    let mut fitted = Vec::new();
    for epoch in epochs {
        fitted.push(candidates(summary, epoch, Storage::Int8, data)?);
    }
    let best = (0..epochs.len()).min_by(|a, b| likeliest(&fitted[*a].1).total_cmp(&likeliest(&fitted[*b].1)));
    let best = best.context("no weights to fit a head on")?;
    fitted.push(candidates(summary, &epochs[best], Storage::F16, data)?);
    let [int8, f16] = [best, epochs.len()].map(|i| winner(&fitted[i].1));
    let (int8, f16) = (int8.context("no head was fitted")?, f16.context("no head was fitted")?);
    let shipped = if fitted[epochs.len()].1[f16].row.val_accuracy > fitted[best].1[int8].row.val_accuracy {
        (epochs.len(), f16)
    } else {
        (best, int8)
    };
    let (variant, heads) = &fitted[shipped.0];
    write(summary, variant, &heads[shipped.1], text, id, folder)?;
    let rows = |i: usize| fitted[i].0.val.rows.iter().flatten();
    let difference = rows(best).zip(rows(epochs.len())).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
    let before: usize = fitted[..shipped.0].iter().map(|(_, heads)| heads.len()).sum();
    Ok(FitRecord {
        model: id.into(),
        command: crate::cli::command_line(),
        int8_cls_difference: difference,
        candidates: fitted.iter().flat_map(|(_, heads)| heads.iter().map(|f| f.row.clone())).collect(),
        chosen: before + shipped.1,
    })
}

/// Index of the head with the least negative log-likelihood.
fn winner(heads: &[Fitted]) -> Option<usize> {
    (0..heads.len()).min_by(|a, b| heads[*a].row.val_nll.total_cmp(&heads[*b].row.val_nll))
}

fn likeliest(heads: &[Fitted]) -> f64 {
    winner(heads).map_or(f64::MAX, |i| heads[i].row.val_nll)
}

fn candidates(summary: &Summary, epoch: &Epoch, storage: Storage, data: &FitData) -> Result<(Variant, Vec<Fitted>)> {
    let variant = variant(summary, epoch, storage, data)?;
    let heads = heads(summary, &epoch.weights, &variant.train)?;
    let fitted = heads.into_iter().map(|(name, head)| finish(&variant, name, &head)).collect::<Result<_>>()?;
    Ok((variant, fitted))
}

fn variant(summary: &Summary, epoch: &Epoch, storage: Storage, data: &FitData) -> Result<Variant> {
    let mut encoder = TensorMap::default();
    for (name, tensor) in epoch.weights.iter().filter(|(name, _)| !name.starts_with("head.")) {
        encoder.insert(name, tensor.clone());
    }
    let bytes = match storage {
        Storage::Int8 => encoder.to_safetensors_int8()?,
        _ => encoder.to_safetensors_f16()?,
    };
    let config = &summary.config;
    let layout = Layout::new(&config.encoder, config.labels.len());
    let mut flat = vec![0.0; layout.len];
    layout.load(&TensorMap::from_safetensors(&bytes)?, &mut flat)?;
    let tokens = |images: &Images| {
        let (_, cls) = infer(config, &layout, &flat, images);
        let rows = cls.chunks_exact(config.encoder.dim).map(<[f32]>::to_vec).collect();
        Tokens { rows, classes: images.classes.clone(), count: config.labels.len() }
    };
    Ok(Variant { epoch: epoch.number, storage, train: tokens(&data.train), val: tokens(&data.val), bytes })
}

/// Heads to choose from: the one trained with the encoder, and fits on the CLS tokens of the training split.
fn heads(summary: &Summary, weights: &TensorMap, train: &Tokens) -> Result<Vec<(&'static str, LinearHead)>> {
    let (d, classes) = (summary.config.encoder.dim, summary.config.labels.len());
    let trained = &weights.get("head.weight", &[classes, d])?.data;
    let bias = &weights.get("head.bias", &[classes])?.data;
    Ok(vec![
        ("trained with the encoder", fit::given(trained, bias)?),
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
        epoch: variant.epoch,
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
        ("shipped_epoch", serde_json::json!(variant.epoch)),
        // By way of text: a direct conversion would widen 0.1 to 0.10000000149011612.
        ("settings", serde_json::from_str(&serde_json::to_string(&summary.config)?)?),
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
        detector: None,
        purifier: None,
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

/// Puts the head of a real round into the pack in `folder`, with a temperature fitted on validation tokens: an encoder separates the images
/// that it was trained on better than others, so a head of their statistics is too sure of itself. Figures of the head before are taken out of the card.
///
/// # Errors
/// Where the card cannot be read or written.
pub fn put_head(
    folder: &Path,
    head: &QuantisedHead,
    logit_scale: f64,
    val: &federate::tokens::Tokens,
    record: &FederateRecord,
) -> Result<()> {
    let path = folder.join("card.json");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut card = ModelCard::from_json(&text)?;
    let logits = |row: &Vec<i16>| head.logits(row).iter().map(|l| *l as f64).collect();
    let logits: Vec<Vec<f64>> = val.rows.iter().map(logits).collect();
    card.calibration.logit_scale = fit::best_scale(&logits, &val.classes, logit_scale);
    card.metrics.clear();
    let origin = serde_json::json!({
        "kind": "LDA in closed form of the statistics that a round opened",
        "sites": record.sites,
        "images": record.published.images,
        "split_by": record.split_by,
        "clip_norm": record.clip_norm,
        "shrinkage": record.shrinkage,
        "temperature": (logit_scale / card.calibration.logit_scale * 1e4).round() / 1e4,
        "command": record.command,
    });
    card.training.more.insert("head".into(), origin);
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"));
    put("head.safetensors", &head.to_safetensors()?)?;
    put("card.json", card.to_json()?.as_bytes())
}

/// Adds the figures of an evaluation to the card in `folder`, under the name `<data>_<split>`.
///
/// # Errors
/// Where the card cannot be read or written.
pub fn add_metrics(folder: &Path, data: &str, split: &str, evaluation: &Evaluation) -> Result<()> {
    let path = folder.join("card.json");
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut card = ModelCard::from_json(&text)?;
    let round = |value: f64| (value * 1e4).round() / 1e4;
    let figures = &evaluation.plain;
    let entry = serde_json::json!({
        "n": evaluation.n,
        "groups": evaluation.groups,
        "accuracy": round(figures.accuracy),
        "ci_low": round(figures.ci_low),
        "ci_high": round(figures.ci_high),
        "auc": figures.auc.map(round),
        "calibration_error": round(figures.calibration_error),
        "encrypted_agreement": evaluation.encrypted_agreement,
    });
    card.metrics.insert(format!("{data}_{split}"), entry);
    std::fs::write(&path, card.to_json()?).with_context(|| format!("cannot write {}", path.display()))
}
