//! Evaluation of a pack on a split: plain, quantised and encrypted, image by image.

use anyhow::{Context, Result, ensure};
use he::{EncryptedHead, EncryptedLogits, GLWE_2048_TU17, PreparedPublicKey, PublicKey, SealedToken, SecretKey};
use models::QuantisedHead;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    data::Split,
    metrics,
    pipeline::{Encoded, Pipeline},
};

/// What one way of answering came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Share of right answers.
    pub accuracy: f64,
    /// Lower end of its 95 % interval, by bootstrap over groups.
    pub ci_low: f64,
    /// Upper end.
    pub ci_high: f64,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: f64,
    /// Area under the ROC curve; none where only one class occurs.
    pub auc: Option<f64>,
    /// Mean negative log-likelihood.
    pub nll: f64,
    /// Expected calibration error.
    pub calibration_error: f64,
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images.
    pub n: usize,
    /// Independent groups of images.
    pub groups: usize,
    /// CLS tokens as floats.
    pub plain: Figures,
    /// CLS tokens as integers.
    pub quantised: Figures,
    /// The integers sealed, classified by the relay's arithmetic on ciphertexts, and opened; absent where not asked for.
    pub encrypted: Option<Figures>,
    /// Share of images whose quantised answer is the plain one's.
    pub quantised_agreement: f64,
    /// Share of images whose opened logits are exactly the quantised integers, all of them.
    pub encrypted_agreement: Option<f64>,
}

impl Evaluation {
    /// The one object that `--json` prints.
    pub fn json(&self) -> serde_json::Value {
        let plain = &self.plain;
        let encrypted = self.encrypted.as_ref();
        serde_json::json!({
            "n": self.n,
            "groups": self.groups,
            "accuracy": plain.accuracy,
            "ci_low": plain.ci_low,
            "ci_high": plain.ci_high,
            "auc": plain.auc,
            "balanced_accuracy": plain.balanced_accuracy,
            "calibration_error": plain.calibration_error,
            "quantised_accuracy": self.quantised.accuracy,
            "quantised_agreement": self.quantised_agreement,
            "encrypted_accuracy": encrypted.map(|f| f.accuracy),
            "encrypted_ci_low": encrypted.map(|f| f.ci_low),
            "encrypted_ci_high": encrypted.map(|f| f.ci_high),
            "encrypted_auc": encrypted.and_then(|f| f.auc),
            "encrypted_agreement": self.encrypted_agreement,
        })
    }
}

/// A client and a relay in one process; every message passes through its bytes, as over the network.
pub(crate) struct Channel {
    key: SecretKey,
    session: PreparedPublicKey,
    head: EncryptedHead,
}

impl Channel {
    /// # Errors
    /// Where the encryption is another than is known here, or refuses the head.
    pub(crate) fn open(he_parameters: &str, head: &QuantisedHead) -> Result<Self> {
        let set = &GLWE_2048_TU17;
        ensure!(he_parameters == "GLWE_2048_TU17", "the card names the encryption {he_parameters}, which is not known here");
        let key = SecretKey::make(set)?;
        let public = key.make_public_key()?.to_bytes();
        let session = PublicKey::from_bytes(set, &public)?.prepare();
        let head = EncryptedHead::derive(set, head.classes, head.dim, head.weights(), head.bias())?;
        Ok(Self { key, session, head })
    }

    /// Logits of a token, by way of ciphertexts.
    ///
    /// # Errors
    /// Where the encryption refuses the token.
    pub(crate) fn logits(&self, token: &[i16]) -> Result<Vec<i64>> {
        let set = &GLWE_2048_TU17;
        let sent = self.key.make_sealed_token(token)?.to_bytes();
        let received = SealedToken::from_bytes(set, token.len(), &sent)?;
        let answer = self.head.make_logits(&received, &self.session)?.to_bytes();
        let answer = EncryptedLogits::from_bytes(set, self.head.classes(), &answer)?;
        Ok(self.key.open(&answer)?)
    }
}

/// Evaluates `pipeline` on `split`; `progress` is called after each image.
///
/// # Errors
/// Where an image cannot be decoded or a label is none of the model's classes.
pub fn evaluate(pipeline: &Pipeline, split: &Split, encrypted: bool, progress: &(dyn Fn() + Sync)) -> Result<Evaluation> {
    let truth = classes(pipeline, split)?;
    let channel = if encrypted { Some(Channel::open(&pipeline.card.he_parameters, &pipeline.head)?) } else { None };
    let one = |sample: &crate::data::Sample| -> Result<(Encoded, Option<Vec<i64>>)> {
        let encoded = pipeline.encode(&sample.bytes).with_context(|| sample.file.clone())?;
        let opened = channel.as_ref().map(|c| c.logits(&encoded.quantised)).transpose()?;
        progress();
        Ok((encoded, opened))
    };
    let (encoded, opened): (Vec<Encoded>, Vec<Option<Vec<i64>>>) =
        split.samples.par_iter().map(one).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let groups: Vec<String> = split.samples.iter().map(|s| s.group.clone()).collect();
    let plain: Vec<Vec<f64>> = encoded.iter().map(|e| pipeline.plain_probabilities(&e.cls)).collect();
    let quantised: Vec<Vec<f64>> = encoded.iter().map(|e| e.probabilities.clone()).collect();
    let opened: Option<Vec<Vec<i64>>> = opened.into_iter().collect();
    let of_opened = opened.as_ref().map(|all| all.iter().map(|l| pipeline.card.probabilities(l)).collect::<Vec<_>>());
    let n = encoded.len();
    let same_answer = plain.iter().zip(&quantised).filter(|(a, b)| metrics::top(a) == metrics::top(b)).count();
    let exact = opened.map(|all| all.iter().zip(&encoded).filter(|(o, e)| **o == e.logits).count());
    Ok(Evaluation {
        n,
        groups: split.groups(),
        plain: figures(&plain, &truth, &groups),
        quantised: figures(&quantised, &truth, &groups),
        encrypted: of_opened.map(|p| figures(&p, &truth, &groups)),
        quantised_agreement: same_answer as f64 / n as f64,
        encrypted_agreement: exact.map(|count| count as f64 / n as f64),
    })
}

/// The split's labels as the model's classes.
///
/// # Errors
/// Where a label is none of them.
pub fn classes(pipeline: &Pipeline, split: &Split) -> Result<Vec<usize>> {
    let ids: Vec<&str> = pipeline.card.classes.iter().map(|c| c.id.as_str()).collect();
    let find = |label: &String| {
        let found = ids.iter().position(|id| id == label);
        found.with_context(|| format!("the label `{label}` is none of the model's classes {ids:?}; see --label-column"))
    };
    split.samples.iter().map(|sample| find(&split.labels[sample.class])).collect()
}

/// Figures of probabilities [n][classes] against the true classes.
pub fn figures(probabilities: &[Vec<f64>], truth: &[usize], groups: &[String]) -> Figures {
    let answers: Vec<usize> = probabilities.iter().map(|p| metrics::top(p)).collect();
    let right: Vec<f64> = answers.iter().zip(truth).map(|(a, t)| f64::from(u8::from(a == t))).collect();
    let (ci_low, ci_high) = metrics::group_bootstrap(&right, groups);
    Figures {
        accuracy: metrics::accuracy(&answers, truth),
        ci_low,
        ci_high,
        balanced_accuracy: metrics::balanced_accuracy(&answers, truth),
        auc: metrics::auc_of_classes(probabilities, truth),
        nll: metrics::nll(probabilities, truth),
        calibration_error: metrics::calibration_error(probabilities, truth),
    }
}
