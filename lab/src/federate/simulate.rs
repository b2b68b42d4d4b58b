//! A whole simulation: a real round, rounds that go wrong, heads side by side, privacy, bytes.

use anyhow::{Context, Result, ensure};
use federation::{
    api::{HeadKind, NewConsortium, RoundResult, RoundState},
    heads::{self, lda},
    statistics::{Shape, Statistics},
    update::UpdateParameters,
};
use models::{ModelCard, QuantisedHead};

use super::{
    compare::{Comparison, Data, compare, rounds_to},
    deal::{Deal, deal},
    fedavg::{FedAvg, Settings},
    noisy::{self, noisy_point},
    processes,
    record::{FederateRecord, Published},
    relay::LocalRelay,
    scenario::{Behaviour, Consortium, Outcome, SiteBytes, statistics_round, update_round},
    served::{encrypted_equal, in_pack, served_equal},
    traffic::{ckks, encoder_values, measured},
};
use crate::{data::Split, metrics, pipeline::Pipeline};

/// Seconds of a state in rounds where somebody is missing, and in rounds where nobody is.
const IMPATIENT: u32 = 4;
const PATIENT: u32 = 600;
/// Sites of the rounds that go wrong: one may be missing at each step.
const STRANGE_SITES: u16 = 5;
/// How close to the one-shot head's validation accuracy FedAvg has to come.
const SLACK: f64 = 0.005;
/// Test images that are asked of the running relay over HTTP.
const ASKED: usize = 100;

/// What to simulate.
pub struct Plan {
    /// Data set's name.
    pub data: String,
    /// Sites.
    pub sites: u16,
    /// How the images of the real round are dealt.
    pub split_by: Deal,
    /// Deals to compare heads under.
    pub compare: Vec<Deal>,
    /// Deals of each kind.
    pub deals: u64,
    /// First seed.
    pub seed: u64,
    /// Values of ε.
    pub epsilons: Vec<f64>,
    /// Draws of the noise for each.
    pub draws: usize,
    /// δ.
    pub delta: f64,
    /// How FedAvg learns.
    pub fedavg: Settings,
    /// Sites of the real round are processes of their own.
    pub processes: bool,
}

/// A finished simulation.
pub struct Simulation {
    /// Its record.
    pub record: FederateRecord,
    /// The head that the relay published.
    pub head: QuantisedHead,
    /// Its calibrated logit of one step.
    pub logit_scale: f64,
}

/// A model, and where its pack lies.
pub struct Model<'a> {
    /// The pack in use.
    pub pipeline: &'a Pipeline,
    /// The encoder's file.
    pub encoder: &'a [u8],
    /// Folder of packs.
    pub zoo: &'a std::path::Path,
}

/// The 95th percentile of the tokens' norms, rounded up to a multiple of ten.
pub fn usual_norm(rows: &[Vec<i16>]) -> u32 {
    let norm = |row: &Vec<i16>| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let mut norms: Vec<f64> = rows.iter().map(norm).collect();
    norms.sort_by(f64::total_cmp);
    let at = norms.get(norms.len() * 95 / 100).copied().unwrap_or(1.0);
    (at / 10.0).ceil().max(1.0) as u32 * 10
}

/// Runs the simulation.
///
/// # Errors
/// Where anything does not come out as the protocol promises, or data and model do not fit.
pub fn simulate(plan: &Plan, model: &Model<'_>, data: &Data, train: &Split, say: &dyn Fn(&str)) -> Result<Simulation> {
    let card = &model.pipeline.card;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let relay = LocalRelay::start(model.zoo)?;
    say("a real round");
    let (published, head, logit_scale, bytes) = runtime.block_on(real_round(plan, model, data, train, &relay))?;
    say("rounds with drop-outs and adversaries");
    let (scenarios, refusals, update_bytes) = runtime.block_on(strange_rounds(plan, card, data, &relay))?;
    relay.stop()?;
    say("heads side by side");
    let comparisons = comparisons(plan, data)?;
    say("privacy");
    let honest = he::aggregation::Rules::recommended(plan.sites).map(|rules| rules.cohort() - rules.collusion())?;
    let setting = noisy::Setting { sites: plan.sites, honest, delta: plan.delta, shrinkage: heads::SHRINKAGE, draws: plan.draws };
    let privacy = plan.epsilons.iter().map(|e| noisy_point(data, setting, *e)).collect::<Result<_>>()?;
    let fedavg_rounds = fedavg_rounds(plan, data, &comparisons)?;
    let rounds = fedavg_rounds.unwrap_or(plan.fedavg.rounds);
    let head_values = UpdateParameters::length(card.classes.len() * (card.cls.dim + 1)) as u64 - 1;
    let encoder = encoder_values(card, model.encoder)?;
    let record = FederateRecord {
        model: card.id.clone(),
        data: plan.data.clone(),
        encoder: card.encoder.sha256.clone(),
        command: crate::cli::command_line(),
        sites: plan.sites,
        split_by: plan.split_by,
        seed: plan.seed,
        processes: plan.processes,
        clip_norm: data.shape.clip_norm(),
        clipped: clipped(&data.train.rows, data.shape.clip_norm()),
        shrinkage: heads::SHRINKAGE,
        tried: tried(data)?,
        images: [data.train.rows.len(), data.val.rows.len(), data.test.rows.len()],
        test_groups: data.test.groups.iter().collect::<std::collections::BTreeSet<_>>().len(),
        published,
        scenarios,
        refusals,
        traffic: vec![
            measured("one-shot statistics, our aggregation", &bytes, 1),
            measured("FedAvg of the head, our aggregation", &update_bytes, rounds),
            ckks("FedAvg of the head, CKKS", head_values, rounds),
            // One pass over the images a round, as many as the encoder was trained for in one place.
            ckks("FedAvg of the whole encoder and head, CKKS", encoder + head_values, card.training.epochs),
        ],
        bytes: [bytes, update_bytes],
        fedavg_rounds,
        fedavg: plan.fedavg,
        comparisons,
        privacy,
    };
    Ok(Simulation { record, head, logit_scale })
}

fn consortium(id: &str, card: &ModelCard, sites: u16, shape: Shape) -> NewConsortium {
    NewConsortium {
        id: id.to_owned(),
        title: format!("Simulation of {sites} sites"),
        model: card.id.clone(),
        classes: card.classes.iter().map(|class| class.id.clone()).collect(),
        sites,
        threshold: None,
        collusion: None,
        cohort: None,
        clip_norm: shape.clip_norm(),
    }
}

/// The statistics of each site's images.
fn contributions(data: &Data, sites: u16, how: Deal, seed: u64) -> Result<(Vec<usize>, Vec<Vec<i64>>)> {
    let dealt = deal(&data.train.groups, &data.train.classes, usize::from(sites), how, seed);
    let values = |site| Ok(data.train.of_site(&dealt, site).statistics(data.shape)?.to_values());
    let values = (0..usize::from(sites)).map(values).collect::<Result<_>>()?;
    Ok((dealt, values))
}

/// The round whose head is published, with everybody honest.
async fn real_round(
    plan: &Plan,
    model: &Model<'_>,
    data: &Data,
    train: &Split,
    relay: &LocalRelay,
) -> Result<(Published, QuantisedHead, f64, SiteBytes)> {
    let card = &model.pipeline.card;
    let (dealt, values) = contributions(data, plan.sites, plan.split_by, plan.seed)?;
    let publish = statistics_round(PATIENT, Some(HeadKind::Lda));
    let named = consortium("honest", card, plan.sites, data.shape);
    let mut members = Consortium::found(relay, &named, values).await?;
    let (mut outcome, result) = members.play("everybody honest", &publish, &[]).await?;
    let mut result = result.context("the honest round did not open")?;
    let bytes = members.bytes(result.sum.len());
    if plan.processes {
        (outcome, result) = by_processes(plan, model, data, train, relay, &dealt, outcome).await?;
    }
    let opened = Statistics::from_values(data.shape, result.sum)?;
    let pooled = lda(&data.train.statistics(data.shape)?, heads::SHRINKAGE)?;
    let learned = lda(&opened, heads::SHRINKAGE)?;
    let (head, logit_scale) = in_pack(&learned, card)?;
    let served: ModelCard = members.admin().get("card", &format!("/v1/models/{}/card.json", card.id)).await?;
    ensure!(served.calibration.logit_scale == logit_scale, "the relay serves another head than the round's");
    let asked = &data.test.rows[..ASKED.min(data.test.rows.len())];
    let published = Published {
        round: outcome,
        images: opened.counts().iter().sum(),
        is_pooled: head == in_pack(&pooled, card)?.0,
        encrypted_equal: encrypted_equal(card, &head, &data.test.rows)?,
        served_equal: served_equal(&relay.base(), &served, &head, asked).await?,
        test: data.test.figures(&learned)?,
    };
    Ok((published, head, logit_scale, bytes))
}

/// The same round by processes: what they encode themselves has to sum to the same integers.
async fn by_processes(
    plan: &Plan,
    model: &Model<'_>,
    data: &Data,
    train: &Split,
    relay: &LocalRelay,
    dealt: &[usize],
    mut outcome: Outcome,
) -> Result<(Outcome, RoundResult)> {
    let card = &model.pipeline.card;
    let named = consortium("processes", card, plan.sites, data.shape);
    let publish = statistics_round(PATIENT, Some(HeadKind::Lda));
    let began = std::time::Instant::now();
    let used = processes::Model { id: &card.id, zoo: model.zoo };
    let round = processes::play(relay, &named, &publish, train, dealt, &used).await?;
    ensure!(round.state == RoundState::Opened, "the round of processes ended as {:?}", round.state);
    let admin = relay.admin()?;
    let result: RoundResult = admin.get("result", &format!("/v1/consortia/{}/rounds/{}/result", named.id, round.number)).await?;
    outcome.name = format!("{} processes of `lab site`", plan.sites);
    outcome.seconds = began.elapsed().as_secs_f64();
    outcome.exact = Some(result.sum == data.train.statistics(data.shape)?.to_values());
    Ok((outcome, result))
}

/// Rounds in which somebody is missing or misbehaves, and a round of updates.
async fn strange_rounds(
    plan: &Plan,
    card: &ModelCard,
    data: &Data,
    relay: &LocalRelay,
) -> Result<(Vec<Outcome>, [String; 2], SiteBytes)> {
    let mut outcomes = Vec::new();
    let short = statistics_round(IMPATIENT, None);
    let (_, values) = contributions(data, STRANGE_SITES, Deal::Even, plan.seed)?;
    let mut members = Consortium::found(relay, &consortium("strange", card, STRANGE_SITES, data.shape), values).await?;
    let cases: [(&str, &[(usize, Behaviour)]); 6] = [
        ("a site never comes", &[(2, Behaviour::Absent)]),
        ("a site is gone after contributing", &[(1, Behaviour::GoneAfterContributing)]),
        ("a member is gone at the opening", &[(4, Behaviour::GoneAtOpening)]),
        ("too few sites come", &[(0, Behaviour::Absent), (1, Behaviour::Absent), (2, Behaviour::Absent)]),
        ("too few members answer", &[(0, Behaviour::GoneAtOpening), (1, Behaviour::GoneAtOpening)]),
        ("a site deals a bad share", &[(3, Behaviour::BadShare)]),
    ];
    for (name, strange) in cases {
        outcomes.push(members.play(name, &short, strange).await?.0);
    }
    let refusals = members.replay(&short).await?;
    let (update, bytes) = update_rounds(plan, card, data, relay).await?;
    outcomes.push(update);
    Ok((outcomes, refusals, bytes))
}

/// One round of FedAvg over the relay.
async fn update_rounds(plan: &Plan, card: &ModelCard, data: &Data, relay: &LocalRelay) -> Result<(Outcome, SiteBytes)> {
    let (classes, dim) = (card.classes.len(), card.cls.dim);
    let dealt = deal(&data.train.groups, &data.train.classes, usize::from(plan.sites), plan.split_by, plan.seed);
    let parts = (0..usize::from(plan.sites)).map(|site| data.train.of_site(&dealt, site)).collect();
    let mut learning = FedAvg::new(parts, classes, dim, plan.fedavg, plan.seed);
    let values = learning.contributions()?;
    let length = values[0].len();
    let named = consortium("updates", card, plan.sites, data.shape);
    let mut members = Consortium::found(relay, &named, values).await?;
    let (outcome, result) = members.play("a round of FedAvg", &update_round(PATIENT, length), &[]).await?;
    learning.apply(&result.context("the round of updates did not open")?.sum)?;
    Ok((outcome, members.bytes(length)))
}

fn comparisons(plan: &Plan, data: &Data) -> Result<Vec<Comparison>> {
    let mut all = Vec::new();
    for split_by in &plan.compare {
        for seed in plan.seed..plan.seed + plan.deals {
            all.push(compare(data, usize::from(plan.sites), *split_by, seed, heads::SHRINKAGE, plan.fedavg)?);
        }
    }
    Ok(all)
}

/// Rounds until FedAvg, dealt as the real round was, comes close to the one-shot head on the validation images.
fn fedavg_rounds(plan: &Plan, data: &Data, comparisons: &[Comparison]) -> Result<Option<u32>> {
    let head = lda(&data.train.statistics(data.shape)?, heads::SHRINKAGE)?;
    let answers: Vec<usize> = data.val.probabilities(&head)?.iter().map(|p| metrics::top(p)).collect();
    let goal = metrics::accuracy(&answers, &data.val.classes);
    let own = comparisons.iter().find(|c| c.split_by == plan.split_by && c.seed == plan.seed);
    Ok(own.and_then(|comparison| rounds_to(&comparison.fedavg_val_curve, goal, SLACK)))
}

/// Accuracy and negative log-likelihood on the validation split for several shrinkages.
fn tried(data: &Data) -> Result<Vec<[f64; 3]>> {
    let pooled = data.train.statistics(data.shape)?;
    let one = |shrinkage: &f64| {
        let figures = data.val.figures(&lda(&pooled, *shrinkage)?)?;
        Ok([*shrinkage, figures.accuracy, figures.nll])
    };
    [0.003, 0.01, 0.03, 0.1, 0.3].iter().map(one).collect()
}

/// Share of tokens longer than the norm.
fn clipped(rows: &[Vec<i16>], norm: u32) -> f64 {
    let long = |row: &&Vec<i16>| row.iter().map(|x| u64::from(x.unsigned_abs()).pow(2)).sum::<u64>() > u64::from(norm).pow(2);
    rows.iter().filter(long).count() as f64 / rows.len().max(1) as f64
}
