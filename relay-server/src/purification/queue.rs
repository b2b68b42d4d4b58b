//! Whose tile is next: sites take turns, a tile each, and a site's own jobs follow one another.

use std::collections::VecDeque;

use crate::client::ClientId;

/// The tiles that wait, by site. `J` names a job.
pub(crate) struct Queue<J> {
    /// The site whose turn it is comes first. None is empty.
    lanes: VecDeque<Lane<J>>,
}

struct Lane<J> {
    site: ClientId,
    /// Oldest first. None is empty.
    jobs: VecDeque<Waiting<J>>,
}

/// A job of which the tiles from `next` on wait.
struct Waiting<J> {
    job: J,
    next: usize,
    tiles: usize,
}

impl<J> Waiting<J> {
    fn left(&self) -> usize {
        self.tiles - self.next
    }
}

impl<J> Lane<J> {
    fn left(&self) -> usize {
        self.jobs.iter().map(Waiting::left).sum()
    }
}

impl<J: Clone + PartialEq> Queue<J> {
    pub(crate) fn new() -> Self {
        Self { lanes: VecDeque::new() }
    }

    /// Puts a job of `tiles` tiles, at least one, behind the site's others.
    pub(crate) fn push(&mut self, site: ClientId, job: J, tiles: usize) {
        let waiting = Waiting { job, next: 0, tiles };
        match self.lanes.iter_mut().find(|lane| lane.site == site) {
            Some(lane) => lane.jobs.push_back(waiting),
            None => self.lanes.push_back(Lane { site, jobs: VecDeque::from([waiting]) }),
        }
    }

    /// The job and number of the next tile, which leaves the queue, if `wanted` says so of its job. It is never passed over for another:
    /// what cannot join the tiles at work now is worked on as soon as they are done.
    pub(crate) fn take_if(&mut self, wanted: impl FnOnce(&J) -> bool) -> Option<(J, usize)> {
        if !self.lanes.front()?.jobs.front().is_some_and(|waiting| wanted(&waiting.job)) {
            return None;
        }
        let mut lane = self.lanes.pop_front()?;
        let waiting = lane.jobs.front_mut()?;
        let taken = (waiting.job.clone(), waiting.next);
        waiting.next += 1;
        if waiting.left() == 0 {
            lane.jobs.pop_front();
        }
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        Some(taken)
    }

    /// Forgets what waits of a job.
    pub(crate) fn remove(&mut self, job: &J) {
        for lane in &mut self.lanes {
            lane.jobs.retain(|waiting| waiting.job != *job);
        }
        self.lanes.retain(|lane| !lane.jobs.is_empty());
    }

    /// Tiles that are taken before the first one of `job` that waits; none of a job that does not wait.
    pub(crate) fn ahead(&self, job: &J) -> usize {
        let place = |lane: &Lane<J>| lane.jobs.iter().position(|waiting| waiting.job == *job);
        let Some((turn, position)) = self.lanes.iter().enumerate().find_map(|(turn, lane)| Some((turn, place(lane)?))) else {
            return 0;
        };
        let own: usize = self.lanes[turn].jobs.iter().take(position).map(Waiting::left).sum();
        // In each round before its own turn, and once more if its turn comes earlier, another site takes a tile as long as it has some.
        let others = self.lanes.iter().enumerate().filter(|(other, _)| *other != turn);
        let taken = others.map(|(other, lane)| lane.left().min(own + usize::from(other < turn)));
        own + taken.sum::<usize>()
    }

    /// Tiles that wait.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(Lane::left).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ClientId = ClientId([1; 16]);
    const TWO: ClientId = ClientId([2; 16]);
    const THREE: ClientId = ClientId([3; 16]);

    fn order(queue: &mut Queue<&'static str>) -> Vec<(&'static str, usize)> {
        std::iter::from_fn(|| queue.take_if(|_| true)).collect()
    }

    #[test]
    fn a_site_with_one_job_waits_for_one_tile_of_a_site_with_a_hundred() {
        let mut queue = Queue::new();
        for _ in 0..100 {
            queue.push(ONE, "many", 5);
        }
        queue.push(TWO, "one", 2);
        assert_eq!((queue.len(), queue.ahead(&"one")), (502, 1));
        let order = order(&mut queue);
        let places: Vec<usize> = (0..order.len()).filter(|place| order[*place].0 == "one").collect();
        assert_eq!(places, [1, 3]);
    }

    #[test]
    fn jobs_of_one_site_follow_one_another_tile_by_tile() {
        let mut queue = Queue::new();
        queue.push(ONE, "first", 2);
        queue.push(ONE, "second", 1);
        assert_eq!(order(&mut queue), [("first", 0), ("first", 1), ("second", 0)]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn the_next_tile_is_taken_or_nothing_is() {
        let mut queue = Queue::new();
        queue.push(ONE, "first", 1);
        queue.push(TWO, "second", 1);
        assert_eq!(queue.take_if(|job| *job == "second"), None);
        assert_eq!(queue.take_if(|job| *job == "first"), Some(("first", 0)));
        assert_eq!(queue.take_if(|job| *job == "second"), Some(("second", 0)));
        assert_eq!(queue.take_if(|_| true), None);
    }

    #[test]
    fn a_removed_job_is_gone_and_the_others_keep_their_order() {
        let mut queue = Queue::new();
        queue.push(ONE, "first", 2);
        queue.push(TWO, "second", 2);
        queue.push(ONE, "third", 1);
        queue.remove(&"first");
        assert_eq!(order(&mut queue), [("third", 0), ("second", 0), ("second", 1)]);
    }

    #[test]
    fn the_tiles_said_to_be_ahead_are_those_taken_before() {
        let jobs = [(ONE, "a", 3), (ONE, "b", 2), (TWO, "c", 1), (TWO, "d", 4), (THREE, "e", 2)];
        let queued = |taken: usize| {
            let mut queue = Queue::new();
            jobs.iter().for_each(|(site, job, tiles)| queue.push(*site, *job, *tiles));
            for _ in 0..taken {
                queue.take_if(|_| true);
            }
            queue
        };
        for taken in 0..12 {
            let order = order(&mut queued(taken));
            for (_, job, _) in jobs {
                let ahead = order.iter().position(|(other, _)| *other == job).unwrap_or(0);
                assert_eq!(queued(taken).ahead(&job), ahead, "{job} after {taken}");
            }
        }
    }
}
