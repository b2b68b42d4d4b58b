//! What a gradient attack climbs: a value for each image and its slope with respect to the pixels.

use std::sync::Mutex;

use super::loss::{Loss, margin};
use crate::{
    attack::network::Network,
    train::vit::{self, OutputGradients, Tape},
};

/// Images in one pass through a network: more do not make it faster, and take memory.
pub const BATCH: usize = 8;

/// An objective at one image.
#[derive(Clone, Debug)]
pub struct Slope {
    /// What the attacker makes larger.
    pub value: f64,
    /// Its gradient with respect to the pixels in [0, 1], CHW.
    pub gradient: Vec<f32>,
    /// Above 0 where the attack succeeds as far as this objective can tell.
    pub slack: f64,
}

/// Something that can be climbed.
pub trait Objective: Sync {
    /// Value and gradient at each of `images` (CHW in [0, 1]) with its true class, one after another.
    fn slopes(&self, images: &[&[f32]], classes: &[usize]) -> Vec<Slope>;
}

/// Working memory of passes through a network, lent to one thread at a time.
#[derive(Default)]
pub struct Tapes(Mutex<Vec<Tape>>);

impl Tapes {
    /// Runs `work` with a tape that no other thread uses meanwhile.
    pub fn lend<T>(&self, work: impl FnOnce(&mut Tape) -> T) -> T {
        let held = self.0.lock().ok().and_then(|mut free| free.pop());
        let mut tape = held.unwrap_or_default();
        let result = work(&mut tape);
        if let Ok(mut free) = self.0.lock() {
            free.push(tape);
        }
        result
    }
}

/// The classifier that a user meets, as floats: the stored weights opened, the token rounded as it is before it is sealed, the head's
/// integers as real numbers. The rounding has no slope; the attacker passes the gradient through it unchanged (Athalye et al. 2018).
pub struct Classifier<'a> {
    /// Encoder and head.
    pub network: &'a Network,
    /// What is climbed.
    pub loss: Loss,
    tapes: Tapes,
}

impl<'a> Classifier<'a> {
    /// The objective of `loss` at this network.
    pub fn new(network: &'a Network, loss: Loss) -> Self {
        Self { network, loss, tapes: Tapes::default() }
    }

    fn batch(&self, images: &[&[f32]], classes: &[usize]) -> Vec<Slope> {
        let Network { layout, weights, .. } = self.network;
        let input: Vec<f32> = images.iter().flat_map(|image| self.network.normalise(image)).collect();
        self.tapes.lend(|tape| {
            vit::forward(layout, weights, &input, &[], tape);
            let mut out = OutputGradients { logits: vec![0.0; images.len() * layout.classes], ..OutputGradients::default() };
            let mut values = Vec::with_capacity(images.len());
            for (cls, class) in tape.cls().chunks_exact(layout.config.dim).zip(classes) {
                let logits = rounded_logits(self.network, cls);
                let (value, slope) = self.loss.slope(&logits, *class);
                values.push((value, margin(&logits, *class)));
                out.cls.extend(back_through_head(self.network, &slope));
            }
            let gradient = vit::backward_input(layout, weights, &out, tape);
            let parts = gradient.chunks_exact(self.network.image_len());
            let slope = |((value, slack), g)| Slope { value, slack, gradient: self.network.pixel_slope(g) };
            values.into_iter().zip(parts).map(slope).collect()
        })
    }
}

impl Objective for Classifier<'_> {
    fn slopes(&self, images: &[&[f32]], classes: &[usize]) -> Vec<Slope> {
        let batches = images.chunks(BATCH).zip(classes.chunks(BATCH));
        batches.flat_map(|(images, classes)| self.batch(images, classes)).collect()
    }
}

/// Logits of a token after the rounding that the sealed token has.
fn rounded_logits(network: &Network, cls: &[f32]) -> Vec<f32> {
    let Network { layout, weights, quantiser, .. } = network;
    let rounded: Vec<f32> = quantiser.quantise(cls).into_iter().map(|q| f32::from(q) * quantiser.scale).collect();
    let rows = layout.head[0].of(weights).chunks_exact(layout.config.dim).zip(layout.head[1].of(weights));
    rows.map(|(row, bias)| row.iter().zip(&rounded).map(|(w, x)| w * x).sum::<f32>() + bias).collect()
}

/// Slope with respect to the token, of the slope with respect to the logits.
fn back_through_head(network: &Network, logits: &[f32]) -> Vec<f32> {
    let dim = network.layout.config.dim;
    let mut slope = vec![0.0; dim];
    for (row, share) in network.layout.head[0].of(&network.weights).chunks_exact(dim).zip(logits) {
        slope.iter_mut().zip(row).for_each(|(s, w)| *s += share * w);
    }
    slope
}
