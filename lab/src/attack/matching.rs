//! The optimisation attack: a picture whose gradient points where the shared one does (Geiping et al. 2020).
//!
//! Minimised is `1 − c(x) + tv · TV(x)` by Adam, where c is the cosine of the gradient of x and the shared one, taken for
//! each tensor and averaged: one cosine over all values is ruled by a few large tensors. Its slope in x needs the mixed second derivative
//! `∂/∂x ⟨∇_w L(x; w), v⟩` with v the slope of the cosines, which is `d/dε ∇_x L(x; w + ε v)` at ε = 0. So two gradients by x at displaced
//! weights give it by a central difference, and no second-order autodiff is needed: a step costs three passes.
//!
//! Knowledge can be withheld and added: some gradients are not sent ([`Settings::positions`]), and the rows of X may be held to the row
//! space of `G = Δᵀ X`, which the gradient of the patch embedding gives away in closed form ([`Settings::row_space`]).

use nalgebra::DMatrix;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    adam::{Adam, cosine},
    network::Network,
};
use crate::train::{
    math::{self, View, gemm},
    params::normal,
    vit::Tape,
};

/// Displacement of the weights as a share of their norm.
const DISPLACEMENT: f32 = 2e-4;

/// How the attack is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Steps of Adam.
    pub steps: usize,
    /// Learning rate in units of normalised pixels; falls to 0 along half a cosine.
    pub rate: f32,
    /// Weight of the total variation.
    pub variation: f32,
    /// Whether the gradient of the positions was sent.
    pub positions: bool,
    /// Whether patches are held to the row space of the patch embedding's gradient.
    pub row_space: bool,
    /// Seed of the noise on the start.
    pub seed: u64,
}

/// What the attack came to.
pub struct Matched {
    /// The image, CHW.
    pub image: Vec<f32>,
    /// Mean cosine of its gradient's tensors and the shared ones.
    pub cosine: f64,
}

/// Runs the attack on the gradient of one image of a known class (it can be read: [`super::closed_form::label`]), from the image `start`.
pub fn run(network: &Network, shared: &[f32], class: usize, start: &[f32], settings: &Settings) -> Matched {
    let mut shared = shared.to_vec();
    hide(network, settings, &mut shared);
    let mut attack = Attack::new(network, shared, class, settings);
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut x = network.normalise(start);
    x.iter_mut().for_each(|v| *v += 0.02 * normal(&mut rng));
    let mut adam = Adam::new(x.len());
    let mut best = (f64::MIN, x.clone());
    for step in 0..settings.steps {
        let (cosine_now, mut slope) = attack.slope(&x);
        if cosine_now > best.0 {
            best = (cosine_now, x.clone());
        }
        add_variation(&x, network.side(), settings.variation, &mut slope);
        adam.update(&mut x, &slope, settings.rate * cosine(step, settings.steps));
        attack.constrain(&mut x);
    }
    Matched { image: network.denormalise(&best.1), cosine: best.0 }
}

/// Zeroes what was not sent.
fn hide(network: &Network, settings: &Settings, gradient: &mut [f32]) {
    if !settings.positions {
        network.layout.pos.of_mut(gradient).fill(0.0);
        network.layout.cls.of_mut(gradient).fill(0.0);
    }
}

struct Attack<'a> {
    network: &'a Network,
    settings: &'a Settings,
    shared: Vec<f32>,
    class: usize,
    /// Orthonormal rows [rank, patch pixels] that span the patches.
    basis: Option<Vec<f32>>,
    weights_norm: f32,
    tape: Tape,
    gradient: Vec<f32>,
    displaced: Vec<f32>,
}

impl<'a> Attack<'a> {
    fn new(network: &'a Network, shared: Vec<f32>, class: usize, settings: &'a Settings) -> Self {
        let len = network.layout.len;
        let basis = settings.row_space.then(|| row_space(network, &shared));
        let (gradient, displaced) = (vec![0.0; len], vec![0.0; len]);
        let weights_norm = math::norm(&network.weights);
        Self { network, settings, shared, class, basis, weights_norm, tape: Tape::default(), gradient, displaced }
    }

    /// The cosine at `x` (normalised, CHW) and the slope of its negative.
    fn slope(&mut self, x: &[f32]) -> (f64, Vec<f32>) {
        self.gradient.fill(0.0);
        self.network.add_gradient(&self.network.weights, x, self.class, 1.0, &mut self.tape, &mut self.gradient);
        hide(self.network, self.settings, &mut self.gradient);
        let (cosine, direction) = self.cosines();
        let length = math::norm(&direction);
        if !(length.is_finite() && length > 0.0) {
            return (cosine, vec![0.0; x.len()]);
        }
        let step = DISPLACEMENT * self.weights_norm / length;
        let forth = self.input_gradient(x, &direction, step);
        let back = self.input_gradient(x, &direction, -step);
        (cosine, forth.iter().zip(&back).map(|(f, b)| (f - b) / (2.0 * step)).collect())
    }

    /// Mean cosine over the tensors that were sent, and the slope of its negative by the own gradient.
    fn cosines(&self) -> (f64, Vec<f32>) {
        let mut direction = vec![0.0; self.gradient.len()];
        let slots: Vec<_> = self.network.layout.slots().filter(|s| math::norm(s.of(&self.shared)) > 0.0).collect();
        let share = 1.0 / slots.len().max(1) as f64;
        let mut sum = 0.0;
        for slot in slots {
            let (own, shared) = (slot.of(&self.gradient), slot.of(&self.shared));
            let (size, target) = (f64::from(math::norm(own)).max(1e-30), f64::from(math::norm(shared)));
            let cosine = dot(own, shared) / (size * target);
            sum += share * cosine;
            let (by_shared, by_own) = ((-share / (size * target)) as f32, (share * cosine / (size * size)) as f32);
            let out = slot.of_mut(&mut direction).iter_mut().zip(own.iter().zip(shared));
            out.for_each(|(d, (g, s))| *d = by_shared * s + by_own * g);
        }
        (sum, direction)
    }

    /// ∂L/∂x at the weights displaced by `step` along `direction`.
    fn input_gradient(&mut self, x: &[f32], direction: &[f32], step: f32) -> Vec<f32> {
        let layout = &self.network.layout;
        self.displaced.copy_from_slice(&self.network.weights);
        math::add_scaled(&mut self.displaced, direction, step);
        self.gradient.fill(0.0);
        self.network.add_gradient(&self.displaced, x, self.class, 1.0, &mut self.tape, &mut self.gradient);
        let (d, width) = (layout.config.dim, layout.config.patch_len());
        let deltas = View::new(&layout.pos.of(&self.gradient)[d..], d);
        let mut patches = vec![0.0; x.len()];
        gemm(1.0, deltas, View::new(layout.patch[0].of(&self.displaced), width), 0.0, &mut patches, width);
        self.network.image_of_patches(&patches)
    }

    /// Back into the range of pixels and, where that is asked, into the row space.
    fn constrain(&self, x: &mut Vec<f32>) {
        let clamped: Vec<f32> = self.network.denormalise(x).into_iter().map(|v| v.clamp(0.0, 1.0)).collect();
        *x = self.network.normalise(&clamped);
        if let Some(basis) = &self.basis {
            let width = self.network.layout.config.patch_len();
            let (patches, rank) = (self.network.patches_of_image(x), basis.len() / width);
            let (mut parts, mut back) = (vec![0.0; patches.len() / width * rank], vec![0.0; patches.len()]);
            gemm(1.0, View::new(&patches, width), View::new(basis, width).t(), 0.0, &mut parts, rank);
            gemm(1.0, View::new(&parts, rank), View::new(basis, width), 0.0, &mut back, width);
            *x = self.network.image_of_patches(&back);
        }
    }
}

/// An orthonormal basis of the rows of the patch embedding's gradient: every patch of the image lies in it where `patches ≤ d`.
fn row_space(network: &Network, gradient: &[f32]) -> Vec<f32> {
    let (d, width) = (network.layout.config.dim, network.layout.config.patch_len());
    let values: Vec<f64> = network.layout.patch[0].of(gradient).iter().map(|v| f64::from(*v)).collect();
    let parts = DMatrix::from_row_slice(d, width, &values).svd(false, true);
    let limit = 1e-6 * parts.singular_values.max();
    let patches = network.layout.config.tokens() - 1;
    let rows = parts.v_t.unwrap_or_else(|| DMatrix::zeros(0, width));
    let kept = (0..rows.nrows().min(patches)).filter(|i| parts.singular_values[*i] > limit);
    kept.flat_map(|i| rows.row(i).iter().map(|v| *v as f32).collect::<Vec<f32>>()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let parts = a.chunks(4096).zip(b.chunks(4096));
    parts.map(|(a, b)| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>())).sum()
}

/// Adds the slope of `weight` times the mean total variation (anisotropic) of a CHW image.
fn add_variation(x: &[f32], side: usize, weight: f32, slope: &mut [f32]) {
    let share = weight / x.len() as f32;
    let mut pull = |a: usize, b: usize| {
        let sign = share * (x[a] - x[b]).clamp(-1e-2, 1e-2) * 1e2;
        slope[a] += sign;
        slope[b] -= sign;
    };
    for i in 0..x.len() {
        if i % side + 1 < side {
            pull(i, i + 1);
        }
        if i / side % side + 1 < side {
            pull(i, i + side);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::network::tests::{image, tiny};

    fn settings(steps: usize) -> Settings {
        Settings { steps, rate: 0.1, variation: 0.0, positions: true, row_space: false, seed: 1 }
    }

    #[test]
    fn the_slope_is_that_of_the_cosine() {
        let network = tiny(1);
        let shared = network.gradient(&[&image(&network, 1)], &[1]);
        let settings = settings(1);
        let mut attack = Attack::new(&network, shared, 1, &settings);
        let x = network.normalise(&image(&network, 2));
        let (_, slope) = attack.slope(&x);
        for seed in 3..8 {
            let direction = network.normalise(&image(&network, seed));
            let mut at = |step: f32| {
                let moved: Vec<f32> = x.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                -attack.slope(&moved).0
            };
            let measured = (at(5e-3) - at(-5e-3)) / 1e-2;
            let claimed = dot(&slope, &direction);
            assert!((measured - claimed).abs() < 0.03 * f64::from(math::norm(&slope)), "{measured} {claimed}");
        }
    }

    #[test]
    fn matching_turns_the_gradients_into_one_direction() {
        let network = tiny(1);
        let image = image(&network, 5);
        let shared = network.gradient(&[&image], &[0]);
        let grey = vec![0.5; image.len()];
        let cosine_after = |steps| run(&network, &shared, 0, &grey, &settings(steps)).cosine;
        let (first, last) = (cosine_after(1), cosine_after(400));
        assert!(1.0 - last < 0.1 * (1.0 - first), "{first} {last}");
    }

    #[test]
    fn the_patches_lie_in_the_row_space() {
        let network = tiny(3);
        let image = image(&network, 6);
        let shared = network.gradient(&[&image], &[0]);
        let settings = Settings { row_space: true, ..settings(1) };
        let attack = Attack::new(&network, shared, 0, &settings);
        let x = network.normalise(&image);
        let mut held = x.clone();
        attack.constrain(&mut held);
        assert!(x.iter().zip(&held).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
