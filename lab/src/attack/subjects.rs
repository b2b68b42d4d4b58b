//! Whose images are attacked: a data set in its three splits, or phantoms, with the CLS tokens that the network gives them.

use std::path::Path;

use anyhow::{Context, Result};
use models::{ModelCard, Preprocess, phantom};

use super::network::Network;
use crate::{data::Split, train::augment};

/// What `--data` says for phantoms.
pub const PHANTOMS: &str = "phantoms";

/// Images of one split.
#[derive(Default)]
pub struct Part {
    /// CHW values in 0..=1.
    pub images: Vec<Vec<f32>>,
    /// Class of each.
    pub classes: Vec<usize>,
    /// Independent unit of each.
    pub groups: Vec<String>,
    /// CLS token of each.
    pub tokens: Vec<Vec<f32>>,
}

/// A data set as the attacker and the attacked have it.
pub struct Subjects {
    /// Name for the record.
    pub name: String,
    /// The attacker's own images: decoders are trained on them.
    pub train: Part,
    /// Settings are chosen on these.
    pub val: Part,
    /// The attacked: only figures come from them.
    pub test: Part,
}

impl Subjects {
    /// Reads the data set in the folder `data`, or draws phantoms, and encodes everything.
    ///
    /// # Errors
    /// Where the data cannot be read or a label is no class of the model.
    pub fn load(network: &Network, card: &ModelCard, data: &Path, seed: u64) -> Result<Self> {
        let name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let drawn = data == Path::new(PHANTOMS);
        let part = |split: &str, seeds: std::ops::Range<u64>| -> Result<Part> {
            let mut part = if drawn {
                phantoms(&card.preprocess, card.classes.len(), seeds)
            } else {
                read(card, &Split::load(data, split, None)?)?
            };
            part.tokens = network.tokens(&part.images);
            Ok(part)
        };
        let first = seed * 1_000_000;
        Ok(Self {
            name,
            train: part("train", first..first + 1500)?,
            val: part("val", first + 10_000..first + 10_100)?,
            test: part("test", first + 20_000..first + 21_500)?,
        })
    }

    /// Whether the images may be shown: they are drawn and show nobody.
    pub fn may_be_shown(&self) -> bool {
        self.name == PHANTOMS
    }
}

impl Part {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The mean image.
    pub fn mean_image(&self) -> Vec<f32> {
        mean(&self.images)
    }

    /// At most `limit` indices, evenly spread.
    pub fn spread(&self, limit: usize) -> Vec<usize> {
        let count = self.len();
        (0..limit.min(count)).map(|i| i * count / limit.min(count)).collect()
    }
}

/// Mean of rows of equal length.
pub fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    let mut sum = vec![0.0f64; rows.first().map_or(0, Vec::len)];
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
    }
    sum.into_iter().map(|s| (s / rows.len() as f64) as f32).collect()
}

/// Phantoms of these seeds, those of odd seeds with a lesion (the last class), the others the first class.
fn phantoms(preprocess: &Preprocess, classes: usize, seeds: std::ops::Range<u64>) -> Part {
    let mut part = Part::default();
    for seed in seeds {
        let lesion = seed % 2 == 1;
        let picture = phantom::brain_phantom(seed, lesion, preprocess.size);
        part.images.push(augment::plain(&preprocess.letterbox(&picture).pixels, preprocess.size));
        part.classes.push(if lesion { classes - 1 } else { 0 });
        part.groups.push(seed.to_string());
    }
    part
}

fn read(card: &ModelCard, split: &Split) -> Result<Part> {
    let known = |label: &String| card.classes.iter().position(|class| class.id == *label);
    let classes = split.labels.iter().map(|l| known(l).with_context(|| format!("`{l}` is no class of {}", card.id)));
    let classes: Vec<usize> = classes.collect::<Result<_>>()?;
    let pixels = split.pixels(&card.preprocess)?;
    Ok(Part {
        images: pixels.iter().map(|p| augment::plain(p, card.preprocess.size)).collect(),
        classes: split.samples.iter().map(|s| classes[s.class]).collect(),
        groups: split.samples.iter().map(|s| s.group.clone()).collect(),
        tokens: Vec::new(),
    })
}
