//! Tiny training runs on phantoms: they learn, they resume to the same bits, they refuse other settings.
#![allow(clippy::unwrap_used)]

mod common;

use common::{SIDE, config, images};
use lab::{
    data::Split,
    train::{
        TrainConfig,
        adversarial::Adversarial,
        loss::DistilWeights,
        mae::{
            self, MaeLayout, MaeTrainConfig,
            run::{MaeInputs, MaeSummary},
        },
        optim::OptimConfig,
        params::Layout,
        run::{Folder, Inputs, Summary, run},
        step::Teacher,
        unet::{
            self, Objective, UnetLayout, UnetTrainConfig,
            run::{UnetInputs, UnetSummary},
        },
    },
};
use models::{
    TensorMap, VitConfig,
    mae::{CpuMae, MaeConfig},
    phantom,
    unet::{CpuUnet, Schedule, UnetConfig},
};

fn train(config: TrainConfig, folder: &Folder, resume: bool, stop_after: Option<u32>, teacher: Option<Teacher>) -> Summary {
    let weights = Layout::new(&config.encoder, 2).random(config.seed);
    let inputs =
        Inputs { train: images(0..64), val: images(100..116), teacher, weights, start: "random".into(), command: "test".into() };
    run(config, inputs, folder, resume, stop_after).unwrap()
}

#[test]
fn the_loss_falls_on_phantoms() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::make(folder.path()).unwrap();
    let summary = train(TrainConfig { epochs: 8, ..config() }, &folder, false, None, None);
    let (first, last) = (summary.epochs[0].loss, summary.epochs[7].loss);
    assert!(last < 0.9 * first, "{first} {last}");
    assert!(summary.progress.best.unwrap().0 >= 0.5 && folder.best().is_file() && folder.summary().is_file());
}

/// The vectors of a run's last checkpoint, as bytes.
fn vectors(folder: &Folder) -> [Vec<u8>; 4] {
    let bytes = std::fs::read(folder.last()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    ["weights", "ema", "first", "second"].map(|name| file.tensor(name).unwrap().data().to_vec())
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, broken) = (Folder::make(whole.path()).unwrap(), Folder::make(broken.path()).unwrap());
    train(config(), &whole, false, None, None);
    let half = train(config(), &broken, false, Some(2), None);
    assert_eq!(half.progress.epoch, 2);
    let summary = train(config(), &broken, true, None, None);
    assert_eq!((summary.progress.epoch, summary.epochs.len()), (4, 4));
    assert!(vectors(&whole) == vectors(&broken), "the resumed run went another way");
}

#[test]
fn a_checkpoint_of_other_settings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::make(folder.path()).unwrap();
    train(config(), &folder, false, Some(1), None);
    let other = TrainConfig { seed: 8, ..config() };
    let inputs = Inputs {
        train: images(0..16),
        val: images(100..104),
        teacher: None,
        weights: Layout::new(&other.encoder, 2).random(8),
        start: String::new(),
        command: String::new(),
    };
    let refused = run(other, inputs, &folder, true, None).unwrap_err().to_string();
    assert!(refused.contains("other settings"), "{refused}");
}

#[test]
fn a_shallower_student_comes_closer_to_its_teacher() {
    let deep = Layout::new(&config().encoder, 2);
    let teacher = || Teacher { layout: deep.clone(), weights: deep.random(99), layers: vec![1] };
    let student = TrainConfig {
        encoder: VitConfig { depth: 1, ..config().encoder },
        distil: Some(DistilWeights { logits: 1.0, ..DistilWeights::default() }),
        epochs: 6,
        ..config()
    };
    let folder = tempfile::tempdir().unwrap();
    let summary = train(student, &Folder::make(folder.path()).unwrap(), false, None, Some(teacher()));
    let (first, last) = (summary.epochs[0].loss, summary.epochs[5].loss);
    assert!(last < 0.7 * first, "{first} {last}");
}

#[test]
fn training_on_attacked_images_is_logged_and_resumes() {
    let adversarial = Some(Adversarial { eps: 0.02, steps: 2, share: 0.5 });
    let settings = || TrainConfig { adversarial: adversarial.clone(), epochs: 2, ..config() };
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, broken) = (Folder::make(whole.path()).unwrap(), Folder::make(broken.path()).unwrap());
    let summary = train(settings(), &whole, false, None, None);
    let robust: Vec<f64> = summary.epochs.iter().map(|e| e.val_robust.unwrap()).collect();
    assert!(robust.iter().all(|share| (0.0..=1.0).contains(share)), "{robust:?}");
    train(settings(), &broken, false, Some(1), None);
    train(settings(), &broken, true, None, None);
    assert!(vectors(&whole) == vectors(&broken), "the resumed run went another way");
    // Settings without it are written as they were before there was any.
    assert!(!serde_json::to_string(&config()).unwrap().contains("adversarial"));
}

/// Settings of an autoencoder for phantoms.
fn mae_config() -> MaeTrainConfig {
    let TrainConfig { encoder, preprocess, augment, optim, .. } = config();
    MaeTrainConfig {
        architecture: MaeConfig { encoder, decoder_dim: 32, decoder_depth: 1, decoder_heads: 2, decoder_mlp_dim: 64 },
        preprocess,
        seed: 3,
        epochs: 6,
        batch: 8,
        lanes: 2,
        masked: 0.75,
        quiet: 4e-3,
        optim,
        augment,
    }
}

fn train_mae(folder: &Folder, resume: bool, stop_after: Option<u32>) -> MaeSummary {
    let config = mae_config();
    let inputs = MaeInputs {
        train: images(0..64).pixels,
        val: images(100..116).pixels,
        weights: MaeLayout::new(&config.architecture).random(config.seed),
        start: "random".into(),
        command: "test".into(),
    };
    mae::run::run(config, inputs, folder, resume, stop_after).unwrap()
}

#[test]
fn an_autoencoder_learns_to_draw_and_resumes_to_the_same_bits() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, broken) = (Folder::make(whole.path()).unwrap(), Folder::make(broken.path()).unwrap());
    let summary = train_mae(&whole, false, None);
    let (first, last) = (&summary.epochs[0], &summary.epochs[5]);
    assert!(last.loss < 0.95 * first.loss && last.val_loss < first.val_loss, "{first:?} {last:?}");
    train_mae(&broken, false, Some(3));
    train_mae(&broken, true, None);
    assert!(vectors(&whole) == vectors(&broken), "the resumed run went another way");
    let best = TensorMap::from_safetensors(&std::fs::read(whole.best()).unwrap()).unwrap();
    CpuMae::load(&mae_config().architecture, best).unwrap();
}

/// Settings of a U-Net for phantoms.
fn unet_config() -> UnetTrainConfig {
    let TrainConfig { preprocess, optim, .. } = config();
    UnetTrainConfig {
        architecture: UnetConfig { widths: vec![8, 16], time_dim: 16, ..UnetConfig::standard(1) },
        preprocess,
        schedule: Schedule::Linear,
        max_t: 250,
        objective: Objective::Noise,
        seed: 3,
        epochs: 6,
        batch: 4,
        lanes: 2,
        crops: vec![16, 16, 32],
        light: 0.1,
        guide: None,
        optim: OptimConfig { lr: 1e-2, ..optim },
    }
}

fn train_unet(config: UnetTrainConfig, folder: &Folder, resume: bool, stop_after: Option<u32>) -> UnetSummary {
    let inputs = UnetInputs {
        train: images(0..64).pixels,
        val: images(100..116).pixels,
        encoder: None,
        weights: UnetLayout::new(&config.architecture).random(config.seed),
        start: "random".into(),
        command: "test".into(),
    };
    unet::run::run(config, inputs, folder, resume, stop_after).unwrap()
}

#[test]
fn a_purifier_learns_to_tell_noise_and_resumes_to_the_same_bits() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (whole, broken) = (Folder::make(whole.path()).unwrap(), Folder::make(broken.path()).unwrap());
    let summary = train_unet(unet_config(), &whole, false, None);
    let (first, last) = (&summary.epochs[0], &summary.epochs[5]);
    // Whoever tells nothing is wrong by the whole variance of the noise, 1.
    assert!(last.loss < 0.7 * first.loss && last.val_error < 0.75, "{first:?} {last:?}");
    train_unet(unet_config(), &broken, false, Some(2));
    train_unet(unet_config(), &broken, true, None);
    assert!(vectors(&whole) == vectors(&broken), "the resumed run went another way");
    let best = TensorMap::from_safetensors(&std::fs::read(whole.best()).unwrap()).unwrap();
    CpuUnet::load(&unet_config().architecture, best).unwrap();
}

#[test]
fn a_purifier_for_one_step_tells_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Folder::make(folder.path()).unwrap();
    let student = UnetTrainConfig { objective: Objective::Clean, ..unet_config() };
    let summary = train_unet(student, &folder, false, None);
    let psnr = |epoch: usize| summary.epochs[epoch].val_psnr;
    assert!(psnr(5) > psnr(0) + 1.0, "{} {}", psnr(0), psnr(5));
}

#[test]
fn crops_that_do_not_halve_evenly_are_refused() {
    let refused = UnetTrainConfig { crops: vec![18], ..unet_config() }.validate().unwrap_err().to_string();
    assert!(refused.contains("18 pixels are no multiple of 4"), "{refused}");
}

/// A data folder of two images, one of them without a group.
fn data_folder(index: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.csv"), index).unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(folder.path().join("test.tar")).unwrap());
    for name in ["a/1.png", "b/2.png"] {
        let png = phantom::brain_phantom_png(1, false, SIDE).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(png.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &png[..]).unwrap();
    }
    tar.finish().unwrap();
    folder
}

#[test]
fn a_data_folder_is_read_and_its_mistakes_are_named() {
    let folder = data_folder("split,label,file\ntest,a,a/1.png\ntest,b,b/2.png\n");
    let split = Split::load(folder.path(), "test", None).unwrap();
    assert_eq!((split.labels.join(","), split.samples.len(), split.groups()), ("a,b".into(), 2, 2));
    assert_eq!(Split::load(folder.path(), "test", Some(1)).unwrap().samples.len(), 1);
    let error = |folder: &std::path::Path, split: &str| format!("{:#}", Split::load(folder, split, None).unwrap_err());
    assert!(error(folder.path(), "train").contains("has no split `train`"));
    assert!(error(&folder.path().join("none"), "test").contains("index.csv"));
    let wrong = data_folder("split,class,file\ntest,a,a/1.png\n");
    assert!(error(wrong.path(), "test").contains("no column `label`"));
    let missing = data_folder("split,label,file\ntest,a,a/9.png\n");
    assert!(error(missing.path(), "test").contains("a/9.png"));
}
