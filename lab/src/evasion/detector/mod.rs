//! A pack's detector: as a user meets it, and as something that can be climbed.

mod drawing;
mod tokens;

use std::sync::Arc;

use anyhow::Result;
use models::{
    RelayPack, TensorMap,
    detector::{Detector, DetectorCard, Feature, Verdict},
};

use self::drawing::Drawing;
use super::{
    adaptive::{DetectorSlope, ScoreSlope},
    filters::back_through,
    judge::Guard,
    objective::{BATCH, Tapes},
};
use crate::{
    attack::network::Network,
    pipeline::Pipeline,
    train::vit::{self, OutputGradients},
};

/// The detector of a pack.
pub struct Detection {
    detector: Detector,
    network: Arc<Network>,
    /// Absent where the score does not look at drawings.
    drawing: Option<Drawing>,
    tapes: Tapes,
}

impl Detection {
    /// The detector of a pack whose encoder as floats is `network`; none where the pack has none.
    ///
    /// # Errors
    /// Where the detector's file does not fit its card.
    pub fn of_pack(pack: &RelayPack, network: &Arc<Network>) -> Result<Option<Self>> {
        let (Some(card), Some(bytes)) = (&pack.card.detector, &pack.detector_bytes) else { return Ok(None) };
        let weights = TensorMap::from_safetensors(bytes)?;
        let draws = card.features.iter().any(|f| f.name == Feature::Reconstruction && f.weight != 0.0);
        let drawing = if draws { Some(Drawing::new(card, &weights)?) } else { None };
        let detector = Detector::load(card, weights)?;
        Ok(Some(Self { detector, network: network.clone(), drawing, tapes: Tapes::default() }))
    }

    fn card(&self) -> &DetectorCard {
        self.detector.card()
    }

    fn batch(&self, images: &[&[f32]]) -> Vec<ScoreSlope> {
        let inputs: Vec<Vec<f32>> = images.iter().map(|image| self.network.normalise(image)).collect();
        let mut found = self.tokens(&inputs);
        let part = self.card().features.iter().find(|f| f.name == Feature::Reconstruction);
        if let (Some(drawing), Some(part)) = (&self.drawing, part) {
            let share = f64::from(part.weight) / f64::from(part.std);
            for ((score, slope), (value, of_value)) in found.iter_mut().zip(drawing.slopes(&inputs)) {
                *score += share * (value - f64::from(part.mean));
                slope.iter_mut().zip(of_value).for_each(|(s, v)| *s += share as f32 * v);
            }
        }
        let pixels = |(score, slope): (f64, Vec<f32>)| ScoreSlope { score, gradient: self.network.pixel_slope(&slope) };
        found.into_iter().map(pixels).collect()
    }

    /// The part of the score that compares tokens, and its slope with respect to the normalised input.
    fn tokens(&self, inputs: &[Vec<f32>]) -> Vec<(f64, Vec<f32>)> {
        let Network { layout, weights, .. } = &*self.network;
        let (count, dim, side) = (inputs.len(), layout.config.dim, layout.config.image_size);
        let copies = inputs.iter().map(|input| self.detector.copy(input));
        let all: Vec<f32> = inputs.iter().cloned().chain(copies).flatten().collect();
        self.tapes.lend(|tape| {
            vit::forward(layout, weights, &all, &[], tape);
            let mut out = OutputGradients { logits: vec![0.0; 2 * count * layout.classes], ..OutputGradients::default() };
            out.cls = vec![0.0; 2 * count * dim];
            let (of_images, of_copies) = tape.cls().split_at(count * dim);
            let mut scores = vec![0.0; count];
            for (i, (cls, copy)) in of_images.chunks_exact(dim).zip(of_copies.chunks_exact(dim)).enumerate() {
                for feature in &self.card().features {
                    let Some(found) = tokens::slope(feature.name, cls, copy, self.detector.directions()) else { continue };
                    let share = f64::from(feature.weight) / f64::from(feature.std);
                    scores[i] += share * (found.value - f64::from(feature.mean));
                    add(&mut out.cls[i * dim..(i + 1) * dim], &found.cls, share);
                    add(&mut out.cls[(count + i) * dim..(count + i + 1) * dim], &found.copy, share);
                }
            }
            let back = vit::backward_input(layout, weights, &out, tape);
            let (direct, filtered) = back.split_at(back.len() / 2);
            let parts = direct.chunks_exact(layout.config.input_len()).zip(filtered.chunks_exact(layout.config.input_len()));
            let sum =
                |(d, f): (&[f32], &[f32])| d.iter().zip(back_through(self.card().filter, f, side)).map(|(d, f)| d + f).collect();
            scores.into_iter().zip(parts.map(sum)).collect()
        })
    }
}

fn add(sum: &mut [f32], part: &[f64], share: f64) {
    sum.iter_mut().zip(part).for_each(|(s, p)| *s += (share * p) as f32);
}

impl Guard for Detection {
    fn verdict(&self, pipeline: &Pipeline, input: &[f32], cls: &[f32]) -> Result<Verdict> {
        let examination = self.detector.examine(input)?;
        let copy = pipeline.encode_tensor(&self.detector.copy(input))?.cls;
        Ok(self.detector.finish(&examination, cls, &copy)?)
    }

    fn threshold(&self) -> f64 {
        f64::from(self.card().threshold)
    }
}

impl DetectorSlope for Detection {
    fn slopes(&self, images: &[&[f32]]) -> Vec<ScoreSlope> {
        images.chunks(BATCH).flat_map(|images| self.batch(images)).collect()
    }

    fn threshold(&self) -> f64 {
        f64::from(self.card().threshold)
    }
}
