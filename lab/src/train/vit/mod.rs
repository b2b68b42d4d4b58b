//! The encoder's forward and backward pass, written out by hand on flat slices.
//!
//! Written out, a step costs little more than its matrix products; autodiff on burn's CPU backend also pays for every small
//! operation between them. A test holds outputs and gradients against the burn module in `models` and burn's autodiff.

mod backward;
mod forward;

use super::{
    block::{BlockTape, NormTape, Scratch, Sizes},
    params::Layout,
};

pub use backward::{backward, backward_input};
pub use forward::forward;

/// Working memory of one lane: reused from step to step.
#[derive(Default)]
pub struct Tape {
    images: usize,
    patches: Vec<f32>,
    tokens: Vec<f32>,
    blocks: Vec<BlockTape>,
    last: NormTape,
    logits: Vec<f32>,
    scratch: Scratch,
}

/// Gradients of the loss with respect to what [`Tape`] exposes.
#[derive(Default)]
pub struct OutputGradients {
    /// [images, classes].
    pub logits: Vec<f32>,
    /// After the last norm, [images, d]; empty for none.
    pub cls: Vec<f32>,
    /// For each block [images × tokens, d]; empty for none.
    pub hidden: Vec<Vec<f32>>,
}

impl Tape {
    /// CLS tokens after the last norm, [images, d].
    pub fn cls(&self) -> &[f32] {
        &self.last.output
    }

    /// Logits of the training head, [images, classes].
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Tokens after block `i`, [images × tokens, d].
    pub fn hidden(&self, i: usize) -> &[f32] {
        &self.blocks[i].output
    }
}

fn sizes(layout: &Layout) -> Sizes {
    let c = &layout.config;
    Sizes { tokens: c.tokens(), dim: c.dim, heads: c.heads, mlp_dim: c.mlp_dim, eps: c.layer_norm_eps as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{math, params::normal};
    use models::config::VitConfig;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn small() -> Layout {
        let config = VitConfig { patch_size: 4, dim: 16, heads: 2, depth: 2, mlp_dim: 24, ..VitConfig::tiny16(8) };
        Layout::new(&config, 3)
    }

    struct Case {
        layout: Layout,
        w: Vec<f32>,
        input: Vec<f32>,
        keep: [f32; 8],
        mix: OutputGradients,
        noise: Box<dyn FnMut(usize, f32) -> Vec<f32>>,
    }

    fn case() -> Case {
        let layout = small();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut noise = move |n: usize, size: f32| (0..n).map(|_| size * normal(&mut rng)).collect::<Vec<f32>>();
        let mut w = layout.random(1);
        w.iter_mut().zip(noise(layout.len, 0.2)).for_each(|(w, n)| *w += n);
        let input = noise(2 * layout.config.input_len(), 1.0);
        let keep = [1.0, 0.0, 1.2, 1.0, 0.5, 1.0, 1.0, 2.0];
        let mix = OutputGradients { logits: noise(6, 1.0), cls: noise(32, 1.0), hidden: vec![noise(2 * 5 * 16, 0.3), vec![]] };
        Case { layout, w, input, keep, mix, noise: Box::new(noise) }
    }

    impl Case {
        /// A scalar of every output, so that every path carries gradient.
        fn scalar(&self, w: &[f32], input: &[f32], tape: &mut Tape) -> f64 {
            forward(&self.layout, w, input, &self.keep, tape);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let mix = &self.mix;
            dot(tape.logits(), &mix.logits) + dot(tape.cls(), &mix.cls) + dot(tape.hidden(0), &mix.hidden[0])
        }
    }

    fn moved(values: &[f32], direction: &[f32], step: f32) -> Vec<f32> {
        values.iter().zip(direction).map(|(v, d)| v + step * d).collect()
    }

    fn check(name: &str, at: impl Fn(f32) -> f64, claimed: &[f32], direction: &[f32]) {
        let step = 2e-3;
        let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
        let size = f64::from(math::norm(claimed)) * (claimed.len() as f64).sqrt() + 1e-2;
        let claimed: f64 = claimed.iter().zip(direction).map(|(g, d)| f64::from(g * d)).sum();
        assert!((slope - claimed).abs() < 0.02 * size, "{name}: slope {slope}, gradient {claimed}");
    }

    #[test]
    fn the_gradient_is_the_slope_in_every_tensor() {
        let mut case = case();
        let mut tape = Tape::default();
        case.scalar(&case.w, &case.input, &mut tape);
        let mut grad = vec![0.0; case.layout.len];
        backward(&case.layout, &case.w, &case.mix, &mut tape, &mut grad);
        let slots: Vec<_> = case.layout.slots().cloned().collect();
        for slot in slots {
            let mut direction = vec![0.0; case.layout.len];
            slot.of_mut(&mut direction).copy_from_slice(&(case.noise)(slot.len, 1.0));
            let at = |step: f32| case.scalar(&moved(&case.w, &direction, step), &case.input, &mut Tape::default());
            check(&slot.name, at, slot.of(&grad), slot.of(&direction));
        }
    }

    #[test]
    fn the_gradient_of_the_input_is_the_slope_along_it() {
        let mut case = case();
        let mut tape = Tape::default();
        case.scalar(&case.w, &case.input, &mut tape);
        let grad = backward_input(&case.layout, &case.w, &case.mix, &mut tape);
        for _ in 0..8 {
            let direction = (case.noise)(grad.len(), 1.0);
            let at = |step: f32| case.scalar(&case.w, &moved(&case.input, &direction, step), &mut Tape::default());
            check("input", at, &grad, &direction);
        }
    }
}
