//! The tiles at work: each step is one pass through the network for all of them, whichever jobs and sites they come from, and whatever
//! their noise levels. A tile that is clean makes room for the next in the queue.

use std::sync::Arc;
use std::time::Instant;

use models::ModelError;
use models::purifier::Walk;

use super::engine::Engine;
use super::job::{Failure, Job};
use super::queue::Queue;

/// A job of which nothing is at work any more, and how it ended.
pub(crate) type Over = (Arc<Job>, Result<(), Failure>);

/// Tiles of the same network and shape.
pub(crate) struct Batch {
    size: usize,
    walking: Vec<Walking>,
    over: Vec<Over>,
}

struct Walking {
    job: Arc<Job>,
    tile: usize,
    walk: Walk,
}

impl Batch {
    /// Room for `size` tiles.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, walking: Vec::with_capacity(size), over: Vec::new() }
    }

    /// Lets go of tiles whose job has ended, and fills up with the next ones of the queue as long as they can share the passes.
    pub(crate) fn fill(&mut self, queue: &mut Queue<Arc<Job>>, now: Instant) {
        self.walking.retain(|walking| !walking.job.ended());
        while self.walking.len() < self.size {
            let first = self.walking.first().map(|walking| Arc::clone(&walking.job));
            let fits = |job: &Arc<Job>| first.is_none_or(|first| first.shares_passes_with(job));
            let Some((job, tile)) = queue.take_if(fits) else { break };
            match job.begin(tile, now) {
                Ok(walk) => self.walking.push(Walking { job, tile, walk }),
                Err(_) => self.give_up(job),
            }
        }
    }

    /// Tiles at work.
    pub(crate) fn len(&self) -> usize {
        self.walking.len()
    }

    /// Takes one step with every tile. Takes its time, so it is not for an async thread.
    ///
    /// # Errors
    /// Those of [`Engine::noise_of_many`]; no tile has moved then.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<(), ModelError> {
        let Some(Walking { job, .. }) = self.walking.first() else { return Ok(()) };
        let (values, levels): (Vec<&[f32]>, Vec<u16>) = self.walking.iter().filter_map(|walking| walking.walk.pending()).unzip();
        let noise = engine.noise_of_many(&job.network, &values, job.shape().side.into(), &levels)?;
        for (mut walking, noise) in std::mem::take(&mut self.walking).into_iter().zip(&noise) {
            match walking.walk.advance(noise) {
                Ok(()) if walking.walk.pending().is_some() => self.walking.push(walking),
                Ok(()) if walking.job.finish(walking.tile, walking.walk.values()) => self.over.push((walking.job, Ok(()))),
                Ok(()) => {}
                Err(_) => self.give_up(walking.job),
            }
        }
        Ok(())
    }

    /// Gives up on all tiles.
    pub(crate) fn abandon(&mut self) {
        for walking in std::mem::take(&mut self.walking) {
            self.give_up(walking.job);
        }
    }

    /// The jobs that are over since this was last asked.
    pub(crate) fn take_over(&mut self) -> Vec<Over> {
        std::mem::take(&mut self.over)
    }

    /// Nothing more of the job is begun, and what is at work is let go of.
    fn give_up(&mut self, job: Arc<Job>) {
        job.end();
        if !self.over.iter().any(|(other, _)| *other == job) {
            self.over.push((job, Err(Failure::NotComputed)));
        }
    }
}
