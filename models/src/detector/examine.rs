//! The steps of an examination.

use super::{DIRECTIONS, DetectorCard, Evidence, Feature, Verdict, feature, verdict};
use crate::{
    ModelError, TensorMap,
    mae::{self, CpuMae, CpuSight, Mask},
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
    sight: CpuSight,
    /// `[patches, patch_len]`
    targets: Vec<f32>,
    /// Passes that were made.
    passes: usize,
    /// For each patch the sum of its errors and how many there are.
    errors: Vec<(f64, u32)>,
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

    /// Number of passes of an examination: about as long as a block of the encoder each.
    pub const fn passes(&self) -> usize {
        self.card.architecture.encoder.depth + self.card.masks.count
    }

    /// Begins with an input `[channels, size, size]`, normalised as for the encoder.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] where the input has another length.
    pub fn start(&self, input: &[f32]) -> Result<Examination, ModelError> {
        let sight = self.network.see(input, &self.masks)?;
        let targets = mae::targets(input, &self.card.architecture.encoder)?;
        let errors = vec![(0.0, 0); self.card.architecture.patches()];
        Ok(Examination { sight, targets, passes: 0, errors })
    }

    /// Makes pass `index` of `0..passes()`, one after the other: first the encoder block by block, for all masks together, then what
    /// each mask hides.
    ///
    /// # Errors
    /// [`ModelError::Examination`] where another pass is due.
    pub fn pass(&self, examination: &mut Examination, index: usize) -> Result<(), ModelError> {
        if index != examination.passes || index >= self.passes() {
            return Err(refuse(format!("pass {index} was asked for when {} of {} were made", examination.passes, self.passes())));
        }
        match index.checked_sub(self.card.architecture.encoder.depth) {
            None => self.network.look(&mut examination.sight),
            Some(mask) => self.compare(examination, mask)?,
        }
        examination.passes += 1;
        Ok(())
    }

    /// Every pass at once, for callers that need not yield in between.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn examine(&self, input: &[f32]) -> Result<Examination, ModelError> {
        let mut examination = self.start(input)?;
        (0..self.passes()).try_for_each(|index| self.pass(&mut examination, index))?;
        Ok(examination)
    }

    /// Adds the errors of what mask `index` hides.
    fn compare(&self, examination: &mut Examination, index: usize) -> Result<(), ModelError> {
        let (mask, width) = (&self.masks[index], self.card.architecture.encoder.patch_len());
        let drawn = self.network.draw(&examination.sight, index, mask)?;
        for (patch, drawn) in mask.masked.iter().zip(drawn.chunks_exact(width)) {
            let error = mean_square(drawn, &examination.targets[patch * width..(patch + 1) * width]);
            let (sum, count) = &mut examination.errors[*patch];
            *sum += f64::from(error);
            *count += 1;
        }
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
        if examination.passes < self.passes() {
            return Err(refuse(format!("{} of {} passes were made", examination.passes, self.passes())));
        }
        Ok(examination.errors.iter().map(|(sum, count)| feature::log_error(sum / f64::from(*count))).collect())
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
