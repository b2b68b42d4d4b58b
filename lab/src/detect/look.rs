//! What the detector sees of an image before any statistics: patch errors and two tokens.

use anyhow::Result;
use models::{
    CpuVit, TensorMap,
    detector::{Detector, DetectorCard, Evidence, PatchError},
};
use rayon::prelude::*;

/// What was seen of one image.
#[derive(Clone, Debug)]
pub struct Look {
    /// Logarithm of each patch's error `[patches]`.
    pub errors: Vec<f32>,
    /// CLS token of the image `[dim]`.
    pub cls: Vec<f32>,
    /// CLS token of its filtered copy `[dim]`.
    pub cls_of_copy: Vec<f32>,
}

impl Look {
    /// How far filtering moves the token: CLS(image) − CLS(copy).
    pub fn change(&self) -> Vec<f32> {
        self.cls.iter().zip(&self.cls_of_copy).map(|(a, b)| a - b).collect()
    }

    /// The features of `card`, in its order.
    pub fn measure(&self, card: &DetectorCard, directions: &[f32]) -> Vec<f32> {
        let map = card.patch_error.standardise(&self.errors);
        let evidence = Evidence { map: &map, cls: &self.cls, cls_of_copy: &self.cls_of_copy, directions };
        card.features.iter().map(|feature| feature.name.measure(&evidence)).collect()
    }
}

/// Encoder and reconstruction, as the device runs them.
pub struct Eyes {
    encoder: CpuVit,
    detector: Detector,
}

impl Eyes {
    /// Loads the network of `file` by a card whose statistics are not fitted yet.
    ///
    /// # Errors
    /// Where weights and card do not fit.
    pub fn open(encoder: CpuVit, card: &DetectorCard, file: &[u8]) -> Result<Self> {
        Ok(Self { encoder, detector: Detector::load(card, TensorMap::from_safetensors(file)?)? })
    }

    /// Looks at normalised inputs `[channels, size, size]`, side by side.
    ///
    /// # Errors
    /// Where an input has another size.
    pub fn look(&self, inputs: &[Vec<f32>]) -> Result<Vec<Look>> {
        let one = |input: &Vec<f32>| -> Result<Look> {
            let examination = self.detector.examine(input)?;
            Ok(Look {
                errors: self.detector.log_errors(&examination)?,
                cls: self.encoder.encode(input)?,
                cls_of_copy: self.encoder.encode(&self.detector.copy(input))?,
            })
        };
        inputs.par_iter().map(one).collect()
    }
}

/// Mean and deviation of each patch's log error over clean images.
pub fn patch_error(looks: &[Look]) -> PatchError {
    let patches = looks.first().map_or(0, |look| look.errors.len());
    let (mean, std) = (0..patches).map(|patch| mean_and_std(looks.iter().map(|look| look.errors[patch]))).unzip();
    PatchError { mean, std }
}

/// Mean and standard deviation; a deviation below 10⁻³ is taken for 10⁻³, so that a place that never changes does not decide alone.
pub fn mean_and_std(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let square = values.map(|v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    (mean as f32, square.sqrt().max(1e-3) as f32)
}
