//! Finds where tiles lie and how they were turned.
//!
//! The score of a solution is a log-likelihood: of each tile under the Gaussian of its place, and of each pair of neighbours by how well
//! the strips agree that both show. A relay's tiles may not be neighbours (the dealing's rule, [`purify::Rule`], is public). A greedy
//! start is improved by moves, exchanges and turns until none helps; then the image's principal components are told from the tiles so
//! placed, the tiles' likelihoods are computed anew given that image, and so on.

use purify::{Grid, Rule, Turn};

use super::{
    prior::{Prior, rows},
    setting::Setting,
    traffic::{Origin, Traffic},
};

/// Rounds of telling the image from the tiles and the tiles from the image.
const ROUNDS: usize = 5;
/// Passes over all tiles before a search is stopped that still gains.
const PASSES: usize = 30;
/// Score of two neighbours that one relay cannot hold.
const FORBIDDEN: f64 = -1e6;

/// For each tile its place and turn; none for what is taken for a decoy.
pub type Placement = Vec<Option<Origin>>;

/// Solves the jigsaw of `traffic`, sent under `setting`, by what `prior` knows.
pub fn solve(prior: &Prior, traffic: &Traffic, setting: &Setting) -> Placement {
    let mut jigsaw = Jigsaw::new(prior, traffic, setting);
    jigsaw.start();
    jigsaw.improve();
    for _ in 0..ROUNDS {
        let before = jigsaw.placement();
        jigsaw.weigh_given(&before);
        jigsaw.improve();
        if jigsaw.placement() == before {
            break;
        }
    }
    jigsaw.placement()
}

/// Each tile of the traffic turned back as the placement has it.
pub fn upright(traffic: &Traffic, side: usize, placement: &Placement) -> Vec<Vec<f32>> {
    turned_back(traffic.tiles.iter().map(|seen| &seen.values), side, placement)
}

/// Tiles turned back as the placement has it; those without a place stay as they are.
pub fn turned_back<'a>(tiles: impl Iterator<Item = &'a Vec<f32>>, side: usize, placement: &Placement) -> Vec<Vec<f32>> {
    let back = |(values, origin): (&Vec<f32>, &Option<Origin>)| {
        origin.map_or_else(|| values.clone(), |(_, turn)| turn.undo(side, values))
    };
    tiles.zip(placement).map(back).collect()
}

struct Jigsaw<'a> {
    prior: &'a Prior,
    traffic: &'a Traffic,
    rule: Rule,
    /// The ways in which a tile may have been turned.
    turns: &'a [Turn],
    /// Every tile in every turn, [tiles · turns, values].
    views: ndarray::Array2<f32>,
    /// Score of a view at a place, [tiles · turns][places].
    alone: Vec<Vec<f64>>,
    /// Score of a view left of, and above, another, [tiles · turns][tiles · turns].
    pairs: [Vec<f32>; 2],
    /// Place and turn of each tile; places from [`Grid::places`] on are those of decoys.
    lies: Vec<(usize, usize)>,
    /// The tile at each place.
    holds: Vec<Option<usize>>,
}

impl<'a> Jigsaw<'a> {
    fn new(prior: &'a Prior, traffic: &'a Traffic, setting: &Setting) -> Self {
        let upright = if setting.turned { Turn::ALL.len() } else { 1 };
        let turns = &ALL_TURNS[..upright];
        let tile = prior.grid.tile();
        let views = rows(traffic.tiles.iter().flat_map(|seen| turns.iter().map(|turn| turn.undo(tile, &seen.values))));
        let relays = 1 + traffic.tiles.iter().map(|seen| seen.relay).max().unwrap_or_default();
        let decoys = setting.decoys * relays;
        let mut jigsaw = Self {
            pairs: [true, false].map(|beside| agreements(prior, traffic, &views, setting.remote.stride, beside)),
            alone: Vec::new(),
            lies: Vec::new(),
            holds: vec![None; prior.grid.places() + decoys],
            rule: Rule::of(setting.remote.relays),
            prior,
            traffic,
            turns,
            views,
        };
        let of_place = |place: &super::principal::Principal| place.log_likelihood(&jigsaw.views, traffic.noise);
        let by_place: Vec<Vec<f64>> = prior.places.iter().map(of_place).collect();
        jigsaw.weigh(&by_place);
        jigsaw
    }

    fn grid(&self) -> &Grid {
        &self.prior.grid
    }

    /// Takes the scores [places][views], and those of decoys.
    fn weigh(&mut self, by_place: &[Vec<f64>]) {
        let decoy = self.prior.decoy.log_likelihood(&self.views, self.traffic.noise);
        let score = |view: usize, place: usize| by_place.get(place).map_or(decoy[view], |scores| scores[view]);
        let places = self.holds.len();
        self.alone = (0..self.views.nrows()).map(|view| (0..places).map(|place| score(view, place)).collect()).collect();
    }

    /// Scores given the image that a placement tells.
    fn weigh_given(&mut self, placement: &Placement) {
        let upright = upright(self.traffic, self.grid().tile(), placement);
        let by_place = self.prior.conditional(self.traffic.noise, &self.views, &upright, placement);
        self.weigh(&by_place);
    }

    fn view(&self, tile: usize, turn: usize) -> usize {
        tile * self.turns.len() + turn
    }

    /// The best turn of a tile at a place, taken alone, and its score.
    fn best_turn(&self, tile: usize, place: usize) -> (usize, f64) {
        let scores = (0..self.turns.len()).map(|turn| (turn, self.alone[self.view(tile, turn)][place]));
        scores.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0))
    }

    /// Greedy: the tile that prefers its best free place most is placed next.
    fn start(&mut self) {
        let tiles = self.traffic.tiles.len();
        self.lies = vec![(usize::MAX, 0); tiles];
        let mut left: Vec<usize> = (0..tiles).collect();
        while !left.is_empty() {
            let choice = |tile: usize| {
                let free = (0..self.holds.len()).filter(|place| self.holds[*place].is_none());
                let mut scores: Vec<(f64, usize)> = free.map(|place| (self.best_turn(tile, place).1, place)).collect();
                scores.sort_by(|a, b| b.0.total_cmp(&a.0));
                let lead = scores[0].0 - scores.get(1).map_or(f64::MIN, |second| second.0);
                (lead, scores[0].1)
            };
            let chosen = left.iter().enumerate().map(|(index, tile)| (index, choice(*tile)));
            let Some((index, (_, place))) = chosen.max_by(|a, b| a.1.0.total_cmp(&b.1.0)) else { return };
            let tile = left.swap_remove(index);
            self.put(tile, place, self.best_turn(tile, place).0);
        }
    }

    /// Moves, exchanges and turns until nothing is gained.
    fn improve(&mut self) {
        for _ in 0..PASSES {
            let mut gained = false;
            for tile in 0..self.lies.len() {
                for place in 0..self.holds.len() {
                    gained |= self.try_place(tile, place);
                }
            }
            if !gained {
                return;
            }
        }
    }

    /// Puts a tile at a place, the one that lies there in exchange at its own, if that is better in some turns of the two.
    fn try_place(&mut self, tile: usize, place: usize) -> bool {
        let (here, turn) = self.lies[tile];
        let other = self.holds[place].filter(|other| *other != tile);
        let other_turn = other.map_or(0, |other| self.lies[other].1);
        let moved = |other: Option<usize>| std::iter::once(tile).chain(other).collect::<Vec<_>>();
        let before = self.score(&moved(other));
        let mut best = (before + 1e-9, None);
        let set = |jigsaw: &mut Self, turn, other_turn| {
            jigsaw.put(tile, place, turn);
            if let Some(other) = other {
                jigsaw.put(other, here, other_turn);
            }
        };
        self.holds[here] = None;
        for turn in 0..self.turns.len() {
            for other_turn in 0..if other.is_some() { self.turns.len() } else { 1 } {
                set(self, turn, other_turn);
                let score = self.score(&moved(other));
                if score > best.0 {
                    best = (score, Some((turn, other_turn)));
                }
            }
        }
        if let Some((turn, other_turn)) = best.1 {
            set(self, turn, other_turn);
            return true;
        }
        self.holds[place] = None;
        self.put(tile, here, turn);
        if let Some(other) = other {
            self.put(other, place, other_turn);
        }
        false
    }

    fn put(&mut self, tile: usize, place: usize, turn: usize) {
        self.lies[tile] = (place, turn);
        self.holds[place] = Some(tile);
    }

    /// Score of some tiles and of all pairs that one of them belongs to.
    fn score(&self, tiles: &[usize]) -> f64 {
        let one = |index: usize, tile: usize| {
            let (place, turn) = self.lies[tile];
            let view = self.view(tile, turn);
            let alone = self.alone[view][place];
            if place >= self.grid().places() {
                return alone;
            }
            let around = self.grid().around(place).filter(|other| *other != place).filter_map(|other| self.holds[other]);
            let pairs = around.filter(|other| !tiles[..index].contains(other)).map(|other| self.pair(tile, other));
            alone + pairs.sum::<f64>()
        };
        tiles.iter().enumerate().map(|(index, tile)| one(index, *tile)).sum()
    }

    /// Score of two neighbours.
    fn pair(&self, one: usize, other: usize) -> f64 {
        let [(place, turn), (other_place, other_turn)] = [self.lies[one], self.lies[other]];
        let same_relay = self.traffic.tiles[one].relay == self.traffic.tiles[other].relay;
        if same_relay && self.rule.forbids(self.grid(), place, other_place) {
            return FORBIDDEN;
        }
        let (first, second) =
            if place < other_place { ((one, turn), (other, other_turn)) } else { ((other, other_turn), (one, turn)) };
        let [row, column] = self.grid().row_and_column(place);
        let [other_row, other_column] = self.grid().row_and_column(other_place);
        let index = self.view(first.0, first.1) * self.views.nrows() + self.view(second.0, second.1);
        match (row == other_row, column == other_column) {
            (true, false) => self.pairs[0][index].into(),
            (false, true) => self.pairs[1][index].into(),
            _ => 0.0,
        }
    }

    fn placement(&self) -> Placement {
        let origin = |(place, turn): &(usize, usize)| (*place < self.grid().places()).then(|| (*place, self.turns[*turn]));
        self.lies.iter().map(origin).collect()
    }
}

/// All turns, the one that leaves a tile as it is first.
static ALL_TURNS: [Turn; 8] = Turn::ALL;

/// How much more likely each view is beside (or above) each other one than anywhere, by the strips that both show: the overlap, or
/// where there is none the lines that meet. Pixels are taken as independent.
fn agreements(prior: &Prior, traffic: &Traffic, views: &ndarray::Array2<f32>, stride: usize, beside: bool) -> Vec<f32> {
    let side = prior.grid.tile();
    let width = (side - stride).max(1);
    let clean = if stride < side { 1e-4 } else { prior.pixel[1] };
    let [near, far] = [clean + 2.0 * traffic.noise, 2.0 * (prior.pixel[0] + traffic.noise)];
    let strip = |view: &[f32], last: bool| -> Vec<f32> {
        let inside = |at: usize| {
            let along = if beside { at % side } else { at / side % side };
            if last { along >= side - width } else { along < width }
        };
        view.iter().enumerate().filter(|(at, _)| inside(*at)).map(|(_, value)| *value).collect()
    };
    let strips = |last: bool| rows(views.outer_iter().map(|view| strip(&view.to_vec(), last)));
    let [lasts, firsts] = [true, false].map(strips);
    let squares = |strips: &ndarray::Array2<f32>| strips.outer_iter().map(|strip| strip.dot(&strip)).collect::<Vec<f32>>();
    let (of_lasts, of_firsts, cross) = (squares(&lasts), squares(&firsts), lasts.dot(&firsts.t()));
    let gain = 0.5 * lasts.ncols() as f32 * (far / near).ln();
    let weigh = |((i, j), cross): ((usize, usize), &f32)| {
        let distance = (of_lasts[i] + of_firsts[j] - 2.0 * cross).max(0.0);
        gain - 0.5 * distance * (1.0 / near - 1.0 / far)
    };
    cross.indexed_iter().map(weigh).collect()
}
