//! The passes against finite differences and against the engine in `models`.

use models::unet::{CpuUnet, UnetConfig};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{UnetLayout, UnetTape, backward, backward_input, forward};
use crate::train::{math, params::normal};

const SIDE: [usize; 2] = [12, 8];
const LEVELS: [u16; 2] = [40, 700];

struct Case {
    layout: UnetLayout,
    w: Vec<f32>,
    x: Vec<f32>,
    /// The scalar whose slopes are taken is the sum of the noise times these.
    mix: Vec<f32>,
    rng: ChaCha8Rng,
}

fn noise(rng: &mut ChaCha8Rng, n: usize, size: f32) -> Vec<f32> {
    (0..n).map(|_| size * normal(rng)).collect()
}

fn case(channels: usize) -> Case {
    let config = UnetConfig { in_channels: channels, fold: 2, widths: vec![6, 10], time_dim: 8 };
    let layout = UnetLayout::new(&config);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut w = layout.random(1);
    w.iter_mut().for_each(|w| *w += 0.1 * normal(&mut rng));
    let values = LEVELS.len() * channels * SIDE[0] * SIDE[1];
    let (x, mix) = (noise(&mut rng, values, 1.0), noise(&mut rng, values, 0.3));
    Case { layout, w, x, mix, rng }
}

impl Case {
    fn scalar(&self, w: &[f32], x: &[f32], tape: &mut UnetTape) -> f64 {
        forward(&self.layout, w, x, SIDE, &LEVELS, tape);
        tape.noise().iter().zip(&self.mix).map(|(a, b)| f64::from(a * b)).sum()
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
fn the_tensors_are_those_of_the_engine_in_its_order() {
    for config in [UnetConfig::standard(1), UnetConfig { widths: vec![8, 16], ..UnetConfig::standard(3) }] {
        let slots = UnetLayout::new(&config).table.slots;
        let ours: Vec<_> = slots.into_iter().map(|slot| (slot.name, slot.shape)).collect();
        assert_eq!(ours, config.shapes());
    }
}

#[test]
fn the_noise_told_is_that_of_the_engine() {
    for channels in [1, 3] {
        let case = case(channels);
        let engine = CpuUnet::load(&case.layout.config, case.layout.tensors(&case.w)).unwrap();
        let mut tape = UnetTape::default();
        forward(&case.layout, &case.w, &case.x, SIDE, &LEVELS, &mut tape);
        let images: Vec<&[f32]> = case.x.chunks_exact(channels * SIDE[0] * SIDE[1]).collect();
        let theirs = engine.noise_of_many(&images, SIDE, &LEVELS).unwrap().concat();
        assert_eq!(theirs.len(), tape.noise().len());
        for (ours, theirs) in tape.noise().iter().zip(&theirs) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
        }
    }
}

#[test]
fn the_gradient_is_the_slope_in_every_tensor() {
    let mut case = case(1);
    let mut tape = UnetTape::default();
    case.scalar(&case.w, &case.x, &mut tape);
    let mut grad = vec![0.0; case.layout.table.len];
    backward(&case.layout, &case.w, &case.mix, &mut tape, &mut grad);
    for slot in case.layout.table.slots.clone() {
        let mut direction = vec![0.0; case.layout.table.len];
        slot.of_mut(&mut direction).copy_from_slice(&noise(&mut case.rng, slot.len, 1.0));
        let at = |step: f32| case.scalar(&moved(&case.w, &direction, step), &case.x, &mut UnetTape::default());
        check(&slot.name, at, slot.of(&grad), slot.of(&direction));
    }
}

#[test]
fn the_gradient_of_the_input_is_the_slope_along_it() {
    let mut case = case(3);
    let mut tape = UnetTape::default();
    case.scalar(&case.w, &case.x, &mut tape);
    let grad = backward_input(&case.layout, &case.w, &case.mix, &mut tape);
    for _ in 0..8 {
        let direction = noise(&mut case.rng, grad.len(), 1.0);
        let at = |step: f32| case.scalar(&case.w, &moved(&case.x, &direction, step), &mut UnetTape::default());
        check("input", at, &grad, &direction);
    }
}

/// A tape that was used for other sizes gives the same as a fresh one.
#[test]
fn a_tape_forgets_what_it_held() {
    let case = case(1);
    let (mut used, mut fresh) = (UnetTape::default(), UnetTape::default());
    forward(&case.layout, &case.w, &noise(&mut ChaCha8Rng::seed_from_u64(1), 16 * 16, 1.0), [16; 2], &[9], &mut used);
    let mut grads = [vec![0.0; case.layout.table.len], vec![0.0; case.layout.table.len]];
    for (tape, grad) in [&mut used, &mut fresh].into_iter().zip(&mut grads) {
        case.scalar(&case.w, &case.x, tape);
        backward(&case.layout, &case.w, &case.mix, tape, grad);
    }
    assert!(used.noise() == fresh.noise() && grads[0] == grads[1]);
}
