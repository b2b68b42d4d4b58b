//! Square attack (Andriushchenko et al. 2020): random search with square changes. It sees the pipeline's integer logits and no slope,
//! so nothing that only hides slopes stops it.

mod l2;
mod linf;

use anyhow::Result;
use rand_chacha::ChaCha8Rng;

use super::{
    attack::{Attack, Target},
    ball::{Ball, Norm, rng},
};

/// What an attacker without slopes can ask.
pub trait Oracle: Sync {
    /// How close to success an image (CHW in [0, 1]) is; above 0 it succeeds.
    ///
    /// # Errors
    /// Where the pipeline refuses the image.
    fn value(&self, image: &[f32], class: usize) -> Result<f64>;
}

/// The attack.
pub struct Square<'a> {
    /// What is asked.
    pub oracle: &'a dyn Oracle,
    /// How far.
    pub ball: Ball,
    /// Most queries for an image.
    pub queries: usize,
    /// Side of the images in pixels.
    pub side: usize,
}

impl Square<'_> {
    fn one(&self, target: &Target, restart: usize) -> Result<Vec<f32>> {
        let mut rng = rng(target.seed, restart);
        let mut point = self.first(target.image, &mut rng);
        let mut value = self.oracle.value(&point, target.class)?;
        for query in 1..self.queries {
            if value > 0.0 {
                break;
            }
            let window = self.window(query);
            let next = self.next(target.image, &point, window, &mut rng);
            let found = self.oracle.value(&next, target.class)?;
            if found > value {
                (point, value) = (next, found);
            }
        }
        Ok(point)
    }

    fn first(&self, image: &[f32], rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut point = match self.ball.norm {
            Norm::Linf => linf::stripes(image, self.side, self.ball.radius as f32, rng),
            Norm::L2 => l2::tiles(image, self.side, self.ball.radius as f32, rng),
        };
        self.ball.project(image, &mut point);
        point
    }

    fn next(&self, image: &[f32], point: &[f32], window: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let mut next = match self.ball.norm {
            Norm::Linf => linf::square(image, point, self.side, window, self.ball.radius as f32, rng),
            Norm::L2 => l2::two_windows(image, point, self.side, window, self.ball.radius as f32, rng),
        };
        self.ball.project(image, &mut next);
        next
    }

    /// Side of the square of a query: its share of the image starts at 5 % (L∞) or 10 % (L2) and is halved at the paper's queries,
    /// which are for 10,000 and are scaled to what may be asked here.
    fn window(&self, query: usize) -> usize {
        let first: f64 = if self.ball.norm == Norm::Linf { 0.05 } else { 0.1 };
        let at = query * 10_000 / self.queries.max(1);
        let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].iter().filter(|limit| at > **limit).count();
        let share = first / f64::from(1u32 << halvings);
        let side = (share.sqrt() * self.side as f64).round() as usize;
        match self.ball.norm {
            Norm::Linf => side.clamp(1, self.side - 1),
            // Two windows must fit, and a bump has two halves.
            Norm::L2 => side.clamp(3, self.side / 2),
        }
    }
}

impl Attack for Square<'_> {
    fn attack(&self, targets: &[Target], restart: usize) -> Result<Vec<Vec<f32>>> {
        targets.iter().map(|target| self.one(target, restart)).collect()
    }
}
