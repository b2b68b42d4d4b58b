//! The burn module of the U-Net against the CPU engine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "flex")]

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use common::purifier::*;
use models::{CpuUnet, ModelError, UnetConfig, unet::module::Unet};

fn both(config: &UnetConfig) -> (Unet, CpuUnet) {
    let device = Device::flex();
    let module = config.init(&device).load(&weights(config), &device).unwrap();
    (module, CpuUnet::load(config, weights(config)).unwrap())
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The answer of a future that never waits, as none does on the CPU.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn the_module_finds_the_noise_that_the_cpu_engine_finds() {
    let deep = UnetConfig { widths: vec![7, 8, 6, 5], fold: 1, ..config(1) };
    for config in [config(1), config(3), UnetConfig::standard(1), deep] {
        let (module, engine) = both(&config);
        for side in [[16, 16], [32, 24]] {
            let levels = [1, 40, 333, 1000];
            let images: Vec<_> = (1..5).map(|seed| image(&config, side, seed)).collect();
            let views: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
            let theirs = now(module.noise_of_many(&views, side, &levels, &Device::flex())).unwrap();
            let ours = engine.noise_of_many(&views, side, &levels).unwrap();
            let distance = worst(&ours.concat(), &theirs.concat());
            assert!(distance <= 1e-4, "{config:?} {side:?}: {distance}");
        }
    }
}

#[test]
fn a_batch_of_tensors_is_taken_with_its_levels() {
    let (module, engine) = both(&config(1));
    let data = TensorData::new([image(&config(1), [16, 8], 1), image(&config(1), [16, 8], 2)].concat(), [2, 1, 16, 8]);
    let [x, t] = [data.clone(), TensorData::new(vec![5.0f32, 700.0], [2])].map(|data| (data, Device::flex()));
    let noise = module.forward(Tensor::from_data(x.0, &x.1), Tensor::from_data(t.0, &t.1));
    assert_eq!(noise.dims(), [2, 1, 16, 8]);
    let noise: Vec<f32> = noise.into_data().try_to_vec().unwrap();
    assert!(worst(&noise[128..], &engine.noise(&image(&config(1), [16, 8], 2), [16, 8], 700).unwrap()) <= 1e-4);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (module, device) = (both(&config(1)).0, Device::flex());
    for (x, side, t) in [(&[0.0; 64][..], [8, 16], 5), (&[0.0; 144], [12, 12], 5), (&[0.0; 64], [8, 8], 1001)] {
        let refused = now(module.noise_of_many(&[x], side, &[t], &device));
        assert!(matches!(refused, Err(ModelError::Purification { .. })), "{side:?}");
    }
    assert!(now(module.noise_of_many(&[], [8, 8], &[], &device)).unwrap().is_empty());
    let wider = UnetConfig { widths: vec![6, 10, 12], ..config(1) };
    assert!(matches!(wider.init(&device).load(&weights(&config(1)), &device), Err(ModelError::WrongShape { .. })));
    let deeper = UnetConfig { widths: vec![6, 10, 9, 9], ..config(1) };
    let refused = deeper.init(&device).load(&weights(&config(1)), &device);
    assert!(matches!(refused, Err(ModelError::MissingTensor { .. } | ModelError::WrongShape { .. })));
}
