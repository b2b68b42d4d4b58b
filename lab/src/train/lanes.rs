//! A batch split into lanes that run side by side, each with working memory and a gradient of its own.

use rayon::prelude::*;

use super::math;

/// One lane.
struct Lane<T> {
    memory: T,
    grad: Vec<f32>,
}

/// The lanes of a network in training; `T` is the working memory of one.
pub struct Lanes<T> {
    lanes: Vec<Lane<T>>,
}

impl<T: Default + Send> Lanes<T> {
    /// `count` lanes for a network of `len` parameters.
    pub fn new(count: usize, len: usize) -> Self {
        Self { lanes: (0..count).map(|_| Lane { memory: T::default(), grad: vec![0.0; len] }).collect() }
    }

    /// Runs `job` on chunks of at most `chunk` images of `batch`; it adds to the gradient that it is given. Returns what the
    /// chunks returned, in order, and the sum of the gradients.
    pub fn run<S: Send>(
        &mut self,
        batch: &[usize],
        chunk: usize,
        job: impl Fn(&[usize], &mut T, &mut [f32]) -> S + Sync,
    ) -> (Vec<S>, &mut [f32]) {
        let parts: Vec<&[usize]> = batch.chunks(batch.len().div_ceil(self.lanes.len())).collect();
        let busy = parts.len();
        let one = |(lane, part): (&mut Lane<T>, &[usize])| -> Vec<S> {
            lane.grad.fill(0.0);
            part.chunks(chunk).map(|images| job(images, &mut lane.memory, &mut lane.grad)).collect()
        };
        let results: Vec<Vec<S>> = self.lanes.par_iter_mut().zip(parts).map(one).collect();
        let (first, rest) = self.lanes[..busy].split_at_mut(1);
        let grad = &mut first[0].grad;
        for lane in rest {
            math::add_scaled(grad, &lane.grad, 1.0);
        }
        (results.into_iter().flatten().collect(), grad)
    }
}
