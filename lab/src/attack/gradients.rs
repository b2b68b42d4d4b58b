//! What gradients of one image or a small batch give away.

use anyhow::Result;
use half::f16;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    closed_form,
    context::{Attacked, Context, Outcome},
    fidelity::Fidelity,
    matching,
    record::Row,
};
use crate::train::params::normal;

/// Noise multipliers: deviation of each value's noise over the norm of the whole gradient, as DP-SGD counts it.
const NOISE: [f32; 3] = [1e-6, 1e-5, 1e-4];
/// Sizes of batches.
const BATCHES: [usize; 4] = [2, 4, 8, 32];
/// Name of what is sent for one image.
const ONE: &str = "gradient of one image";

/// Runs every attack on gradients.
///
/// # Errors
/// Where a gradient cannot be solved.
pub fn run(context: &Context) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let attacked = context.attacked(context.options.images);
    outcome.sheet.push("original", attacked.originals());
    single(context, &attacked, &mut outcome)?;
    for batch in BATCHES {
        batches(context, &attacked, batch, &mut outcome)?;
    }
    optimise(context, &mut outcome);
    Ok(outcome)
}

/// One image: exact, rounded to 16 bits, and under noise.
fn single(context: &Context, attacked: &Attacked, outcome: &mut Outcome) -> Result<()> {
    let network = context.network;
    let mut guesses: Vec<Vec<Vec<f32>>> = vec![Vec::new(); 2 + NOISE.len()];
    let (mut labels, mut worst_rank, mut worst_token, mut condition) = (0usize, usize::MAX, 0.0f32, 0.0f64);
    let mut rng = ChaCha8Rng::seed_from_u64(context.options.seed);
    for (place, (image, token)) in attacked.images().iter().zip(attacked.tokens()).enumerate() {
        let gradient = network.gradient(&[image], &[attacked.class(place)]);
        let solved = closed_form::solve(network, &gradient)?;
        (worst_rank, condition) = (worst_rank.min(solved.rank), condition.max(solved.condition));
        guesses[0].push(solved.image);
        labels += usize::from(closed_form::label(network, &gradient) == attacked.class(place));
        let read = closed_form::token(network, &gradient);
        worst_token = read.iter().zip(&token).fold(worst_token, |most, (a, b)| most.max((a - b).abs()));
        let half: Vec<f32> = scaled_to_half(&gradient);
        guesses[1].push(closed_form::solve(network, &half)?.image);
        let norm = norm(&gradient);
        for (i, multiplier) in NOISE.iter().enumerate() {
            let noisy: Vec<f32> = gradient.iter().map(|g| g + multiplier * norm * normal(&mut rng)).collect();
            guesses[2 + i].push(closed_form::solve(network, &noisy)?.image);
        }
    }
    let noise = NOISE.iter().map(|z| format!("{ONE}, noise multiplier {z:e}"));
    let names = [ONE.to_string(), format!("{ONE}, rounded to f16")].into_iter().chain(noise);
    for (i, (name, guesses)) in names.zip(&guesses).enumerate() {
        outcome.rows.push(attacked.row(&name, "closed form", guesses));
        if matches!(i, 0 | 1 | 3 | 4) {
            outcome.sheet.push(&name, Attacked::shown(guesses));
        }
    }
    let share = labels as f64 / attacked.chosen.len() as f64;
    let facts = [("labels read", share), ("smallest rank", worst_rank as f64), ("largest condition", condition)];
    outcome.facts.extend(facts.map(|(name, value)| (name.to_string(), value)));
    outcome.facts.insert("largest error of a token read from the head's gradient".into(), f64::from(worst_token));
    Ok(())
}

/// Euclidean norm in `f64`: where the network is sure, the squares of a gradient underflow `f32`.
fn norm(gradient: &[f32]) -> f32 {
    gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt() as f32
}

/// Rounded to 16 bits after scaling by the largest value, as gradients are sent in half precision.
fn scaled_to_half(gradient: &[f32]) -> Vec<f32> {
    let largest = gradient.iter().fold(f32::MIN_POSITIVE, |most, g| most.max(g.abs()));
    gradient.iter().map(|g| f16::from_f32(g / largest).to_f32() * largest).collect()
}

/// Batches: the same mixture is held against each of its images.
fn batches(context: &Context, attacked: &Attacked, size: usize, outcome: &mut Outcome) -> Result<()> {
    let images = attacked.images();
    let mut mixtures = Vec::new();
    let (mut best, mut units) = (Vec::new(), Vec::new());
    for (number, batch) in images.chunks_exact(size).enumerate() {
        let classes: Vec<usize> = (0..size).map(|i| attacked.class(number * size + i)).collect();
        let mixture = closed_form::solve(context.network, &context.network.gradient(batch, &classes))?.image;
        let found: Vec<Fidelity> =
            batch.iter().map(|image| super::fidelity::compare(image, &mixture, context.network.side())).collect();
        best.extend(found.into_iter().max_by(|a, b| a.psnr.total_cmp(&b.psnr)));
        units.push(number.to_string());
        mixtures.extend(std::iter::repeat_n(mixture, size));
    }
    let sent = format!("gradient of a batch of {size}");
    outcome.rows.push(attacked.row(&sent, "closed form, every image", &mixtures));
    outcome.rows.push(Row::new(&sent, "closed form, the best image of each batch", &best, &units));
    if size == 8 {
        outcome.sheet.push(&sent, Attacked::shown(&mixtures));
    }
    Ok(())
}

/// Gradient matching, with more and less knowledge.
fn optimise(context: &Context, outcome: &mut Outcome) {
    let (images, steps) = context.options.matching;
    let attacked = context.attacked(context.options.images);
    let count = images.min(attacked.chosen.len());
    if count == 0 || steps == 0 {
        return;
    }
    let (grey, mean) = (vec![0.5; context.network.image_len()], context.subjects.train.mean_image());
    let kinds = [
        ("gradient matching from grey", true, false, &grey),
        ("gradient matching from the mean image", true, false, &mean),
        ("gradient matching from the mean image in the row space, positions withheld", false, true, &mean),
    ];
    for (name, positions, row_space, start) in kinds {
        let settings = matching::Settings { steps, rate: 0.02, variation: 1.0, positions, row_space, seed: context.options.seed };
        let mut guesses = Vec::new();
        let mut cosines = 0.0;
        for (place, image) in attacked.images()[..count].iter().enumerate() {
            let gradient = context.network.gradient(&[image], &[attacked.class(place)]);
            let found = matching::run(context.network, &gradient, attacked.class(place), start, &settings);
            cosines += found.cosine / count as f64;
            guesses.push(found.image);
        }
        outcome.facts.insert(format!("cosine reached, {name}"), cosines);
        outcome.rows.push(attacked.row(ONE, name, &guesses));
        outcome.sheet.push(name, guesses.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiny_gradient_has_a_norm() {
        assert!((norm(&[3e-25, 4e-25]) / 5e-25 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn half_precision_keeps_the_scale() {
        let found = scaled_to_half(&[1e-20, -0.5e-20]);
        assert!((found[1] / -0.5e-20 - 1.0).abs() < 1e-3, "{found:?}");
    }
}
