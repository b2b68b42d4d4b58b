//! The head of the opened sum beside the head of this site alone, on this site's own hold-out. Nothing of it leaves the device.

use federation::FederationError;
use federation::api::{RoundResult, Rules};
use federation::heads::{Head, lda};
use federation::statistics::Statistics;
use serde::{Deserialize, Serialize};

use super::noise;
use super::record::{Data, HeldOut};
use crate::error::ClientError;

/// Shrinkage of the covariance, as the relay publishes LDA heads.
const SHRINKAGE: f64 = 0.01;

/// Right answers on the hold-out.
#[derive(Clone, Serialize, Deserialize)]
pub struct Accuracy {
    correct: usize,
    total: usize,
    classes: Vec<Share>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Share {
    correct: usize,
    total: usize,
}

/// The comparison of one round.
#[derive(Clone, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of the round.
    pub round: u64,
    head: String,
    cohort: Vec<u16>,
    /// Images in the sum, by class.
    images: Vec<i64>,
    federated: Accuracy,
    local: Option<Accuracy>,
}

/// Compares the heads. Where this site added noise, the second moments' diagonal is raised by what noise can do to it.
///
/// # Errors
/// `refused` where the sum gives no head, for example where no site has an image of some class.
pub fn evaluate(data: &Data, rules: Rules, round: u64, result: RoundResult) -> Result<Evaluation, ClientError> {
    let shape = data.shape()?;
    let mut sum = Statistics::from_values(shape, result.sum)?;
    let images = sum.counts().to_vec();
    if let Some(wish) = data.made.iter().find(|made| made.round == round).and_then(|made| made.noise) {
        sum.raise_diagonal(noise::derive(wish, shape, rules)?.spectral_norm(shape, result.cohort.len() as u16));
    }
    let federated = accuracy(&lda(&sum, SHRINKAGE)?, &data.held_out);
    let local = match lda(&data.statistics()?, SHRINKAGE) {
        Ok(head) => Some(accuracy(&head, &data.held_out)),
        Err(FederationError::EmptyClass { .. } | FederationError::Singular) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(Evaluation { round, head: "lda".into(), cohort: result.cohort, images, federated, local })
}

fn accuracy(head: &Head, held_out: &[HeldOut]) -> Accuracy {
    let mut classes = vec![Share::default(); head.classes];
    for image in held_out {
        let logits = head.logits(&image.token);
        let top = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a)));
        if let Some(class) = classes.get_mut(image.class) {
            class.total += 1;
            class.correct += usize::from(top == Some(image.class));
        }
    }
    let count = |of: fn(&Share) -> usize| classes.iter().map(of).sum();
    Accuracy { correct: count(|class| class.correct), total: count(|class| class.total), classes }
}
