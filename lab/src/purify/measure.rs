//! What is left of an attack behind the purifier: what `lab evaluate --purify` measures.

use anyhow::Result;
use rayon::prelude::*;

use super::{
    defence::Defence,
    purification::Draw,
    record::{Purified, Who},
};
use crate::{
    attack::record::Estimate,
    evasion::{cases::Case, judge::Judgement, record::letters},
};

/// Defences that are measured side by side.
pub struct Ways<'a> {
    /// The defences.
    pub defences: Vec<Defence<'a>>,
    /// Which images are purified.
    pub who: Vec<Who>,
    /// Draws of the noise for each attacked image.
    pub draws: u64,
}

/// The defences, with the images before the attack purified.
pub struct Treatment<'a> {
    ways: Ways<'a>,
    cases: &'a [Case],
    before: Vec<Judgement>,
    /// For each defence.
    clean: Vec<Vec<Said>>,
}

/// What is said of one image when it is purified, a judgement a draw; none where it needs not to be purified.
type Said = Option<Vec<Judgement>>;

impl<'a> Treatment<'a> {
    /// Purifies the images before the attack, of which the pipeline says `before`.
    ///
    /// # Errors
    /// Where purifier or pipeline refuse an image.
    pub fn new(ways: Ways<'a>, cases: &'a [Case], before: &[Judgement]) -> Result<Self> {
        let mut made = Self { ways, cases, before: before.to_vec(), clean: Vec::new() };
        let images: Vec<&[f32]> = cases.iter().map(|case| case.image.as_slice()).collect();
        made.clean = made.ways.defences.iter().map(|d| made.purify(d, &images, before, 1)).collect::<Result<_>>()?;
        Ok(made)
    }

    /// Figures of the attacked `images`, of which the pipeline says `after`, for each defence.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn rows(&self, images: &[&[f32]], after: &[Judgement]) -> Result<Vec<Purified>> {
        let mut rows = Vec::new();
        for (defence, clean) in self.ways.defences.iter().zip(&self.clean) {
            let said = self.purify(defence, images, after, self.ways.draws)?;
            rows.extend(self.ways.who.iter().map(|who| self.row(*who, defence, (clean, &self.before), (&said, after))));
        }
        Ok(rows)
    }

    fn purify(&self, defence: &Defence, images: &[&[f32]], first: &[Judgement], draws: u64) -> Result<Vec<Said>> {
        let all = self.ways.who.contains(&Who::All);
        let one = |((image, case), first): ((&&[f32], &Case), &Judgement)| {
            if !all && !first.flagged {
                return Ok(None);
            }
            let draw = |number| defence.judge_purified(image, first.score, Draw::defenders(case.seed, number));
            (0..draws).map(draw).collect::<Result<Vec<_>>>().map(Some)
        };
        images.par_iter().zip(self.cases).zip(first).map(one).collect()
    }

    fn row(&self, who: Who, defence: &Defence, clean: (&[Said], &[Judgement]), attacked: (&[Said], &[Judgement])) -> Purified {
        let (before, after) = (Ends::new(who, clean, self.cases), Ends::new(who, attacked, self.cases));
        let lost = |i: usize| f64::from(u8::from(self.before[i].answer == self.cases[i].class)) - before.right(i);
        let levels = after.purified.iter().map(|i| f64::from(defence.purification.level(attacked.1[*i].score)));
        Purified {
            who,
            place: defence.place,
            steps: defence.steps,
            draws: self.ways.draws,
            accuracy: after.mean(|i| after.right(i)),
            accepted: after.mean(|i| after.share(i, |j| j.answer == after.cases[i].class && !j.flagged)),
            of_purified: (!after.purified.is_empty()).then(|| after.mean_of(&after.purified, |i| after.right(i))),
            every_draw: (self.ways.draws > 1).then(|| after.mean(|i| after.right(i).floor())),
            clean_accuracy: before.mean(|i| before.right(i)),
            clean_loss: before.mean(lost),
            mean_level: levels.sum::<f64>() / after.purified.len().max(1) as f64,
            outcomes: after.letters(),
            clean_outcomes: before.letters(),
        }
    }
}

/// The last word on each image: of the purified one where it is purified, else of the image as it is.
struct Ends<'a> {
    said: Vec<&'a [Judgement]>,
    purified: Vec<usize>,
    cases: &'a [Case],
}

impl<'a> Ends<'a> {
    fn new(who: Who, (said, first): (&'a [Said], &'a [Judgement]), cases: &'a [Case]) -> Self {
        let purified: Vec<usize> = (0..first.len()).filter(|i| who == Who::All || first[*i].flagged).collect();
        let mut last: Vec<&[Judgement]> = first.iter().map(std::slice::from_ref).collect();
        for i in &purified {
            if let Some(draws) = &said[*i] {
                last[*i] = draws;
            }
        }
        Self { said: last, purified, cases }
    }

    /// Share of the draws of an image that are `good`.
    fn share(&self, image: usize, good: impl Fn(&Judgement) -> bool) -> f64 {
        let draws = self.said[image];
        draws.iter().filter(|judgement| good(judgement)).count() as f64 / draws.len() as f64
    }

    fn right(&self, image: usize) -> f64 {
        self.share(image, |judgement| judgement.answer == self.cases[image].class)
    }

    fn mean(&self, value: impl Fn(usize) -> f64) -> Estimate {
        self.mean_of(&(0..self.cases.len()).collect::<Vec<_>>(), value)
    }

    fn mean_of(&self, images: &[usize], value: impl Fn(usize) -> f64) -> Estimate {
        let groups: Vec<String> = images.iter().map(|i| self.cases[*i].group.clone()).collect();
        Estimate::of(&images.iter().map(|i| value(*i)).collect::<Vec<f64>>(), &groups)
    }

    fn letters(&self) -> String {
        let classes: Vec<usize> = self.cases.iter().map(|case| case.class).collect();
        letters(self.said.iter().map(|draws| &draws[0]), &classes)
    }
}
