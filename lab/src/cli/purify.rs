//! What `lab evaluate --purify` measures beside an attack.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{
    evasion::{
        arena::Arena,
        through::{DRAWS, Known, Opponent},
    },
    purify::{
        defence::{Defence, Place},
        measure::Ways,
        record::Who,
    },
};

/// Which images are purified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whom {
    /// Those that the detector flags.
    Flagged,
    /// Every image.
    All,
    /// Each of the two.
    Both,
}

/// Purification behind the attacks.
#[derive(Args)]
pub struct Purify {
    /// Purify the images before they are answered: those that the detector flags, all, or both ways beside each other. Adds to --json
    /// purified_accuracy (right answers in the end, where flagged images are purified), purified_accepted (of those the ones that are
    /// not, or no longer, flagged), purified_clean_accuracy and purified_clean_loss (the same images before the attack; what purifying
    /// costs there), each with its _ci_low and _ci_high; and the same of all images as purify_all_accuracy and so on.
    #[arg(long, value_enum)]
    purify: Option<Whom>,
    /// Steps of the purifier's walk, several with commas; the keys of --json are of the first [default: the pack's own]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=20))]
    purify_steps: Vec<u8>,
    /// Where images are purified: whole on the device, or as tiles by relays; the keys of --json are of the first.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "device")]
    purify_on: Vec<Place>,
    /// Draws of the purifier's noise for each attacked image.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    draws: u64,
    /// Draws of the noise in each step of an attack through the purifier.
    #[arg(long, default_value_t = DRAWS, value_parser = clap::value_parser!(u64).range(1..=100))]
    eot: u64,
}

impl Purify {
    /// Lets attacks face the purifier as it was asked for.
    pub fn face(&self, arena: &mut Arena) {
        arena.purifier = arena.purifier.map(|o| Opponent { steps: self.steps(o.known)[0], draws: self.eot, ..o });
    }

    /// What is to be measured; none where it was not asked for.
    ///
    /// # Errors
    /// Where the pack has no purifier.
    pub fn ways<'a>(&self, arena: &Arena<'a>) -> Result<Option<Ways<'a>>> {
        let Some(whom) = self.purify else { return Ok(None) };
        let known = arena.purifier.context("--purify needs a pack with a purifier: see `lab calibrate purifier`")?.known;
        let one = |steps: u8, place: Place| Defence { judge: arena.judge, purification: &known.purification, steps, place };
        let defences = self.steps(known).into_iter().flat_map(|steps| self.purify_on.iter().map(move |place| one(steps, *place)));
        let who = match whom {
            Whom::Flagged => vec![Who::Flagged],
            Whom::All => vec![Who::All],
            Whom::Both => vec![Who::Flagged, Who::All],
        };
        Ok(Some(Ways { defences: defences.collect(), who, draws: self.draws }))
    }

    /// What tells the record of a family of attacks from the one without purification, or with other draws.
    pub fn suffix(&self, family: &str) -> String {
        match (self.purify.is_some(), family.starts_with("purified")) {
            (true, true) => format!("-eot{}", self.eot),
            (true, false) => "-purified".into(),
            (false, _) => String::new(),
        }
    }

    fn steps(&self, known: &Known) -> Vec<u8> {
        if self.purify_steps.is_empty() { vec![known.purification.card().steps] } else { self.purify_steps.clone() }
    }
}
