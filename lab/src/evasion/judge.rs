//! What the real pipeline says of an image, and whether an attack on it succeeded.

use anyhow::Result;
use models::{Preprocess, detector::Verdict, head::top_class};

use super::{attack::Target, loss, run::Referee, square::Oracle};
use crate::pipeline::Pipeline;

/// A detector as a user meets it: it gives an image a score and flags it from a threshold on.
pub trait Guard: Sync {
    /// Verdict on an image, given as normalised input CHW with the encoder's token of it; the pipeline encodes what else is compared.
    ///
    /// # Errors
    /// Where the detector refuses the image.
    fn verdict(&self, pipeline: &Pipeline, input: &[f32], cls: &[f32]) -> Result<Verdict>;

    /// Images of at least this score are flagged.
    fn threshold(&self) -> f64;
}

/// The pipeline, with its detector where it has one.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// Encoder, quantiser, integer head.
    pub pipeline: &'a Pipeline,
    /// Detector.
    pub guard: Option<&'a dyn Guard>,
}

/// What the pipeline says of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Integer logits.
    pub logits: Vec<i64>,
    /// The answer: a class.
    pub answer: usize,
    /// The detector's score; none without a detector.
    pub score: Option<f64>,
    /// Whether the detector flags it.
    pub flagged: bool,
    /// The detector's map, one value a patch; empty without a detector.
    pub map: Vec<f32>,
}

impl Judgement {
    /// How far an attacker got with this image: 0 not at all, 1 wrong answer that is flagged, 2 wrong answer that passes.
    pub fn success(&self, class: usize) -> u8 {
        match (self.answer == class, self.flagged) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    }

    /// Whether it harms nobody: the right answer, or flagged.
    pub fn defended(&self, class: usize) -> bool {
        self.success(class) < 2
    }
}

impl Judge<'_> {
    /// Judges an image, CHW in [0, 1].
    ///
    /// # Errors
    /// Where the image has another size than the model's.
    pub fn judge(&self, image: &[f32]) -> Result<Judgement> {
        let input = normalised(&self.pipeline.card.preprocess, image);
        let encoded = self.pipeline.encode_tensor(&input)?;
        let verdict = self.guard.map(|guard| guard.verdict(self.pipeline, &input, &encoded.cls)).transpose()?;
        let score = verdict.as_ref().map(|v| f64::from(v.score));
        let flagged = matches!((score, self.guard), (Some(score), Some(guard)) if score >= guard.threshold());
        let map = verdict.map_or_else(Vec::new, |v| v.map);
        Ok(Judgement { answer: top_class(&encoded.logits), logits: encoded.logits, score, flagged, map })
    }
}

impl Referee for Judge<'_> {
    fn success(&self, image: &[f32], target: &Target) -> Result<(f64, Judgement)> {
        let judgement = self.judge(image)?;
        Ok((f64::from(judgement.success(target.class)), judgement))
    }
}

/// Queries of the classifier alone: its integer logits, in units of real ones.
impl Oracle for Judge<'_> {
    fn value(&self, image: &[f32], class: usize) -> Result<f64> {
        let judgement = Judge { guard: None, ..*self }.judge(image)?;
        let unit = f64::from(self.pipeline.head.weight_scale) * f64::from(self.pipeline.card.cls.quantiser.scale);
        let logits: Vec<f32> = judgement.logits.iter().map(|l| (*l as f64 * unit) as f32).collect();
        Ok(loss::margin(&logits, class))
    }
}

/// The encoder's input of an image in [0, 1]: the same bits as of a file with these pixels.
pub fn normalised(preprocess: &Preprocess, image: &[f32]) -> Vec<f32> {
    let area = preprocess.size * preprocess.size;
    let value = |(i, v): (usize, &f32)| (v - preprocess.mean[i / area]) / preprocess.std[i / area];
    image.iter().enumerate().map(value).collect()
}

/// The image as a PNG can hold it: each value the nearest of the 256 there are.
pub fn eight_bits(image: &[f32]) -> Vec<f32> {
    image.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() / 255.0).collect()
}
