//! What every part of an attack run shares, and what it hands back.

use std::collections::BTreeMap;

use super::{
    fidelity::{Fidelity, compare},
    network::Network,
    record::{Inference, Row},
    sheet::Columns,
    subjects::{Part, Subjects},
};

/// Rows of a contact sheet.
const SHOWN: usize = 4;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of everything random.
    pub seed: u64,
    /// Most images attacked one by one.
    pub images: usize,
    /// Images attacked by gradient matching, and its steps.
    pub matching: (usize, usize),
    /// Passes of the decoder's training.
    pub epochs: usize,
    /// Rounds drawn for each kind of opened sum.
    pub rounds: usize,
}

/// Network, data and settings.
pub struct Context<'a> {
    /// The attacked network.
    pub network: &'a Network,
    /// The attacked and the attacker's own images.
    pub subjects: &'a Subjects,
    /// Settings.
    pub options: &'a Options,
}

/// What a part found.
#[derive(Default)]
pub struct Outcome {
    /// Rebuilt images.
    pub rows: Vec<Row>,
    /// Membership.
    pub membership: Vec<Inference>,
    /// Other figures.
    pub facts: BTreeMap<String, f64>,
    /// Pictures.
    pub sheet: Columns,
}

/// Attacked images: indices into the test split, in a fixed order.
pub struct Attacked<'a> {
    test: &'a Part,
    side: usize,
    /// Indices.
    pub chosen: Vec<usize>,
}

impl Context<'_> {
    /// At most `limit` images of the test split, evenly spread.
    pub fn attacked(&self, limit: usize) -> Attacked<'_> {
        let test = &self.subjects.test;
        Attacked { test, side: self.network.side(), chosen: test.spread(limit) }
    }
}

impl Attacked<'_> {
    /// The images themselves.
    pub fn images(&self) -> Vec<&[f32]> {
        self.chosen.iter().map(|i| self.test.images[*i].as_slice()).collect()
    }

    /// Their tokens.
    pub fn tokens(&self) -> Vec<Vec<f32>> {
        self.chosen.iter().map(|i| self.test.tokens[*i].clone()).collect()
    }

    /// Class of the image at `place`.
    pub fn class(&self, place: usize) -> usize {
        self.test.classes[self.chosen[place]]
    }

    /// Independent unit of each.
    pub fn groups(&self) -> Vec<String> {
        self.chosen.iter().map(|i| self.test.groups[*i].clone()).collect()
    }

    /// Each image beside its rebuilt one.
    pub fn score(&self, guesses: &[Vec<f32>]) -> Vec<Fidelity> {
        self.images().iter().zip(guesses).map(|(truth, guess)| compare(truth, guess, self.side)).collect()
    }

    /// A row of the record.
    pub fn row(&self, sent: &str, attack: &str, guesses: &[Vec<f32>]) -> Row {
        Row::new(sent, attack, &self.score(guesses), &self.groups()[..guesses.len()])
    }

    /// The first images of a column of the sheet.
    pub fn shown(guesses: &[Vec<f32>]) -> Vec<Vec<f32>> {
        guesses.iter().take(SHOWN).cloned().collect()
    }

    /// The first attacked images for the sheet.
    pub fn originals(&self) -> Vec<Vec<f32>> {
        self.images().iter().take(SHOWN).map(|image| image.to_vec()).collect()
    }
}
