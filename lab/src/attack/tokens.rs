//! What plaintext CLS tokens give away: decoders trained on the attacker's own images, and the baselines that every other figure is
//! read against.

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    context::{Attacked, Context, Outcome},
    decoder::{self, ConvDecoder},
    linear::{Decoder, Nearest, Ridge, squared_error},
};

/// Penalties of the ridge decoder, of which the validation split chooses.
pub const PENALTIES: [f64; 6] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];
/// What stands in the column of what was sent where nothing was.
pub const NOTHING: &str = "nothing";

/// Both trained decoders.
pub struct Decoders {
    /// Linear.
    pub ridge: Ridge,
    /// Convolutions.
    pub conv: ConvDecoder,
    conv_is_better: bool,
    errors: [f64; 2],
}

impl Decoders {
    /// Trains on the training split, chooses on the validation split.
    ///
    /// # Errors
    /// Where the tokens are degenerate or the device fails.
    pub fn train(context: &Context) -> Result<Self> {
        let (train, val) = (&context.subjects.train, &context.subjects.val);
        let ridge = Ridge::fit(train, val, &PENALTIES)?;
        let settings = decoder::Settings { epochs: context.options.epochs, batch: 32, rate: 2e-3, seed: context.options.seed };
        let conv = ConvDecoder::train(ridge.clone(), train, val, context.network.layout.config.in_channels, &settings)?;
        let errors =
            [squared_error(&ridge.decode(&val.tokens)?, &val.images), squared_error(&conv.decode(&val.tokens)?, &val.images)];
        Ok(Self { ridge, conv, conv_is_better: errors[1] < errors[0], errors })
    }

    /// The better one on the validation split.
    pub fn best(&self) -> &dyn Decoder {
        if self.conv_is_better { &self.conv } else { &self.ridge }
    }

    /// Its name.
    pub fn best_name(&self) -> &'static str {
        if self.conv_is_better { "convolutional decoder" } else { "ridge decoder" }
    }
}

/// Runs every attack on plaintext tokens.
///
/// # Errors
/// Where a decoder fails.
pub fn run(context: &Context, decoders: &Decoders) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let attacked = context.attacked(context.options.images);
    outcome.sheet.push("original", attacked.originals());
    baselines(context, &attacked, &mut outcome);
    let tokens = attacked.tokens();
    let nearest = Nearest(&context.subjects.train);
    let kinds: [(&str, &dyn Decoder); 3] = [
        ("image of the nearest known token", &nearest),
        ("ridge decoder", &decoders.ridge),
        ("convolutional decoder", &decoders.conv),
    ];
    for (name, decoder) in kinds {
        let guesses = decoder.decode(&tokens)?;
        outcome.rows.push(attacked.row("CLS token", name, &guesses));
        outcome.sheet.push(name, Attacked::shown(&guesses));
    }
    let quantiser = context.network.quantiser;
    let integers = |token: &Vec<f32>| quantiser.quantise(token).iter().map(|v| f32::from(*v) * quantiser.scale).collect();
    let rounded: Vec<Vec<f32>> = tokens.iter().map(integers).collect();
    let guesses = decoders.best().decode(&rounded)?;
    let sent = format!("CLS token in integers of {} bits", quantiser.bits);
    outcome.rows.push(attacked.row(&sent, decoders.best_name(), &guesses));
    outcome.facts.insert("ridge penalty chosen on val".into(), decoders.ridge.penalty);
    outcome.facts.insert("squared error on val, ridge decoder".into(), decoders.errors[0]);
    outcome.facts.insert("squared error on val, convolutional decoder".into(), decoders.errors[1]);
    Ok(outcome)
}

/// What one gets without any message: the mean image, another image, and the best of as many as an oracle may choose from elsewhere.
fn baselines(context: &Context, attacked: &Attacked, outcome: &mut Outcome) {
    let train = &context.subjects.train;
    let mean = vec![train.mean_image(); attacked.chosen.len()];
    outcome.rows.push(attacked.row(NOTHING, "mean image of the training split", &mean));
    outcome.sheet.push("mean image", Attacked::shown(&mean));
    let mut rng = ChaCha8Rng::seed_from_u64(context.options.seed);
    let mut random = || train.images[rng.random_range(0..train.len())].clone();
    let others: Vec<Vec<f32>> = attacked.chosen.iter().map(|_| random()).collect();
    outcome.rows.push(attacked.row(NOTHING, "a random image of the training split", &others));
}
