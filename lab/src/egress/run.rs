//! Runs the audit: every setting, every number of colluding relays, every attack.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Result;
use models::{CpuMae, Purifier, RelayPack, Schedule, TensorMap, head::top_class, purifier::Remote};
use purify::{Grid, Turn};
use rayon::prelude::*;

use super::{
    bag::Bag,
    jigsaw::{self, Placement},
    prior::Prior,
    rebuild::{Fill, Pasted, filtered, purified},
    record::{Collusion, Egress, Exposure, Found, Rebuilt},
    setting::Setting,
    traffic::Traffic,
};
use crate::{
    attack::{fidelity::compare, record::Estimate},
    evasion::{cases::Case, judge::normalised},
    metrics::top,
    pipeline::Pipeline,
};

/// Training images that bags are learnt from; they need no more, and each is dealt and noised anew for every setting.
const BAGS: usize = 400;
/// Standard deviation below which a tile shows nothing that could be put at a place.
const FLAT: f32 = 0.02;

/// What attackers hold besides traffic.
pub struct Attackers<'a> {
    /// The pack.
    pub pipeline: &'a Pipeline,
    /// Its masked autoencoder.
    pub mae: Option<CpuMae>,
    /// Its purifier.
    pub purifier: Option<Purifier>,
    /// Steps of the purifier with which tiles are denoised; one gives the expected image at once.
    pub steps: Vec<u8>,
    /// Images of the kind.
    pub train: Vec<Case>,
}

/// Figures of one image under one number of colluding relays.
struct Attacked {
    share: f64,
    /// Of the tiles that show something, the part that was put at its place; none where no tile does.
    placed: Option<f64>,
    /// In the order of [`Attackers::ways`].
    found: Vec<Found>,
    bag: bool,
}

/// Fill, denoising, and whether an oracle tells the places.
type Way = (String, String, bool);

impl<'a> Attackers<'a> {
    /// Takes the public networks of a pack.
    ///
    /// # Errors
    /// Where a file of the pack cannot be used.
    pub fn new(pipeline: &'a Pipeline, pack: &RelayPack, steps: Vec<u8>, train: Vec<Case>) -> Result<Self> {
        let weights = |bytes: &Vec<u8>| TensorMap::from_safetensors(bytes);
        let mae = pack.card.detector.as_ref().zip(pack.detector_bytes.as_ref());
        let mae = mae.map(|(card, bytes)| CpuMae::load(&card.architecture, weights(bytes)?)).transpose()?;
        let purifier = pack.card.purifier.as_ref().zip(pack.purifier_bytes.as_ref());
        let purifier = purifier.map(|(card, bytes)| Purifier::load(card, weights(bytes)?)).transpose()?;
        Ok(Self { pipeline, mae, purifier, steps, train })
    }

    /// The noise schedule.
    pub fn schedule(&self) -> Schedule {
        self.purifier.as_ref().map_or(Schedule::Linear, |purifier| purifier.card.schedule)
    }

    /// What training images tell of a grid.
    ///
    /// # Errors
    /// Where the grid does not fit the model's images or there are too few of them.
    pub fn prior(&self, remote: Remote) -> Result<Prior> {
        let preprocess = &self.pipeline.card.preprocess;
        let grid = Grid::new(preprocess.size, remote.tile, remote.stride)?;
        let images: Vec<&[f32]> = self.train.iter().map(|case| case.image.as_slice()).collect();
        Prior::fit(grid, preprocess.channels.count(), &images)
    }

    /// The tiles as the purifier cleans them, once for each number of steps, still turned.
    fn purified(&self, traffic: &Traffic, side: usize) -> Result<Vec<Vec<Vec<f32>>>> {
        let Some(purifier) = &self.purifier else { return Ok(Vec::new()) };
        self.steps.iter().map(|steps| purified(purifier, traffic, side, *steps)).collect()
    }

    fn fills(&self) -> impl Iterator<Item = Fill> {
        let drawn = self.mae.is_some();
        Fill::ALL.into_iter().filter(move |fill| drawn || *fill != Fill::Mae)
    }

    fn ways(&self) -> Vec<Way> {
        let steps = self.steps.iter().filter(|_| self.purifier.is_some());
        let names = steps.map(|steps| format!("purifier, {steps} step{}", if *steps == 1 { "" } else { "s" }));
        let denoised: Vec<String> = std::iter::once("principal components".into()).chain(names).collect();
        let of = |oracle: bool| {
            let guess = (Fill::Components.name().into(), String::new(), oracle);
            let pasted =
                denoised.iter().flat_map(move |by| self.fills().map(move |fill| (fill.name().into(), by.clone(), oracle)));
            std::iter::once(guess).chain(pasted)
        };
        [true, false].into_iter().flat_map(of).collect()
    }

    /// What rebuilt images show of `truth`.
    fn judge(&self, truth: &Case, image: &[f32]) -> Result<Found> {
        let preprocess = &self.pipeline.card.preprocess;
        let answer = top_class(&self.pipeline.encode_tensor(&normalised(preprocess, image))?.logits);
        Ok(Found { fidelity: compare(&truth.image, image, preprocess.size), right: answer == truth.class })
    }

    /// Every image that can be made of tiles at these places, in the order of [`Self::ways`].
    fn rebuilt(&self, prior: &Prior, traffic: &Traffic, clean: &[Vec<Vec<f32>>], placement: &Placement) -> Result<Vec<Vec<f32>>> {
        let side = prior.grid.tile();
        let upright = jigsaw::upright(traffic, side, placement);
        let guess = prior.expected(traffic, &upright, placement);
        let mut images = vec![guess.clone()];
        let turn = |tiles: &Vec<Vec<f32>>| jigsaw::turned_back(tiles.iter(), side, placement);
        let own = filtered(prior, traffic.noise, &upright, placement);
        for tiles in std::iter::once(own).chain(clean.iter().map(turn)) {
            let pasted = Pasted::new(prior, &tiles, placement);
            for fill in self.fills() {
                images.push(match (fill, &self.mae) {
                    (Fill::Median, _) => pasted.over(&prior.median),
                    (Fill::Components, _) => pasted.over(&guess),
                    (Fill::Mae, Some(mae)) => pasted.inpainted(mae, &self.pipeline.card.preprocess, &guess)?,
                    _ => pasted.over(&vec![0.0; guess.len()]),
                });
            }
        }
        Ok(images)
    }

    /// Attacks the traffic of one image, by rising number of colluding relays.
    fn attack(&self, prior: &Prior, setting: &Setting, bags: &[Bag], case: &Case, traffic: &Traffic) -> Result<Vec<Attacked>> {
        let (grid, side) = (&prior.grid, prior.grid.tile());
        let mut origins = traffic.origins(grid, &case.image);
        let mut traffic = traffic.clone();
        if !setting.turned {
            traffic = traffic.upright(side, &origins);
            origins.iter_mut().flatten().for_each(|(_, turn)| *turn = Turn::ALL[0]);
        }
        let clean = self.purified(&traffic, side)?;
        let together = |(index, bag): (usize, &Bag)| {
            let held = traffic.held_by(index + 1);
            let traffic = traffic.only(&held);
            let clean: Vec<Vec<Vec<f32>>> =
                clean.iter().map(|tiles| held.iter().map(|tile| tiles[*tile].clone()).collect()).collect();
            let truth: Placement = held.iter().map(|tile| origins[*tile]).collect();
            let guess = jigsaw::solve(prior, &traffic, setting);
            let mut found = Vec::new();
            for placement in [&truth, &guess] {
                for image in self.rebuilt(prior, &traffic, &clean, placement)? {
                    found.push(self.judge(case, &image)?);
                }
            }
            Ok(Attacked {
                share: traffic.shares[..=index].iter().sum::<f64>().min(1.0),
                placed: placed(grid, case, &truth, &guess),
                found,
                bag: top(&bag.logits(prior, &traffic)) == case.class,
            })
        };
        bags.iter().enumerate().map(together).collect()
    }

    /// What relays have of these images under a setting.
    ///
    /// # Errors
    /// Where the setting is refused or a network fails.
    pub fn expose(&self, prior: &Prior, setting: &Setting, cases: &[&Case]) -> Result<Exposure> {
        let schedule = self.schedule();
        let few: Vec<&Case> = self.train.iter().step_by(self.train.len().div_ceil(BAGS)).collect();
        let bags = (1..=setting.remote.relays).map(|colluders| Bag::fit(prior, setting, schedule, colluders, &few));
        let bags: Vec<Bag> = bags.collect::<Result<_>>()?;
        let attack = |case: &&Case| -> Result<Vec<Attacked>> {
            let traffic = Traffic::of_mission(setting, schedule, &case.image, prior.channels, mission_seed(case.seed))?;
            self.attack(prior, setting, &bags, case, &traffic)
        };
        let attacked = cases.par_iter().map(attack).collect::<Result<Vec<_>>>()?;
        let groups: Vec<String> = cases.iter().map(|case| case.group.clone()).collect();
        let of = |index: usize| {
            let of_images: Vec<&Attacked> = attacked.iter().map(|image| &image[index]).collect();
            self.collusion(index + 1, &of_images, &groups)
        };
        Ok(Exposure { setting: *setting, images: cases.len(), colluders: (0..bags.len()).map(of).collect() })
    }

    fn collusion(&self, relays: usize, attacked: &[&Attacked], groups: &[String]) -> Collusion {
        let rebuilt = |(index, (fill, denoised, oracle)): (usize, Way)| {
            let found: Vec<Found> = attacked.iter().map(|image| image.found[index]).collect();
            Rebuilt::new(&fill, &denoised, oracle, &found, groups)
        };
        let known = attacked.iter().zip(groups).filter_map(|(image, group)| Some((image.placed?, group.clone())));
        let (placed, of_placed): (Vec<f64>, Vec<String>) = known.unzip();
        let bag: Vec<f64> = attacked.iter().map(|image| f64::from(u8::from(image.bag))).collect();
        Collusion {
            relays,
            share: attacked.iter().map(|image| image.share).fold(0.0, f64::max),
            placed: Estimate::of(&placed, &of_placed),
            attacks: self.ways().into_iter().enumerate().map(rebuilt).collect(),
            bag: Estimate::of(&bag, groups),
        }
    }

    /// What anyone has without traffic, and the images themselves.
    fn baselines(&self, prior: &Prior, cases: &[Case]) -> Result<(Vec<Rebuilt>, Estimate)> {
        let groups: Vec<String> = cases.iter().map(|case| case.group.clone()).collect();
        let found =
            |of: &dyn Fn(&Case) -> Vec<f32>| cases.iter().map(|case| self.judge(case, &of(case))).collect::<Result<Vec<_>>>();
        let median = found(&|_| prior.median.clone())?;
        let black = found(&|case| vec![0.0; case.image.len()])?;
        let untouched = Rebuilt::new("", "", false, &found(&|case| case.image.clone())?, &groups).answers;
        let rows = [(Fill::Median, median), (Fill::Black, black)];
        Ok((rows.map(|(fill, found)| Rebuilt::new(fill.name(), "", false, &found, &groups)).to_vec(), untouched))
    }

    /// The whole audit: the first setting on all `cases`, the others on `few` of them.
    ///
    /// # Errors
    /// As [`Self::expose`].
    pub fn run(
        &self,
        settings: &[Setting],
        cases: &[Case],
        few: usize,
        subject: Egress,
        tell: &dyn Fn(&Exposure),
    ) -> Result<Egress> {
        let started = Instant::now();
        let all: Vec<&Case> = cases.iter().collect();
        let some: Vec<&Case> = (0..few.min(all.len())).map(|index| all[index * all.len() / few.min(all.len())]).collect();
        let mut priors = BTreeMap::new();
        let mut egress = subject;
        for (index, setting) in settings.iter().enumerate() {
            let key = (setting.remote.tile, setting.remote.stride);
            if let std::collections::btree_map::Entry::Vacant(place) = priors.entry(key) {
                place.insert(self.prior(setting.remote)?);
            }
            let prior = &priors[&key];
            if index == 0 {
                (egress.baselines, egress.untouched) = self.baselines(prior, cases)?;
            }
            let exposure = self.expose(prior, setting, if index == 0 { &all } else { &some })?;
            tell(&exposure);
            egress.settings.push(exposure);
        }
        egress.seconds = started.elapsed().as_secs_f64();
        Ok(egress)
    }

    /// Every attack on recorded `traffic` of the one image `case`, all its relays together.
    ///
    /// # Errors
    /// Where a network fails.
    pub fn on_record(
        &self,
        prior: &Prior,
        setting: &Setting,
        case: &Case,
        traffic: &Traffic,
    ) -> Result<Vec<(Rebuilt, Vec<f32>)>> {
        let placement = jigsaw::solve(prior, traffic, setting);
        let clean = self.purified(traffic, prior.grid.tile())?;
        let images = self.rebuilt(prior, traffic, &clean, &placement)?;
        let ways = self.ways().into_iter().filter(|(_, _, oracle)| !oracle);
        let measured = images.into_iter().zip(ways).map(|(image, (fill, denoised, oracle))| {
            let found = self.judge(case, &image)?;
            Ok((Rebuilt::new(&fill, &denoised, oracle, &[found], std::slice::from_ref(&case.group)), image))
        });
        measured.collect()
    }
}

/// The part of the tiles that show something whose place was found.
fn placed(grid: &Grid, case: &Case, truth: &Placement, guess: &Placement) -> Option<f64> {
    let shows = |place: usize| {
        let tile = grid.cut(&case.image, place);
        let mean = tile.iter().sum::<f32>() / tile.len() as f32;
        tile.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / tile.len() as f32 > FLAT * FLAT
    };
    let pairs = truth.iter().zip(guess).filter_map(|(truth, guess)| Some(((*truth)?.0, guess.map(|(place, _)| place))));
    let pairs: Vec<_> = pairs.filter(|(place, _)| shows(*place)).collect();
    let right = pairs.iter().filter(|(place, guess)| Some(*place) == *guess).count();
    (!pairs.is_empty()).then(|| right as f64 / pairs.len() as f64)
}

/// The seed of a mission from that of its image.
pub fn mission_seed(seed: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}
