//! A split as quantised CLS tokens, and heads on them.

use anyhow::{Context, Result};
use federation::{
    heads::{Head, lda},
    statistics::{Shape, Statistics},
};
use rayon::prelude::*;

use crate::{
    data::{Sample, Split},
    evaluate::{Figures, figures},
    fit::softmax,
    pipeline::Pipeline,
};

/// Tokens [n][dim] with classes and groups.
#[derive(Clone, Default)]
pub struct Tokens {
    /// Quantised tokens.
    pub rows: Vec<Vec<i16>>,
    /// Classes, as the model counts them.
    pub classes: Vec<usize>,
    /// Independent units.
    pub groups: Vec<String>,
}

impl Tokens {
    /// Encodes a split with a pack's encoder; `progress` is called after each image.
    ///
    /// # Errors
    /// Where an image cannot be decoded or a label is none of the model's classes.
    pub fn encode(pipeline: &Pipeline, split: &Split, progress: &(dyn Fn() + Sync)) -> Result<Self> {
        let one = |sample: &Sample| -> Result<Vec<i16>> {
            let cls = pipeline.cls(&sample.bytes).with_context(|| sample.file.clone())?;
            progress();
            Ok(pipeline.card.cls.quantiser.quantise(&cls))
        };
        Ok(Self {
            rows: split.samples.par_iter().map(one).collect::<Result<_>>()?,
            classes: crate::evaluate::classes(pipeline, split)?,
            groups: split.samples.iter().map(|s| s.group.clone()).collect(),
        })
    }

    /// The images of one site.
    pub fn of_site(&self, sites: &[usize], site: usize) -> Self {
        let own = |i: &usize| sites[*i] == site;
        let indices: Vec<usize> = (0..self.rows.len()).filter(own).collect();
        Self {
            rows: indices.iter().map(|i| self.rows[*i].clone()).collect(),
            classes: indices.iter().map(|i| self.classes[*i]).collect(),
            groups: indices.iter().map(|i| self.groups[*i].clone()).collect(),
        }
    }

    /// Their statistics.
    ///
    /// # Errors
    /// Where a token does not fit the shape.
    pub fn statistics(&self, shape: Shape) -> Result<Statistics> {
        let mut statistics = Statistics::new(shape);
        for (row, class) in self.rows.iter().zip(&self.classes) {
            statistics.add(*class, row)?;
        }
        Ok(statistics)
    }

    /// Images of each class.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        (0..classes).map(|class| self.classes.iter().filter(|c| **c == class).count()).collect()
    }

    /// Figures of a head, rounded to the integers that run on ciphertexts.
    ///
    /// # Errors
    /// Where the head cannot be rounded.
    pub fn figures(&self, head: &Head) -> Result<Figures> {
        Ok(figures(&self.probabilities(head)?, &self.classes, &self.groups))
    }

    /// Probabilities [n][classes] of a head in integers.
    ///
    /// # Errors
    /// Where the head cannot be rounded.
    pub fn probabilities(&self, head: &Head) -> Result<Vec<Vec<f64>>> {
        let integers = head.to_integers()?;
        let one = |row: &Vec<i16>| {
            let logits: Vec<f64> =
                integer_logits(&integers.weights, &integers.bias, row).map(|l| l as f64 * integers.step).collect();
            softmax(&logits)
        };
        Ok(self.rows.iter().map(one).collect())
    }
}

/// Logits of a token, as the relay computes them on ciphertexts.
pub fn integer_logits(weights: &[i16], bias: &[i64], row: &[i16]) -> impl Iterator<Item = i64> {
    let product = move |w: &[i16]| w.iter().zip(row).map(|(w, x)| i64::from(*w) * i64::from(*x)).sum::<i64>();
    weights.chunks_exact(row.len()).zip(bias).map(move |(w, b)| product(w) + b)
}

/// The LDA head of a site that may lack classes: it is fitted on the classes that the site has, and never answers the others.
///
/// # Errors
/// Where the covariance cannot be inverted.
pub fn local_lda(tokens: &Tokens, classes: usize, clip_norm: u32, shrinkage: f64) -> Result<Head> {
    let counts = tokens.counts(classes);
    let known: Vec<usize> = (0..classes).filter(|class| counts[*class] > 0).collect();
    let dim = tokens.rows.first().map_or(0, Vec::len);
    if known.len() == 1 {
        return Ok(constant(classes, dim, known[0]));
    }
    let place = |class: &usize| known.iter().position(|k| k == class).unwrap_or(0);
    let renamed = Tokens { classes: tokens.classes.iter().map(place).collect(), ..tokens.clone() };
    let shape = Shape::new(known.len(), dim, clip_norm)?;
    let fitted = lda(&renamed.statistics(shape)?, shrinkage)?;
    let mut head = constant(classes, dim, known[0]);
    head.weights = vec![0.0; classes * dim];
    for (place, class) in known.iter().enumerate() {
        head.weights[class * dim..][..dim].copy_from_slice(&fitted.weights[place * dim..][..dim]);
        head.bias[*class] = fitted.bias[place];
    }
    Ok(head)
}

/// A logit that no other reaches.
const NEVER: f64 = -1e6;

/// The head that always answers `class`.
fn constant(classes: usize, dim: usize, class: usize) -> Head {
    let bias = (0..classes).map(|c| if c == class { 0.0 } else { NEVER }).collect();
    // A weight that is not zero lets the head be rounded.
    let mut weights = vec![0.0; classes * dim];
    weights[0] = 1.0;
    Head { classes, dim, weights, bias }
}
