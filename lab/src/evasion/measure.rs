//! Figures of attacks on a pack: what `lab evaluate --attack` prints and records.

use anyhow::Result;

use super::{
    arena::Arena,
    artefacts::Artefact,
    cases::Case,
    figures::{auc, roc, share, share_among},
    filters::{Filter, Filtered, filtered},
    judge::{Judgement, eight_bits},
    record::{ArtefactRow, Clean, Detected, FilterRow, Row, letters},
    registry::Spec,
    run::judge_all,
};
use crate::{
    pipeline::Pipeline,
    purify::measure::{Treatment, Ways},
};

/// Points of a recorded ROC curve.
const CURVE: usize = 40;

/// The images before an attack.
pub struct Before<'a> {
    /// The images.
    pub cases: &'a [Case],
    judgements: Vec<Judgement>,
    filtered: Vec<Filtered>,
    classes: Vec<usize>,
    groups: Vec<String>,
    treatment: Option<Treatment<'a>>,
}

impl<'a> Before<'a> {
    /// Judges every image as it is.
    ///
    /// # Errors
    /// Where the pipeline refuses an image.
    pub fn new(arena: &Arena, cases: &'a [Case]) -> Result<Self> {
        let images: Vec<&[f32]> = cases.iter().map(|c| c.image.as_slice()).collect();
        let filters = Filter::ALL.iter().map(|filter| filtered(arena.judge.pipeline, *filter, &images));
        Ok(Self {
            cases,
            judgements: judge_all(&arena.judge, &images)?,
            filtered: filters.collect::<Result<_>>()?,
            classes: cases.iter().map(|c| c.class).collect(),
            groups: cases.iter().map(|c| c.group.clone()).collect(),
            treatment: None,
        })
    }

    /// The same, with purification measured beside.
    ///
    /// # Errors
    /// Where the purifier refuses an image.
    pub fn purified(self, ways: Ways<'a>) -> Result<Self> {
        let treatment = Treatment::new(ways, self.cases, &self.judgements)?;
        Ok(Self { treatment: Some(treatment), ..self })
    }

    /// Their figures.
    pub fn clean(&self) -> Clean {
        let guarded = self.judgements.iter().all(|j| j.score.is_some());
        let right = self.right(&self.judgements);
        let passed = self.judgements.iter().zip(&right).map(|(j, right)| *right && !j.flagged);
        Clean {
            accuracy: self.share(right.iter().copied()),
            fpr: guarded.then(|| self.share(self.judgements.iter().map(|j| j.flagged))),
            system_accuracy: guarded.then(|| self.share(passed)),
            outcomes: letters(self.judgements.iter(), &self.classes),
        }
    }

    /// Number of each image's group, in the order in which groups first occur.
    pub fn group_numbers(&self) -> String {
        let mut known: Vec<&String> = Vec::new();
        let mut numbers = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let place = known.iter().position(|k| *k == group).unwrap_or(known.len());
            if place == known.len() {
                known.push(group);
            }
            numbers.push(place.to_string());
        }
        numbers.join(" ")
    }

    /// Attacks every image by `spec` and measures; ROC curve and filters only where `whole`.
    ///
    /// # Errors
    /// As [`Arena::run`].
    pub fn attack(&self, arena: &Arena, spec: Spec, whole: bool, progress: &(dyn Fn() + Sync)) -> Result<Row> {
        let outcomes = arena.run(spec, self.cases, progress)?;
        let images: Vec<&[f32]> = outcomes.iter().map(|o| o.image.as_slice()).collect();
        let after: Vec<Judgement> = outcomes.iter().map(|o| o.judgement.clone()).collect();
        let rounded: Vec<Vec<f32>> = images.iter().map(|image| eight_bits(image)).collect();
        let rounded = judge_all(&arena.judge, &rounded.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        let (right, before) = (self.right(&after), self.right(&self.judgements));
        let wrong: Vec<bool> = right.iter().map(|r| !r).collect();
        Ok(Row {
            attack: spec.to_string(),
            epsilon: spec.ball.radius,
            undefended_accuracy: self.share(right.iter().copied()),
            rounded_accuracy: self.share(self.right(&rounded).into_iter()),
            success: share_among(&wrong, &before, &self.groups),
            detected: self.detected(&after, &rounded, whole),
            filters: if whole { self.filter_rows(arena.judge.pipeline, &images)? } else { Vec::new() },
            purified: self.treatment.as_ref().map_or(Ok(Vec::new()), |treatment| treatment.rows(&images, &after))?,
            outcomes: letters(after.iter(), &self.classes),
        })
    }

    fn detected(&self, after: &[Judgement], rounded: &[Judgement], with_curve: bool) -> Option<Detected> {
        let scores = |of: &[Judgement]| of.iter().map(|j| j.score).collect::<Option<Vec<f64>>>();
        let (clean, attacked) = (scores(&self.judgements)?, scores(after)?);
        let flagged: Vec<bool> = after.iter().map(|j| j.flagged).collect();
        let wrong: Vec<bool> = self.right(after).iter().map(|r| !r).collect();
        let defended = |of: &[Judgement]| {
            let each: Vec<bool> = of.iter().zip(&self.classes).map(|(j, class)| j.defended(*class)).collect();
            self.share(each.into_iter())
        };
        Some(Detected {
            auc: auc(&clean, &attacked, &self.groups),
            tpr: self.share(flagged.iter().copied()),
            tpr_of_wrong: share_among(&flagged, &wrong, &self.groups),
            system_accuracy: defended(after),
            rounded_system_accuracy: defended(rounded),
            roc: if with_curve { roc(&clean, &attacked, CURVE) } else { Vec::new() },
        })
    }

    fn filter_rows(&self, pipeline: &Pipeline, images: &[&[f32]]) -> Result<Vec<FilterRow>> {
        let answers = |of: &Filtered| {
            let right: Vec<bool> = of.answers.iter().zip(&self.classes).map(|(a, class)| a == class).collect();
            self.share(right.into_iter())
        };
        let row = |(filter, before): (&Filter, &Filtered)| {
            let after = filtered(pipeline, *filter, images)?;
            Ok(FilterRow {
                filter: filter.name().into(),
                clean_accuracy: answers(before),
                accuracy: answers(&after),
                auc: auc(&before.changes, &after.changes, &self.groups),
            })
        };
        Filter::ALL.iter().zip(&self.filtered).map(row).collect()
    }

    fn right(&self, judgements: &[Judgement]) -> Vec<bool> {
        judgements.iter().zip(&self.classes).map(|(j, class)| j.answer == *class).collect()
    }

    fn share(&self, hits: impl Iterator<Item = bool>) -> crate::attack::record::Estimate {
        share(hits, &self.groups)
    }
}

/// Figures of the images changed by an artefact.
///
/// # Errors
/// Where an image cannot be changed, or the pipeline refuses it.
pub fn artefact(arena: &Arena, cases: &[Case], artefact: Artefact, strength: f64) -> Result<ArtefactRow> {
    let side = arena.judge.pipeline.card.preprocess.size;
    let changed: Vec<Vec<f32>> = cases.iter().map(|c| artefact.apply(&c.image, side, strength, c.seed)).collect::<Result<_>>()?;
    let judgements = judge_all(&arena.judge, &changed.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let groups: Vec<String> = cases.iter().map(|c| c.group.clone()).collect();
    let right = |i: usize| judgements[i].answer == cases[i].class;
    let of = |hit: &dyn Fn(usize) -> bool| share((0..cases.len()).map(hit), &groups);
    let guarded = arena.judge.guard.is_some();
    Ok(ArtefactRow {
        artefact: artefact.to_string(),
        strength,
        n: cases.len(),
        fpr: guarded.then(|| of(&|i| judgements[i].flagged)),
        accuracy: of(&right),
        system_accuracy: guarded.then(|| of(&|i| right(i) && !judgements[i].flagged)),
    })
}
