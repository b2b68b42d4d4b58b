//! What our protocol sends and opens: sealed tokens, bodies of contributions, and the opened statistics of cohorts.

use anyhow::Result;
use federation::statistics::{Shape, Statistics};
use he::{
    GLWE_2048_TU17, SecretKey,
    aggregation::{Consortium, IdentityKey, Round, Rules, SUM_2048_Q52, hazmat},
};
use nalgebra::DVector;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    context::{Attacked, Context, Outcome},
    fidelity::{Fidelity, compare},
    linear::{Decoder, Ridge},
    opened::{Opened, Pool, draw, noise},
    record::Row,
    subjects::{Part, mean},
    tokens::{Decoders, PENALTIES},
};

/// Sites and images a site of the opened sums.
const COHORTS: [(usize, usize); 6] = [(1, 1), (3, 1), (10, 1), (50, 1), (10, 8), (50, 8)];
/// ε of the noisy ones.
const EPSILONS: [f64; 2] = [8.0, 1.0];
/// Images of a cohort that are held against what was opened.
const TARGETS: usize = 16;
/// Principal directions that the attacker walks along, both ways.
const DIRECTIONS: usize = 3;
/// Bytes before the bodies of a sealed token: the seed of its mask.
const SEED_BYTES: usize = 16;

/// Runs every attack on what the protocol sends and opens.
///
/// # Errors
/// Where encryption, a decoder or the system's randomness fails.
pub fn run(context: &Context, decoders: &Decoders) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let attacked = context.attacked(context.options.images);
    outcome.sheet.push("original", attacked.originals());
    let plain = decoders.best().decode(&attacked.tokens())?;
    outcome.sheet.push("its CLS token, decoded", Attacked::shown(&plain));
    ciphertexts(context, decoders, &attacked, &mut outcome)?;
    cohorts(context, decoders, &mut outcome)?;
    pictures(context, decoders, &attacked, &mut outcome)?;
    Ok(outcome)
}

/// Numbers in 0..1 in the place of a token's values, scaled as tokens are: mean and deviation of each value.
struct Scaling {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Scaling {
    fn of(part: &Part) -> Self {
        let middle = mean(&part.tokens);
        let squares: Vec<Vec<f32>> =
            part.tokens.iter().map(|t| t.iter().zip(&middle).map(|(v, m)| (v - m) * (v - m)).collect()).collect();
        Self { mean: middle, deviation: mean(&squares).into_iter().map(f32::sqrt).collect() }
    }

    fn token(&self, units: &[f64]) -> Vec<f32> {
        // A uniform number has the deviation 1/√12.
        let scaled = units.iter().map(|u| ((u - 0.5) * 12f64.sqrt()) as f32);
        scaled.zip(self.mean.iter().zip(&self.deviation)).map(|(u, (m, s))| m + s * u).collect()
    }
}

/// What a relay sees of an image, by the kind of message, as numbers in 0..1 in the place of the token's values.
struct Seen<'a> {
    context: &'a Context<'a>,
    key: SecretKey,
    round: Round,
    shape: Shape,
}

/// How a kind of message shows a token and its class.
type See<'a> = fn(&Seen<'a>, &[f32], usize) -> Result<Vec<f64>>;

impl<'a> Seen<'a> {
    fn new(context: &'a Context<'a>) -> Result<Self> {
        let keys: Vec<IdentityKey> = (0..3).map(|_| IdentityKey::make()).collect::<Result<_, _>>()?;
        let identities = keys.iter().map(IdentityKey::identity).collect();
        let consortium = Consortium::derive("leakage", Rules::recommended(3)?, identities)?;
        let layout = &context.network.layout;
        let pool = Pool::new(&context.subjects.train, context.network.quantiser);
        let shape = Shape::new(layout.classes, layout.config.dim, pool.clip_norm())?;
        let round = Round::derive(&consortium, 1, &SUM_2048_Q52, shape.length(), b"leakage")?;
        Ok(Self { context, key: SecretKey::make(&GLWE_2048_TU17)?, round, shape })
    }

    /// Bodies of a sealed token.
    fn sealed(&self, token: &[f32], _class: usize) -> Result<Vec<f64>> {
        let sealed = self.key.make_sealed_token(&self.context.network.quantiser.quantise(token))?;
        let (bytes, d) = (sealed.to_bytes(), sealed.dim());
        Ok(bit_groups(&bytes[SEED_BYTES..], (bytes.len() - SEED_BYTES) * 8 / d, d))
    }

    /// Bodies of a site's contribution of this one image, at the place of its class's sum.
    fn contributed(&self, token: &[f32], class: usize) -> Result<Vec<f64>> {
        let mut statistics = Statistics::new(self.shape);
        statistics.add(class, &self.context.network.quantiser.quantise(token))?;
        let bodies = hazmat::make_bare_bodies(&self.round, &hazmat::make_bare_key()?, &statistics.to_values())?;
        let start = self.shape.classes() + class * self.shape.dim();
        let modulus = 2f64.powi(52);
        Ok(bodies[start..start + self.shape.dim()].iter().map(|b| *b as f64 / modulus).collect())
    }
}

/// Fractions of 2^bits that lie in a stream of bits, least significant first.
fn bit_groups(bytes: &[u8], bits: usize, count: usize) -> Vec<f64> {
    let bit = |i: usize| f64::from(bytes[i / 8] >> (i % 8) & 1);
    let value = |i: usize| (0..bits).map(|k| bit(i * bits + k) * 2f64.powi(k as i32 - bits as i32)).sum();
    (0..count).map(value).collect()
}

/// Decoders on ciphertexts, trained on plaintext tokens and on ciphertexts, beside random numbers.
fn ciphertexts(context: &Context, decoders: &Decoders, attacked: &Attacked, outcome: &mut Outcome) -> Result<()> {
    let seen = Seen::new(context)?;
    let scaling = Scaling::of(&context.subjects.train);
    let kinds: [(&str, See<'_>); 2] =
        [("sealed token (encrypted inference)", Seen::sealed), ("contribution of one image (aggregation)", Seen::contributed)];
    for (sent, see) in kinds {
        let messages = |part: &Part| -> Result<Part> {
            let tokens = part.tokens.iter().zip(&part.classes).map(|(t, c)| Ok(scaling.token(&see(&seen, t, *c)?)));
            Ok(Part { tokens: tokens.collect::<Result<_>>()?, images: part.images.clone(), ..Part::default() })
        };
        let (train, val) = (messages(&context.subjects.train)?, messages(&context.subjects.val)?);
        let of_test: Vec<Vec<f32>> = attacked
            .tokens()
            .iter()
            .enumerate()
            .map(|(place, token)| Ok(scaling.token(&see(&seen, token, attacked.class(place))?)))
            .collect::<Result<_>>()?;
        let guesses = decoders.best().decode(&of_test)?;
        outcome.rows.push(attacked.row(sent, decoders.best_name(), &guesses));
        outcome.sheet.push(sent, Attacked::shown(&guesses));
        let penalties: Vec<f64> = PENALTIES.iter().copied().chain([100.0, 1e4]).collect();
        let own = Ridge::fit(&train, &val, &penalties)?.decode(&of_test)?;
        outcome.rows.push(attacked.row(sent, "ridge decoder trained on ciphertexts", &own));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(context.options.seed);
    let d = scaling.mean.len();
    let mut random = || scaling.token(&(0..d).map(|_| rng.random()).collect::<Vec<f64>>());
    let numbers: Vec<Vec<f32>> = attacked.chosen.iter().map(|_| random()).collect();
    outcome.rows.push(attacked.row("random numbers", decoders.best_name(), &decoders.best().decode(&numbers)?));
    Ok(())
}

/// The shape and the pool of attacked tokens.
fn pool<'a>(context: &Context<'a>) -> Result<(Shape, Pool<'a>)> {
    let layout = &context.network.layout;
    let clip_norm = Pool::new(&context.subjects.train, context.network.quantiser).clip_norm();
    let shape = Shape::new(layout.classes, layout.config.dim, clip_norm)?;
    Ok((shape, Pool::new(&context.subjects.test, context.network.quantiser)))
}

/// Opened sums: the mean token of each class, and the principal directions around it, through the decoder.
fn cohorts(context: &Context, decoders: &Decoders, outcome: &mut Outcome) -> Result<()> {
    let (shape, pool) = pool(context)?;
    outcome.facts.insert("clip norm in quantised steps".into(), f64::from(shape.clip_norm()));
    let everyone: Vec<usize> = (0..pool.part.len()).collect();
    for (sites, per_site) in COHORTS.into_iter().filter(|(s, p)| s * p <= pool.part.len()) {
        for epsilon in std::iter::once(None).chain(EPSILONS.map(Some)) {
            let noise = epsilon.map(|e| noise(shape, e)).transpose()?.map(|(noise, _)| noise);
            let mut found = Found::default();
            for round in 0..context.options.rounds {
                let mut rng = ChaCha8Rng::seed_from_u64(context.options.seed ^ (round as u64) << 32);
                let members = draw(&everyone, sites * per_site, &mut rng);
                let opened = Opened::of(shape, &pool, &members, noise.as_ref(), &mut rng)?;
                let candidates = candidates(context, decoders, &opened)?;
                let targets = &members[..members.len().min(TARGETS)];
                found.add(round, pool.part, targets, &candidates, context.network.side());
            }
            let mut push = |attack: &str, fidelities: &[Fidelity], units: &[String]| {
                let row = Row::new("opened statistics", attack, fidelities, units);
                outcome.rows.push(Row { cohort: Some((sites, per_site)), epsilon, ..row });
            };
            push("mean token of the class, decoded", &found.means, &found.units);
            push("the same, the image that leaks most", &found.most, &found.rounds);
            push("best of mean and principal directions, by an oracle", &found.oracle, &found.units);
        }
    }
    Ok(())
}

/// For each class: the decoded mean, then the decoded points along the principal directions.
fn candidates(context: &Context, decoders: &Decoders, opened: &Opened) -> Result<Vec<Vec<Vec<f32>>>> {
    let scale = f64::from(context.network.quantiser.scale);
    let token = |v: DVector<f64>| v.iter().map(|x| (x * scale) as f32).collect::<Vec<f32>>();
    let directions = opened.directions(DIRECTIONS);
    let of_class = |class: usize| {
        let mean = opened.mean(class);
        let ways = directions.iter().flat_map(|d| [&mean + d, &mean - d]);
        let tokens: Vec<Vec<f32>> = std::iter::once(mean.clone()).chain(ways).map(token).collect();
        decoders.best().decode(&tokens)
    };
    (0..opened.counts.len()).map(of_class).collect()
}

/// Fidelities over rounds.
#[derive(Default)]
struct Found {
    means: Vec<Fidelity>,
    oracle: Vec<Fidelity>,
    units: Vec<String>,
    most: Vec<Fidelity>,
    rounds: Vec<String>,
}

impl Found {
    fn add(&mut self, round: usize, part: &Part, targets: &[usize], candidates: &[Vec<Vec<f32>>], side: usize) {
        let by_psnr = |a: &Fidelity, b: &Fidelity| a.psnr.total_cmp(&b.psnr);
        let first = self.means.len();
        for target in targets {
            let of_class = &candidates[part.classes[*target]];
            let all: Vec<Fidelity> = of_class.iter().map(|guess| compare(&part.images[*target], guess, side)).collect();
            self.means.push(all[0]);
            self.oracle.extend(all.into_iter().max_by(by_psnr));
            self.units.push(round.to_string());
        }
        self.most.extend(self.means[first..].iter().copied().max_by(by_psnr));
        self.rounds.push(round.to_string());
    }
}

/// Columns of the sheet: each shown image within cohorts of growing size.
fn pictures(context: &Context, decoders: &Decoders, attacked: &Attacked, outcome: &mut Outcome) -> Result<()> {
    let (shape, pool) = pool(context)?;
    let kinds = [
        ("opened, 3 sites × 1 image", 3, None),
        ("opened, 10 × 1", 10, None),
        ("opened, 50 × 1", 50, None),
        ("opened, 50 × 1, ε = 8", 50, Some(8.0)),
    ];
    let shown = attacked.originals().len();
    for (title, count, epsilon) in kinds {
        let noise = epsilon.map(|e| noise(shape, e)).transpose()?.map(|(noise, _)| noise);
        let mut column = Vec::new();
        for target in &attacked.chosen[..shown] {
            let mut rng = ChaCha8Rng::seed_from_u64(context.options.seed + *target as u64);
            let others: Vec<usize> = (0..pool.part.len()).filter(|i| i != target).collect();
            let mut members = draw(&others, count - 1, &mut rng);
            members.push(*target);
            let opened = Opened::of(shape, &pool, &members, noise.as_ref(), &mut rng)?;
            let all = candidates(context, decoders, &opened)?;
            column.push(all[pool.part.classes[*target]][0].clone());
        }
        outcome.sheet.push(title, column);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_bits_are_read_least_significant_first() {
        // 4 bits each: 1, 2, 15, 8.
        assert_eq!(bit_groups(&[0x21, 0x8f], 4, 4), [1.0 / 16.0, 2.0 / 16.0, 15.0 / 16.0, 8.0 / 16.0]);
    }
}
