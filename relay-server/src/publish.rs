//! From an opened sum of statistics to a head that answers: closed form, integers, a card whose calibration belongs to it.

use federation::api::{HeadKind, NewConsortium};
use federation::heads::{Head as FittedHead, SHRINKAGE, lda, ridge};
use federation::statistics::Statistics;
use models::{ModelCard, QuantisedHead};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use crate::answer::Head;
use crate::rounds::{protocol, sentence};
use crate::store::{Change, RoundId, Store, StoredHead};
use crate::zoo::Model;

/// Ridge in units of the tokens' mean variance.
const LAMBDA: f64 = 0.01;

/// A head that a round made, ready to be stored as the model's next version.
pub(crate) struct NewHead {
    model: String,
    round: RoundId,
    /// The shipped card with the new head's calibration; its version is filled in when it is known.
    card: ModelCard,
    head: Vec<u8>,
    /// SHA-256 of the head's file.
    pub(crate) digest: [u8; 32],
}

impl NewHead {
    /// Computes the head of a sum. CPU-bound: run it on a worker.
    ///
    /// # Errors
    /// A sentence that says why no head comes of this sum.
    pub(crate) fn derive(
        model: &Model,
        founding: &NewConsortium,
        round: &RoundId,
        kind: HeadKind,
        sum: Vec<i64>,
    ) -> Result<Self, String> {
        let dim = model.shipped.cls.dim;
        let shape = protocol::derive_shape(founding, dim).map_err(sentence)?;
        let statistics = Statistics::from_values(shape, sum).map_err(sentence)?;
        let images: i64 = statistics.counts().iter().sum();
        let (fitted, temperature) = fit(&statistics, kind).map_err(sentence)?;
        let integers = fitted.to_integers().map_err(sentence)?;
        // The pack's format says a weight's step in real tokens; the relay itself computes with the integers only.
        let weight_scale = (integers.step / f64::from(model.shipped.cls.quantiser.scale)) as f32;
        let head = QuantisedHead::new(dim, integers.weights, integers.bias, weight_scale).map_err(sentence)?;
        Head::derive(&head)?;
        let file = head.to_safetensors().map_err(sentence)?;
        let mut card = model.shipped.clone();
        card.calibration.logit_scale = integers.step * temperature;
        card.metrics = Map::new();
        card.limits.push("This head was learned by sites in a round; no accuracy was measured by the relay.".to_owned());
        let origin = json!({ "consortium": round.consortium, "round": round.number, "kind": kind, "images": images });
        card.training.more.insert("head".to_owned(), origin);
        card.to_json().map_err(sentence)?;
        let digest = Sha256::digest(&file).into();
        Ok(Self { model: model.id().to_owned(), round: round.clone(), card, head: file, digest })
    }

    /// Stores the head as the model's next version, which answers from the moment the change is committed.
    pub(crate) async fn store(&self, change: &mut Change) -> Result<StoredHead, sqlx::Error> {
        let card = |version: u32| {
            let mut card = self.card.clone();
            card.version = format!("{}+head.{version}", card.version);
            // It was written once before, with another version only.
            card.to_json().map_err(|error| sqlx::Error::Protocol(error.to_string()))
        };
        Store::publish(change, &self.model, &self.round, card, &self.head).await
    }
}

/// A head, and what its logits are multiplied with to be natural logarithms.
fn fit(statistics: &Statistics, kind: HeadKind) -> Result<(FittedHead, f64), federation::FederationError> {
    match kind {
        HeadKind::Lda => Ok((lda(statistics, SHRINKAGE)?, 1.0)),
        HeadKind::Ridge => {
            let fitted = ridge(statistics, LAMBDA)?;
            let temperature = temperature(statistics, &fitted, &lda(statistics, SHRINKAGE)?);
            Ok((fitted, temperature))
        }
    }
}

/// The factor that brings `head`'s logits closest to those of `model` over the summed tokens (least squares, without intercepts).
/// Ridge estimates indicators of classes; LDA's logits are log-posteriors, so this calibrates the one by the other without any image.
fn temperature(statistics: &Statistics, head: &FittedHead, model: &FittedHead) -> f64 {
    let dim = head.dim;
    let product = |left: &[f64], right: &[f64]| -> f64 {
        let row = |i: usize| (0..dim).map(|j| statistics.moment(i, j) as f64 * right[j]).sum::<f64>();
        (0..dim).map(|i| left[i] * row(i)).sum()
    };
    let rows = || head.weights.chunks_exact(dim).zip(model.weights.chunks_exact(dim));
    let common: f64 = rows().map(|(own, other)| product(own, other)).sum();
    let own: f64 = rows().map(|(own, _)| product(own, own)).sum();
    let factor = common / own;
    if factor.is_normal() && factor > 0.0 { factor } else { 1.0 }
}
