//! One image on its way to relays and back: what goes to whom, what has returned, and what is done about losses.

use std::collections::{BTreeMap, BTreeSet};

use models::phantom::brain_phantom;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore};
use wire::tile::from_fixed;
use wire::{PurifyRequest, PurifyResult, Tile, TileShape};
use zeroize::Zeroizing;

use crate::deal::Rule;
use crate::verify::{same_tiles, verify};
use crate::{Grid, Noise, PurifyError, RelayReport, RelayState, Report, Turn};

mod plan;
#[cfg(test)]
mod tests;

pub use plan::{Bound, Consent, Plan};

/// Who purifies a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A relay, by its place in the caller's list.
    Relay(usize),
    /// The device itself, which gets what no relay may.
    Device,
}

/// One message to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The number under which the result is handed in.
    pub number: usize,
    /// Who is to purify these tiles.
    pub holder: Holder,
    /// The message. The device answers its own as a relay would.
    pub request: PurifyRequest,
}

/// The state of one image. No I/O: the caller sends [`Self::orders`] and tells what came of them.
///
/// No tile is ever lost: it returns from a relay, or the device purifies it. A tile keeps its noise for good, since two noised copies
/// of it would show more than one.
pub struct Mission {
    plan: Plan,
    grid: Grid,
    shape: TileShape,
    rule: Rule,
    noise: Noise,
    pieces: Vec<Piece>,
    relays: Vec<Relay>,
    /// In which order relays are preferred.
    preference: Vec<usize>,
    open: BTreeMap<usize, Open>,
    next: usize,
}

/// One place of the image.
struct Piece {
    tile: Tile,
    turn: Turn,
    stage: Stage,
}

enum Stage {
    /// To be ordered from someone.
    Due(Holder),
    /// In an open order.
    Out,
    /// Purified, turned back, in diffusion units.
    Home(Holder, Vec<f32>),
}

#[derive(Default)]
struct Relay {
    /// Every place it was ever given.
    seen: BTreeSet<usize>,
    error: Option<String>,
}

struct Open {
    holder: Holder,
    request: PurifyRequest,
    places: Vec<usize>,
}

impl Mission {
    /// Cuts and noises the pixels `[C, H, H]`, 0 to 1, of a square image and deals them to `relays` relays; `seed` is random and secret.
    ///
    /// # Errors
    /// No relay, or one without consent; too little noise; a grid that does not fit or shows a relay too much; an image of another length.
    pub fn new(
        plan: Plan,
        pixels: &[f32],
        channels: u8,
        relays: usize,
        consent: Consent,
        seed: [u8; 32],
    ) -> Result<Self, PurifyError> {
        let active = plan.remote.relays.min(relays);
        match active {
            0 => return Err(PurifyError::NoRelay),
            1 if consent == Consent::SharedOnly => return Err(PurifyError::OneRelay),
            _ => (),
        }
        if plan.t < plan.remote.min_t {
            return Err(PurifyError::TooLittleNoise { t: plan.t, least: plan.remote.min_t });
        }
        let grid = grid_of(&plan, pixels.len(), channels)?;
        let mut noise = Noise::new(seed);
        let rule = Rule::of(active);
        let dealt = rule.deal(&grid, noise.rng())?;
        let mut preference: Vec<usize> = (0..relays).collect();
        preference.shuffle(noise.rng());

        let shape = TileShape { channels, side: plan.remote.tile as u16 };
        let mut mission = Self {
            plan,
            grid,
            shape,
            rule,
            noise,
            pieces: Vec::new(),
            relays: Vec::new(),
            preference,
            open: BTreeMap::new(),
            next: 0,
        };
        mission.relays.resize_with(relays, Relay::default);
        for (place, number) in dealt.into_iter().enumerate() {
            let relay = mission.preference[number];
            mission.relays[relay].seen.insert(place);
            let (turn, tile) = mission.noised(pixels, place);
            mission.pieces.push(Piece { tile, turn, stage: Stage::Due(Holder::Relay(relay)) });
        }
        Ok(mission)
    }

    /// What is to be sent now. Each order is handed out once.
    ///
    /// # Errors
    /// A plan whose numbers no message can carry.
    pub fn orders(&mut self) -> Result<Vec<Order>, PurifyError> {
        let mut due = BTreeMap::<Holder, Vec<usize>>::new();
        for (place, piece) in self.pieces.iter().enumerate() {
            if let Stage::Due(holder) = piece.stage {
                due.entry(holder).or_default().push(place);
            }
        }
        let mut orders = Vec::new();
        for (holder, mut places) in due {
            places.shuffle(self.noise.rng());
            let decoys = if holder == Holder::Device { 0 } else { self.plan.decoys };
            let most = self.shape.most_tiles().saturating_sub(decoys).max(1);
            for places in places.chunks(most) {
                orders.push(self.order(holder, places.to_vec(), decoys)?);
            }
        }
        Ok(orders)
    }

    /// Takes the result of an order.
    ///
    /// # Errors
    /// [`PurifyError::UnknownOrder`] for one that was given to others since. [`PurifyError::BadResult`] where it is refused: then the
    /// relay counts as lost, and [`Self::orders`] has what follows. Only shape and ids of the device's own result are checked.
    pub fn took(&mut self, number: usize, result: &PurifyResult) -> Result<(), PurifyError> {
        let open = self.open.get(&number).ok_or(PurifyError::UnknownOrder { order: number })?;
        let checked = match open.holder {
            Holder::Device => same_tiles(&open.request, result),
            Holder::Relay(relay) => {
                verify(self.plan.schedule, &open.request, result).inspect_err(|error| self.lost(relay, error.to_string()))
            }
        };
        checked?;
        if let Some(Open { holder, places, .. }) = self.open.remove(&number) {
            places.into_iter().for_each(|place| self.bring_home(place, holder, result));
        }
        Ok(())
    }

    /// A relay has failed, or is too slow: what it has not returned goes to others, and its later results are not taken.
    pub fn lost(&mut self, relay: usize, why: impl Into<String>) {
        let Some(member) = self.relays.get_mut(relay).filter(|member| member.error.is_none()) else { return };
        member.error = Some(why.into());
        let theirs: Vec<usize> =
            self.open.iter().filter(|(_, open)| open.holder == Holder::Relay(relay)).map(|(number, _)| *number).collect();
        let out = theirs.into_iter().filter_map(|number| self.open.remove(&number)).flat_map(|open| open.places);
        let mut places: Vec<usize> = out.collect();
        let is_due = |piece: &Piece| matches!(piece.stage, Stage::Due(Holder::Relay(holder)) if holder == relay);
        places.extend((0..self.pieces.len()).filter(|place| is_due(&self.pieces[*place])));
        places.shuffle(self.noise.rng());
        for place in places {
            self.pieces[place].stage = Stage::Due(self.heir(place));
        }
    }

    /// Tiles that are back.
    pub fn done(&self) -> usize {
        self.pieces.iter().filter_map(Piece::home).count()
    }

    /// Tiles of the image.
    pub fn total(&self) -> usize {
        self.pieces.len()
    }

    /// The purified pixels `[C, H, H]`, 0 to 1.
    ///
    /// # Errors
    /// [`PurifyError::Unfinished`] while tiles are out.
    pub fn finish(&self) -> Result<Vec<f32>, PurifyError> {
        let tiles: Option<Vec<&[f32]>> = self.pieces.iter().map(|piece| piece.home().map(|(_, values)| values)).collect();
        let tiles = tiles.ok_or(PurifyError::Unfinished { missing: self.total() - self.done() })?;
        let image = self.grid.blend(self.shape.channels.into(), tiles);
        Ok(image.into_iter().map(|value| ((value + 1.0) / 2.0).clamp(0.0, 1.0)).collect())
    }

    /// Who has done what so far.
    pub fn report(&self) -> Report {
        let tiles_of = |holder| self.pieces.iter().filter_map(Piece::home).filter(|(by, _)| *by == holder).count();
        let relays = self.relays.iter().enumerate().map(|(index, relay)| RelayReport {
            tiles: tiles_of(Holder::Relay(index)),
            share: self.grid.share(relay.seen.iter().copied()),
            state: relay.state(),
            error: relay.error.clone(),
        });
        Report { relays: relays.collect(), local_tiles: tiles_of(Holder::Device) }
    }

    fn noised(&mut self, pixels: &[f32], place: usize) -> (Turn, Tile) {
        let turn = Turn::random(self.noise.rng());
        let clean = Zeroizing::new(self.grid.cut(pixels, place));
        let clean = Zeroizing::new(turn.apply(self.grid.tile(), &clean));
        let values = self.noise.noised(self.plan.schedule, &clean, self.plan.t);
        (turn, Tile { id: self.noise.id(), values })
    }

    /// Noised tiles of a phantom, one drawn for each.
    fn decoys(&mut self, count: usize) -> Vec<Tile> {
        let channels = self.shape.channels.into();
        let decoy = |_| {
            let phantom = brain_phantom(self.noise.rng().next_u64(), true, self.grid.image());
            let grey = phantom.pixels.iter().map(|value| f32::from(*value) / 255.0).collect::<Vec<_>>();
            let place = self.noise.rng().random_range(0..self.grid.places());
            self.noised(&grey.repeat(channels), place).1
        };
        (0..count).map(decoy).collect()
    }

    fn order(&mut self, holder: Holder, places: Vec<usize>, decoys: usize) -> Result<Order, PurifyError> {
        let mut tiles: Vec<Tile> = places.iter().map(|place| self.pieces[*place].tile.clone()).collect();
        tiles.extend(self.decoys(decoys));
        tiles.shuffle(self.noise.rng());
        let Plan { purifier, t, steps, .. } = self.plan;
        let request = PurifyRequest::new(purifier, t, steps, self.shape, tiles)?;
        let number = self.next;
        self.next += 1;
        places.iter().for_each(|place| self.pieces[*place].stage = Stage::Out);
        self.open.insert(number, Open { holder, request: request.clone(), places });
        Ok(Order { number, holder, request })
    }

    fn bring_home(&mut self, place: usize, holder: Holder, result: &PurifyResult) {
        let piece = &mut self.pieces[place];
        if let Some(tile) = result.tiles().iter().find(|tile| tile.id == piece.tile.id) {
            let values: Vec<f32> = tile.values.iter().map(|value| from_fixed(*value)).collect();
            piece.stage = Stage::Home(holder, piece.turn.undo(self.grid.tile(), &values));
        }
    }

    /// Who gets the tile of a lost relay: a spare, else one at work, else the device.
    fn heir(&mut self, place: usize) -> Holder {
        let may = |relay: &&usize| {
            let Relay { seen, error } = &self.relays[**relay];
            error.is_none() && self.rule.allows(&self.grid, seen, place)
        };
        // The relays of the first dealing lead the list, so that spares come first from its end.
        match self.preference.iter().rev().find(may) {
            Some(&relay) => {
                self.relays[relay].seen.insert(place);
                Holder::Relay(relay)
            }
            None => Holder::Device,
        }
    }
}

impl Piece {
    /// Who has purified it, and its values.
    fn home(&self) -> Option<(Holder, &[f32])> {
        match &self.stage {
            Stage::Home(by, values) => Some((*by, values)),
            Stage::Due(_) | Stage::Out => None,
        }
    }
}

impl Relay {
    fn state(&self) -> RelayState {
        match (&self.error, self.seen.is_empty()) {
            (Some(_), _) => RelayState::Failed,
            (None, true) => RelayState::Spare,
            (None, false) => RelayState::Used,
        }
    }
}

fn grid_of(plan: &Plan, values: usize, channels: u8) -> Result<Grid, PurifyError> {
    let side = (values / usize::from(channels.max(1))).isqrt();
    let expected = usize::from(channels) * side * side;
    if expected != values || values == 0 {
        return Err(PurifyError::ImageLength { expected, found: values });
    }
    Grid::new(side, plan.remote.tile, plan.remote.stride)
}
