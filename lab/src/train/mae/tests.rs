//! The passes against finite differences and against the engine in `models`.

use models::{
    VitConfig,
    mae::{CpuMae, MaeConfig, Mask},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{MaeLayout, MaeTape, backward, backward_input, forward};
use crate::train::{math, params::normal};

struct Case {
    layout: MaeLayout,
    w: Vec<f32>,
    input: Vec<f32>,
    masks: Vec<Mask>,
    /// The scalar whose slopes are taken is the sum of predictions times these.
    mix: Vec<f32>,
    rng: ChaCha8Rng,
}

fn noise(rng: &mut ChaCha8Rng, n: usize, size: f32) -> Vec<f32> {
    (0..n).map(|_| size * normal(rng)).collect()
}

fn case() -> Case {
    let encoder = VitConfig { patch_size: 4, dim: 16, heads: 2, depth: 2, mlp_dim: 24, ..VitConfig::tiny16(16) };
    let config = MaeConfig { encoder, decoder_dim: 12, decoder_depth: 2, decoder_heads: 3, decoder_mlp_dim: 20 };
    let layout = MaeLayout::new(&config);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut w = layout.random(1);
    w.iter_mut().for_each(|w| *w += 0.2 * normal(&mut rng));
    let masks = Mask::complementary(3, 4, config.patches())[..2].to_vec();
    let input = noise(&mut rng, 2 * config.encoder.input_len(), 1.0);
    let mix = noise(&mut rng, 2 * 12 * config.encoder.patch_len(), 0.3);
    Case { layout, w, input, masks, mix, rng }
}

impl Case {
    fn scalar(&self, w: &[f32], input: &[f32], tape: &mut MaeTape) -> f64 {
        forward(&self.layout, w, input, &self.masks, tape);
        tape.predictions().iter().zip(&self.mix).map(|(a, b)| f64::from(a * b)).sum()
    }
}

fn moved(values: &[f32], direction: &[f32], step: f32) -> Vec<f32> {
    values.iter().zip(direction).map(|(v, d)| v + step * d).collect()
}

fn check(name: &str, at: impl Fn(f32) -> f64, claimed: &[f32], direction: &[f32]) {
    let step = 2e-3;
    let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
    let size = f64::from(math::norm(claimed)) * f64::from(math::norm(direction)) + 1e-2;
    let claimed: f64 = claimed.iter().zip(direction).map(|(g, d)| f64::from(g * d)).sum();
    assert!((slope - claimed).abs() < 0.01 * size, "{name}: slope {slope}, gradient {claimed}");
}

#[test]
fn the_drawings_are_those_of_the_engine() {
    let case = case();
    let engine = CpuMae::load(&case.layout.config, case.layout.tensors(&case.w)).unwrap();
    let mut tape = MaeTape::default();
    forward(&case.layout, &case.w, &case.input, &case.masks, &mut tape);
    let images = case.input.chunks_exact(case.layout.config.encoder.input_len());
    let theirs: Vec<f32> = images.zip(&case.masks).flat_map(|(i, m)| engine.reconstruct(i, m).unwrap()).collect();
    assert_eq!(theirs.len(), tape.predictions().len());
    for (ours, theirs) in tape.predictions().iter().zip(&theirs) {
        assert!((ours - theirs).abs() < 1e-3, "{ours} {theirs}");
    }
}

#[test]
fn the_gradient_is_the_slope_in_every_tensor() {
    let mut case = case();
    let mut tape = MaeTape::default();
    case.scalar(&case.w, &case.input, &mut tape);
    let mut grad = vec![0.0; case.layout.table.len];
    backward(&case.layout, &case.w, &case.mix, &mut tape, &mut grad);
    for slot in case.layout.table.slots.clone() {
        let mut direction = vec![0.0; case.layout.table.len];
        slot.of_mut(&mut direction).copy_from_slice(&noise(&mut case.rng, slot.len, 1.0));
        let at = |step: f32| case.scalar(&moved(&case.w, &direction, step), &case.input, &mut MaeTape::default());
        check(&slot.name, at, slot.of(&grad), slot.of(&direction));
    }
}

#[test]
fn the_gradient_of_the_input_is_the_slope_along_it() {
    let mut case = case();
    let mut tape = MaeTape::default();
    case.scalar(&case.w, &case.input, &mut tape);
    let grad = backward_input(&case.layout, &case.w, &case.mix, &mut tape);
    for _ in 0..8 {
        let direction = noise(&mut case.rng, grad.len(), 1.0);
        let at = |step: f32| case.scalar(&case.w, &moved(&case.input, &direction, step), &mut MaeTape::default());
        check("input", at, &grad, &direction);
    }
}
