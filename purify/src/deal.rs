//! Who gets which tile: no relay holds neighbours, none sees more than its share, and the pattern is another one each time.

use std::collections::BTreeSet;

use rand::{Rng, seq::SliceRandom};

use crate::{Grid, PurifyError};

/// Changes tried for each tile before a dealing counts as shuffled.
const CHANGES_PER_TILE: usize = 8;

/// What one relay may hold, by the number of relays that an image is dealt to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    relays: usize,
}

impl Rule {
    /// The rule of a dealing to so many relays, 1 or more.
    pub fn of(relays: usize) -> Self {
        Self { relays }
    }

    /// Whether a relay that holds one place may not hold the other.
    ///
    /// Two and three relays get no tiles that share an edge, four and more not even tiles that share a corner. One gets all.
    pub fn forbids(&self, grid: &Grid, one: usize, other: usize) -> bool {
        let ([row, column], [other_row, other_column]) = (grid.row_and_column(one), grid.row_and_column(other));
        match (row.abs_diff(other_row), column.abs_diff(other_column)) {
            (0, 1) | (1, 0) => self.relays > 1,
            (1, 1) => self.relays > 3,
            _ => false,
        }
    }

    /// The largest part of the image's area that one relay may see, 0 to 1.
    pub fn most(&self) -> f64 {
        match self.relays {
            1 => 1.0,
            2 => 0.6,
            _ => 0.4,
        }
    }

    /// Whether a relay that has seen these places may see one more.
    pub fn allows(&self, grid: &Grid, seen: &BTreeSet<usize>, place: usize) -> bool {
        let is_apart = seen.iter().all(|other| !self.forbids(grid, *other, place));
        is_apart && grid.share(seen.iter().copied().chain([place])) <= self.most()
    }

    /// The largest part that one relay sees before the dealing is shuffled, 0 to 1.
    ///
    /// # Errors
    /// [`PurifyError::SeesTooMuch`] where the grid is too coarse for so few relays.
    pub fn check(&self, grid: &Grid) -> Result<f64, PurifyError> {
        let dealt = self.pattern(grid);
        let largest = (0..self.relays).map(|relay| share(grid, &dealt, relay)).fold(0.0, f64::max);
        if largest > self.most() {
            return Err(PurifyError::SeesTooMuch { seen: 100.0 * largest, most: 100.0 * self.most() });
        }
        Ok(largest)
    }

    /// A random dealing: for each place the number of the relay, below `relays`, that gets it.
    ///
    /// # Errors
    /// Those of [`Self::check`].
    pub fn deal(&self, grid: &Grid, rng: &mut impl Rng) -> Result<Vec<usize>, PurifyError> {
        let (mut dealt, largest) = (self.pattern(grid), self.check(grid)?);
        // Half a tile more than in the pattern: relays stay about equally busy.
        let limit = self.most().min(largest + 0.5 * grid.share([grid.places() / 2]));
        if self.relays > 1 {
            for _ in 0..CHANGES_PER_TILE * grid.places() {
                self.change(grid, &mut dealt, limit, rng);
            }
        }
        let mut names: Vec<usize> = (0..self.relays).collect();
        names.shuffle(rng);
        Ok(dealt.into_iter().map(|relay| names[relay]).collect())
    }

    /// A dealing that keeps to the rule, the same each time: diagonals, or a knight's moves where corners may not touch either.
    fn pattern(&self, grid: &Grid) -> Vec<usize> {
        let step = if self.relays > 3 { 2 } else { 1 };
        let relay = |place| {
            let [row, column] = grid.row_and_column(place);
            (step * row + column) % self.relays
        };
        (0..grid.places()).map(relay).collect()
    }

    /// Lets two relays exchange a connected group of tiles (a Kempe chain), which keeps to the rule; taken back where one of them
    /// would see more than `limit`. This is the Markov chain of Wang, Swendsen and Kotecký (1989) for colourings.
    fn change(&self, grid: &Grid, dealt: &mut [usize], limit: f64, rng: &mut impl Rng) {
        let start = rng.random_range(0..dealt.len());
        let pair = [dealt[start], (dealt[start] + rng.random_range(1..self.relays)) % self.relays];
        let chain = self.chain(grid, dealt, start, pair);
        let exchange = |dealt: &mut [usize]| chain.iter().for_each(|place| dealt[*place] = pair[0] + pair[1] - dealt[*place]);
        exchange(dealt);
        if pair.iter().any(|relay| share(grid, dealt, *relay) > limit) {
            exchange(dealt);
        }
    }

    /// The tiles of two relays that hang together with the one at `start`.
    fn chain(&self, grid: &Grid, dealt: &[usize], start: usize, pair: [usize; 2]) -> BTreeSet<usize> {
        let (mut chain, mut border) = (BTreeSet::from([start]), vec![start]);
        while let Some(place) = border.pop() {
            let next = grid.around(place).filter(|other| pair.contains(&dealt[*other]) && self.forbids(grid, place, *other));
            let fresh: Vec<usize> = next.filter(|other| !chain.contains(other)).collect();
            chain.extend(&fresh);
            border.extend(fresh);
        }
        chain
    }
}

/// The part of the image that one relay sees.
fn share(grid: &Grid, dealt: &[usize], relay: usize) -> f64 {
    grid.share((0..dealt.len()).filter(|place| dealt[*place] == relay))
}
