//! Attacks made ready by name: victim, surrogate and settings together.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use models::TensorMap;

use super::{
    adaptive::{Adaptive, DetectorSlope},
    apgd::Apgd,
    attack::Attack,
    cases::Case,
    judge::Judge,
    loss::Loss,
    objective::Classifier,
    pgd::Pgd,
    registry::{Kind, Spec},
    run::{Attempts, Outcome, Referee, run},
    square::Square,
    through::{Opponent, TRIALS, Through},
};
use crate::{attack::network::Network, purify::defence::Trial};

/// Steps of APGD, of the adaptive attack, and queries of Square, where none are asked for.
const STEPS: (usize, usize, usize) = (50, 40, 1000);
/// Steps of the attack through the purifier where none are asked for.
const THROUGH: usize = 20;

/// Settings over the attacks' own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Attempts at each image.
    pub restarts: Option<usize>,
    /// Steps, or queries.
    pub steps: Option<usize>,
}

/// Everything that attacks know and are judged by.
pub struct Arena<'a> {
    /// The victim as floats.
    pub network: &'a Network,
    /// The victim as it is.
    pub judge: Judge<'a>,
    /// The network that transferred attacks are made on.
    pub surrogate: Option<&'a Network>,
    /// The detector as something that can be climbed.
    pub detector: Option<&'a dyn DetectorSlope>,
    /// The purifier.
    pub purifier: Option<Opponent<'a>>,
    /// Settings.
    pub settings: Settings,
}

impl Arena<'_> {
    /// Runs the attack `spec` on every case.
    ///
    /// # Errors
    /// Where the attack needs a surrogate or a detector that is not there, or the pipeline refuses an image.
    pub fn run(&self, spec: Spec, cases: &[Case], progress: &(dyn Fn() + Sync)) -> Result<Vec<Outcome>> {
        let aware = spec.kind == Kind::Adaptive && self.judge.guard.is_some();
        let restarts = self.settings.restarts.unwrap_or_else(|| spec.kind.restarts());
        let attempt = |attack: &dyn Attack, referee: &dyn Referee, aware| {
            run(attack, referee, cases, Attempts { restarts, aware }, progress)
        };
        let go = |attack: &dyn Attack| attempt(attack, &self.judge, aware);
        let classifier = |loss| Classifier::new(self.network, loss);
        let steps = |own: usize| self.settings.steps.unwrap_or(own);
        match spec.kind {
            Kind::Fgsm => go(&Pgd::fgsm(&classifier(Loss::CrossEntropy), spec.ball)),
            Kind::Pgd => {
                let objective = classifier(Loss::CrossEntropy);
                let paper = Pgd::paper(&objective, spec.ball);
                go(&Pgd { steps: steps(paper.steps), ..paper })
            }
            Kind::Apgd => {
                let (first, second) = (classifier(Loss::CrossEntropy), classifier(Loss::Ratio));
                go(&Apgd { objectives: vec![&first, &second], ball: spec.ball, steps: steps(STEPS.0) })
            }
            Kind::Square => {
                go(&Square { oracle: &self.judge, ball: spec.ball, queries: steps(STEPS.2), side: self.network.side() })
            }
            Kind::Transfer => {
                let surrogate = self.surrogate.context("a transfer attack needs another network: give one with --surrogate")?;
                ensure!(
                    surrogate.layout.config.input_len() == self.network.layout.config.input_len(),
                    "the surrogate takes images of another size than the model"
                );
                let objective = Classifier::new(surrogate, Loss::CrossEntropy);
                let momentum = Pgd::momentum(&objective, spec.ball);
                go(&Pgd { steps: steps(momentum.steps), ..momentum })
            }
            Kind::Adaptive => {
                let classifier = classifier(Loss::Margin);
                go(&Adaptive { classifier: &classifier, detector: self.detector, ball: spec.ball, steps: steps(STEPS.1) })
            }
            Kind::Purified => {
                let opponent = self.purifier.context("an attack through the purifier needs a pack that has one")?;
                let defence = opponent.defence(self.judge);
                let (classifier, ball, steps) = (classifier(Loss::Margin), spec.ball, steps(THROUGH));
                let past = Adaptive { classifier: &classifier, detector: self.detector, ball, steps };
                let through = Through { defence, opponent, past, ball, steps };
                attempt(&through, &Trial { defence, draws: TRIALS }, true)
            }
        }
    }
}

/// The network that a surrogate's weights make: those of a pack's folder, or of a safetensors file with a head, such as training writes,
/// of the geometry and preprocessing of `victim`.
///
/// # Errors
/// Where it cannot be read or does not fit.
pub fn surrogate(path: &Path, victim: &Network) -> Result<Network> {
    if path.is_dir() {
        return Ok(Network::load(path)?.0);
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the surrogate {}", path.display()))?;
    let layout = victim.layout.clone();
    let mut weights = vec![0.0; layout.len];
    let read = layout.load(&TensorMap::from_safetensors(&bytes)?, &mut weights)?;
    ensure!(read == layout.slots().count(), "{} holds no head for {} classes", path.display(), layout.classes);
    Ok(Network { layout, weights, preprocess: victim.preprocess.clone(), quantiser: victim.quantiser })
}
