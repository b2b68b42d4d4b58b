//! Records of evasion: what the report is written from.

use serde::{Deserialize, Serialize};

use super::judge::Judgement;
use crate::{attack::record::Estimate, purify::record::Purified};

/// What was measured, and on what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Model.
    pub model: String,
    /// Version of the model.
    pub version: String,
    /// SHA-256 of the encoder.
    pub encoder: String,
    /// SHA-256 of the detector; none where the pack has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
    /// The detector's threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// SHA-256 of the purifier and the data that it was trained on; none where the pack has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purifier: Option<(String, String)>,
    /// Data set.
    pub data: String,
    /// Split.
    pub split: String,
    /// Images.
    pub n: usize,
    /// Independent groups of images.
    pub groups: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// The command line.
    pub command: String,
}

/// One kind of attack in one norm, at one ε or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evasion {
    /// Model and data.
    pub subject: Subject,
    /// Kind and norm, for example `pgd-linf`.
    pub family: String,
    /// ε that was asked for; other rows are a sweep.
    pub epsilon: f64,
    /// Where transferred attacks are made; none for other attacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate: Option<String>,
    /// Attempts at each image.
    pub restarts: usize,
    /// Seconds that it took.
    pub seconds: f64,
    /// The same images before the attack.
    pub clean: Clean,
    /// By rising ε.
    pub rows: Vec<Row>,
    /// Group of each image, by number, so that records of several attacks can be joined image by image.
    pub group_of_image: String,
}

impl Evasion {
    /// The row of the ε that was asked for.
    pub fn headline(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.epsilon == self.epsilon)
    }
}

/// Figures of the images before an attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clean {
    /// Right answers.
    pub accuracy: Estimate,
    /// Share of images that are flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fpr: Option<Estimate>,
    /// Right answer and not flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_accuracy: Option<Estimate>,
    /// One letter an image: see [`letter`].
    pub outcomes: String,
}

/// Figures at one ε.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Name of the attack with its ε.
    pub attack: String,
    /// ε in the pixels' scale [0, 1].
    pub epsilon: f64,
    /// Right answers of the same model on the same attacked images, whatever the detector says.
    pub undefended_accuracy: Estimate,
    /// The same after the attacked images were rounded to 8 bits.
    pub rounded_accuracy: Estimate,
    /// Share of wrong answers among the images that were right before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<Estimate>,
    /// With the detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<Detected>,
    /// Filters beside it; none in a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterRow>,
    /// Behind the purifier; none where it was not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purified: Vec<Purified>,
    /// One letter an image: see [`letter`].
    pub outcomes: String,
}

/// Figures of the detector against one attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detected {
    /// Area under the ROC curve, attacked against clean scores, all images.
    pub auc: Estimate,
    /// Share of attacked images that are flagged.
    pub tpr: Estimate,
    /// The same among wrong answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpr_of_wrong: Option<Estimate>,
    /// Right answer, or flagged.
    pub system_accuracy: Estimate,
    /// The same after the attacked images were rounded to 8 bits.
    pub rounded_system_accuracy: Estimate,
    /// Points (false-positive rate, true-positive rate); empty in a sweep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roc: Vec<(f64, f64)>,
}

/// A two-line filter against one attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FilterRow {
    /// Which.
    pub filter: String,
    /// Right answers on filtered clean images.
    pub clean_accuracy: Estimate,
    /// Right answers on filtered attacked images.
    pub accuracy: Estimate,
    /// Area under the ROC curve of the change of the probabilities under the filter.
    pub auc: Estimate,
}

/// What changes images without an attacker: one record a data set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Benign {
    /// Model and data.
    pub subject: Subject,
    /// Artefacts, none first.
    pub rows: Vec<ArtefactRow>,
}

/// One artefact at one strength.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ArtefactRow {
    /// Name.
    pub artefact: String,
    /// Strength, in the artefact's own unit.
    pub strength: f64,
    /// Images.
    pub n: usize,
    /// Share of images that are flagged, all of them wrongly; none without a detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fpr: Option<Estimate>,
    /// Right answers.
    pub accuracy: Estimate,
    /// Right answer and not flagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_accuracy: Option<Estimate>,
}

/// `r` right, `w` wrong; a capital where it is flagged.
pub fn letter(judgement: &Judgement, class: usize) -> char {
    let letter = if judgement.answer == class { 'r' } else { 'w' };
    if judgement.flagged { letter.to_ascii_uppercase() } else { letter }
}

/// Letters of many images.
pub fn letters<'a>(judgements: impl Iterator<Item = &'a Judgement>, classes: &[usize]) -> String {
    judgements.zip(classes).map(|(judgement, class)| letter(judgement, *class)).collect()
}

/// Whether a letter stands for a right answer.
pub fn is_right(letter: char) -> bool {
    letter.eq_ignore_ascii_case(&'r')
}

/// Whether a letter stands for an image that harms nobody: the right answer, or flagged.
pub fn is_defended(letter: char) -> bool {
    letter != 'w'
}
