//! The steps of an examination.

use super::{DIRECTIONS, DetectorCard, Evidence, Feature, Verdict, feature, verdict};
use crate::{
    ModelError, TensorMap,
    mae::{self, CpuMae, CpuPatches, Mask},
    vit::cpu::math::mean_square,
};

/// A detector, ready to run.
pub struct Detector {
    card: DetectorCard,
    network: CpuMae,
    masks: Vec<Mask>,
    /// `[directions, dim]`; empty where no feature asks for them.
    directions: Vec<f32>,
}

/// An image that is being examined.
pub struct Examination {
    patches: CpuPatches,
    /// `[patches, patch_len]`
    targets: Vec<f32>,
    /// For each mask that was tried, the error of each patch that it hid.
    errors: Vec<Option<Vec<f32>>>,
}

impl Detector {
    /// Takes the network's tensors out of `weights`.
    ///
    /// # Errors
    /// The errors of [`DetectorCard::validate`] and [`CpuMae::load`].
    pub fn load(card: &DetectorCard, mut weights: TensorMap) -> Result<Self, ModelError> {
        card.validate()?;
        let drifts = card.features.iter().any(|feature| feature.name == Feature::Drift);
        let directions = if drifts { take_directions(&mut weights)? } else { Vec::new() };
        let network = CpuMae::load(&card.architecture, weights)?;
        let masks = Mask::complementary(card.masks.seed, card.masks.count, card.architecture.patches());
        Ok(Self { card: card.clone(), network, masks, directions })
    }

    /// The card.
    pub const fn card(&self) -> &DetectorCard {
        &self.card
    }

    /// Number of passes of an examination, one a mask.
    pub const fn passes(&self) -> usize {
        self.card.masks.count
    }

    /// Begins with an input `[channels, size, size]`, normalised as for the encoder.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] where the input has another length.
    pub fn start(&self, input: &[f32]) -> Result<Examination, ModelError> {
        let patches = self.network.embed(input)?;
        let targets = mae::targets(input, &self.card.architecture.encoder)?;
        Ok(Examination { patches, targets, errors: vec![None; self.passes()] })
    }

    /// Makes pass `index` of `0..passes()`; in any order, and a pass made twice counts once.
    ///
    /// # Errors
    /// [`ModelError::Examination`] where there is no such pass.
    pub fn pass(&self, examination: &mut Examination, index: usize) -> Result<(), ModelError> {
        let (Some(mask), Some(slot)) = (self.masks.get(index), examination.errors.get_mut(index)) else {
            return Err(refuse(format!("there is no pass {index} of {}", self.passes())));
        };
        let width = self.card.architecture.encoder.patch_len();
        let drawn = self.network.draw(&examination.patches, mask)?;
        let wanted = mask.masked.iter().map(|patch| &examination.targets[patch * width..(patch + 1) * width]);
        *slot = Some(drawn.chunks_exact(width).zip(wanted).map(|(drawn, wanted)| mean_square(drawn, wanted)).collect());
        Ok(())
    }

    /// The directions `[directions, dim]` of [`Feature::Drift`]; empty where it is not measured.
    pub fn directions(&self) -> &[f32] {
        &self.directions
    }

    /// The copy of an input `[channels, size, size]` that the encoder is to be run on too.
    pub fn copy(&self, input: &[f32]) -> Vec<f32> {
        self.card.filter.apply(input, self.card.architecture.encoder.image_size)
    }

    /// The logarithm of each patch's error `[patches]`, its mean over the masks that hid it: what the card's `patch_error` is fitted on.
    ///
    /// # Errors
    /// [`ModelError::Examination`] where a pass has not been made.
    pub fn log_errors(&self, examination: &Examination) -> Result<Vec<f32>, ModelError> {
        let mut sums = vec![(0.0, 0u32); self.card.architecture.patches()];
        for (index, (mask, errors)) in self.masks.iter().zip(&examination.errors).enumerate() {
            let errors = errors.as_ref().ok_or_else(|| refuse(format!("pass {index} has not been made")))?;
            for (patch, error) in mask.masked.iter().zip(errors) {
                sums[*patch].0 += f64::from(*error);
                sums[*patch].1 += 1;
            }
        }
        Ok(sums.into_iter().map(|(sum, count)| feature::log_error(sum / f64::from(count))).collect())
    }

    /// The verdict, from the encoder's CLS tokens `[dim]` of the image and of its copy.
    ///
    /// # Errors
    /// [`ModelError::Examination`] where a pass has not been made, the tokens differ in length, or a value is not finite: a
    /// score that is not a number would compare as clean.
    pub fn finish(&self, examination: &Examination, cls: &[f32], cls_of_copy: &[f32]) -> Result<Verdict, ModelError> {
        if cls.len() != cls_of_copy.len() {
            return Err(refuse(format!("its token has {} values and its copy's {}", cls.len(), cls_of_copy.len())));
        }
        let map = self.card.patch_error.standardise(&self.log_errors(examination)?);
        if !self.directions.len().is_multiple_of(cls.len().max(1)) {
            return Err(refuse(format!("its token has {} values, which is not what the detector was fitted to", cls.len())));
        }
        let evidence = Evidence { map: &map, cls, cls_of_copy, directions: &self.directions };
        let features: Vec<f32> = self.card.features.iter().map(|feature| feature.name.measure(&evidence)).collect();
        let score = self.card.score(&features);
        if !score.is_finite() || map.iter().any(|error| !error.is_finite()) {
            return Err(refuse("its values or its tokens are not finite numbers".into()));
        }
        let clean_share = verdict::share_above(&self.card.clean_quantiles, score);
        Ok(Verdict { score, features, map, clean_share })
    }
}

fn take_directions(weights: &mut TensorMap) -> Result<Vec<f32>, ModelError> {
    let tensor = weights.remove(DIRECTIONS).ok_or_else(|| ModelError::MissingTensor { name: DIRECTIONS.to_string() })?;
    Ok(tensor.data)
}

fn refuse(reason: String) -> ModelError {
    ModelError::Examination { reason }
}
