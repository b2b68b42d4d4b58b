//! The trainer's arithmetic against the burn module: outputs, and gradients by burn's autodiff.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Gradients, Tensor, TensorData},
};
use lab::train::{
    params::{Layout, normal},
    vit::{self, OutputGradients, Tape},
};
use models::VitConfig;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const IMAGES: usize = 3;

struct Case {
    layout: Layout,
    weights: Vec<f32>,
    input: Vec<f32>,
    /// The loss is the sum of CLS values times these.
    mix: Vec<f32>,
}

fn case() -> Case {
    let config = VitConfig { in_channels: 1, dim: 24, heads: 3, depth: 3, mlp_dim: 40, patch_size: 4, ..VitConfig::tiny16(12) };
    let layout = Layout::new(&config, 2);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut noise = |n: usize, size: f32| (0..n).map(|_| size * normal(&mut rng)).collect::<Vec<f32>>();
    let mut weights = layout.random(3);
    weights.iter_mut().zip(noise(layout.len, 0.15)).for_each(|(w, n)| *w += n);
    let (input, mix) = (noise(IMAGES * config.input_len(), 1.0), noise(IMAGES * config.dim, 1.0));
    Case { layout, weights, input, mix }
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The gradient of every parameter of a burn module, under timm names and in PyTorch's layout.
struct Gathered<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    by_name: BTreeMap<String, Vec<f32>>,
}

impl Gathered<'_> {
    fn timm_name(&self) -> String {
        let mut name = self.path.join(".").replace(".gamma", ".weight").replace(".beta", ".bias");
        for (from, to) in [(".qkv.", ".attn.qkv."), (".proj.", ".attn.proj."), ("patch_embed.", "patch_embed.proj.")] {
            name = name.replace(from, to);
        }
        name
    }
}

impl ModuleVisitor for Gathered<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients).unwrap();
        // burn keeps matrices as [in, out].
        let gradient = if D == 2 { gradient.swap_dims(0, 1) } else { gradient };
        self.by_name.insert(self.timm_name(), gradient.into_data().try_to_vec().unwrap());
    }
}

#[test]
fn the_gradient_of_the_input_is_that_of_burn() {
    let Case { layout, weights, input, mix } = case();
    let device = Device::flex().autodiff();
    let c = &layout.config;
    let module = c.init(&device).load(&layout.tensors(&weights, false), &device).unwrap();
    let data = TensorData::new(input.clone(), [IMAGES, c.in_channels, c.image_size, c.image_size]);
    let images = Tensor::<4>::from_data(data, &device).require_grad();
    let weight = Tensor::<2>::from_data(TensorData::new(mix.clone(), [IMAGES, c.dim]), &device);
    let gradients = (module.cls(images.clone()) * weight).sum().backward();
    let theirs: Vec<f32> = images.grad(&gradients).unwrap().into_data().try_to_vec().unwrap();
    let mut tape = Tape::default();
    vit::forward(&layout, &weights, &input, &[], &mut tape);
    let out = OutputGradients { logits: vec![0.0; IMAGES * 2], cls: mix, hidden: Vec::new() };
    let ours = vit::backward_input(&layout, &weights, &out, &mut tape);
    let size = theirs.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    assert!(worst(&ours, &theirs) < 1e-3 * size, "{} of {size}", worst(&ours, &theirs));
}

#[test]
fn cls_tokens_and_gradients_are_those_of_burn() {
    let Case { layout, weights, input, mix } = case();
    let mut tape = Tape::default();
    vit::forward(&layout, &weights, &input, &[], &mut tape);
    let device = Device::flex().autodiff();
    let c = &layout.config;
    let module = c.init(&device).load(&layout.tensors(&weights, false), &device).unwrap();
    let data = TensorData::new(input.clone(), [IMAGES, c.in_channels, c.image_size, c.image_size]);
    let cls = module.cls(Tensor::from_data(data, &device));
    let theirs: Vec<f32> = cls.clone().into_data().try_to_vec().unwrap();
    assert!(worst(tape.cls(), &theirs) < 1e-4, "{}", worst(tape.cls(), &theirs));

    let weight = Tensor::<2>::from_data(TensorData::new(mix.clone(), [IMAGES, c.dim]), &device);
    let gradients = (cls * weight).sum().backward();
    let out = OutputGradients { logits: vec![0.0; IMAGES * 2], cls: mix, hidden: Vec::new() };
    let mut grad = vec![0.0; layout.len];
    vit::backward(&layout, &weights, &out, &mut tape, &mut grad);
    let mut found = Gathered { gradients: &gradients, path: Vec::new(), by_name: BTreeMap::new() };
    module.visit(&mut found);
    let mut compared = 0;
    for slot in layout.slots().filter(|s| !s.name.starts_with("head.")) {
        let theirs =
            found.by_name.get(&slot.name).unwrap_or_else(|| panic!("{} is not in {:?}", slot.name, found.by_name.keys()));
        let size = theirs.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
        let distance = worst(slot.of(&grad), theirs);
        assert!(distance < 1e-3 * size, "{}: {distance} of {size}", slot.name);
        compared += 1;
    }
    assert_eq!(compared, 4 + 12 * 3 + 2);
}
