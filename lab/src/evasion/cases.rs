//! The images that are attacked: of a data set, or phantoms.

use anyhow::Result;
use models::phantom;
use sha2::{Digest, Sha256};

use super::attack::Target;
use crate::{data::Split, evaluate::classes, pipeline::Pipeline, train::augment};

/// One image.
#[derive(Clone, Debug)]
pub struct Case {
    /// File, or the phantom's seed.
    pub name: String,
    /// CHW in [0, 1], as the encoder sees it.
    pub image: Vec<f32>,
    /// True class.
    pub class: usize,
    /// Independent unit.
    pub group: String,
    /// Seed of what is random about it.
    pub seed: u64,
}

impl Case {
    /// What attacks need of it.
    pub fn target(&self) -> Target<'_> {
        Target { image: &self.image, class: self.class, seed: self.seed }
    }
}

/// Every image of a split, decoded and letterboxed.
///
/// # Errors
/// Where a file is no image or a label none of the model's classes.
pub fn of_split(pipeline: &Pipeline, split: &Split, seed: u64) -> Result<Vec<Case>> {
    let preprocess = &pipeline.card.preprocess;
    let classes = classes(pipeline, split)?;
    let pixels = split.pixels(preprocess)?;
    let one = |((sample, pixels), class): ((&crate::data::Sample, &Vec<u8>), usize)| Case {
        name: sample.file.clone(),
        image: augment::plain(pixels, preprocess.size),
        class,
        group: sample.group.clone(),
        seed: seed_of(&sample.file, seed),
    };
    Ok(split.samples.iter().zip(&pixels).zip(classes).map(one).collect())
}

/// `count` phantoms, every second one with a lesion, which is the last class; each is a group of its own.
pub fn phantoms(pipeline: &Pipeline, count: usize, seed: u64) -> Vec<Case> {
    let (preprocess, classes) = (&pipeline.card.preprocess, pipeline.card.classes.len());
    let one = |number: u64| {
        let lesion = number % 2 == 1;
        let picture = preprocess.letterbox(&phantom::brain_phantom(number, lesion, preprocess.size));
        let name = format!("phantom-{number}");
        Case {
            image: augment::plain(&picture.pixels, preprocess.size),
            class: if lesion { classes - 1 } else { 0 },
            group: name.clone(),
            seed: seed_of(&name, seed),
            name,
        }
    };
    (0..count as u64).map(one).collect()
}

/// A seed of an image's name and the run's seed, the same whatever other images are in the run.
pub fn seed_of(name: &str, seed: u64) -> u64 {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name.as_bytes()).finalize();
    digest.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}
