//! Attacks on classifier and detector together, by someone who knows both, the masks and the threshold.
//!
//! Attempts go through several ways of weighing the two, because each way has images on which it alone works; an image is lost to the
//! defender where any of them succeeds.

mod joint;
mod walk;

use anyhow::Result;

use self::{joint::Joint, walk::Walk};
use super::{
    apgd::Apgd,
    attack::{Attack, Target},
    ball::Ball,
    loss::Loss,
    objective::Classifier,
};

/// Score of an image and its slope with respect to the pixels.
#[derive(Clone, Debug)]
pub struct ScoreSlope {
    /// The detector's score.
    pub score: f64,
    /// Its gradient with respect to the pixels in [0, 1], CHW.
    pub gradient: Vec<f32>,
}

/// A detector that can be climbed.
pub trait DetectorSlope: Sync {
    /// Score and slope at each of `images` (CHW in [0, 1]).
    fn slopes(&self, images: &[&[f32]]) -> Vec<ScoreSlope>;

    /// Images of at least this score are flagged.
    fn threshold(&self) -> f64;
}

/// Ways of weighing classifier and detector.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Sum with this weight λ of the detector's part.
    Joint(f64),
    /// The classifier until the answer is wrong, then the detector (Bryniarski et al. 2022, selective).
    Selective,
    /// As selective, along the part of the slope that leaves the other one as it is (ibid., orthogonal).
    Orthogonal,
}

/// In turn, one an attempt.
const WAYS: [Way; 6] = [Way::Joint(1.0), Way::Selective, Way::Joint(0.1), Way::Orthogonal, Way::Joint(10.0), Way::Joint(0.3)];

/// The attack.
pub struct Adaptive<'a> {
    /// The classifier, climbed by its margin.
    pub classifier: &'a Classifier<'a>,
    /// The detector; without one the classifier alone is attacked.
    pub detector: Option<&'a dyn DetectorSlope>,
    /// How far.
    pub ball: Ball,
    /// Steps.
    pub steps: usize,
}

impl Attack for Adaptive<'_> {
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>> {
        let Self { classifier, ball, steps, .. } = *self;
        let Some(detector) = self.detector else {
            let second = Classifier::new(classifier.network, Loss::CrossEntropy);
            return Apgd { objectives: vec![classifier, &second], ball, steps }.attack(targets, restart);
        };
        match WAYS[restart % WAYS.len()] {
            Way::Joint(weight) => {
                let joint = Joint { classifier, detector, weight };
                Apgd { objectives: vec![&joint], ball, steps }.attack(targets, restart)
            }
            way => Walk { classifier, detector, ball, steps, orthogonal: way == Way::Orthogonal }.attack(targets, restart),
        }
    }
}
