//! The encoder of a model, fetched, checked and loaded.

use models::{ModelCard, decode};
use web_sys::AbortSignal;

use crate::backend::Backend;
use crate::error::ClientError;
use crate::events::{Clock, Events, Step};
use crate::http::Http;
use crate::relay::{self, Model, NamedCard};

/// A model's card and its encoder.
pub struct Encoder {
    /// The card, checked.
    pub card: ModelCard,
    /// The card's SHA-256, by which the relay's answers name it.
    pub card_sha256: String,
    /// Where the relay keeps the model's files.
    pub model: Model,
    /// The encoder that the card names.
    pub backend: Backend,
}

impl Encoder {
    /// Finds the model at the relay and loads its encoder.
    ///
    /// # Errors
    /// `no-relay`, `no-model`, `wrong-version`, `corrupt-pack`, `cancelled`.
    pub async fn load(http: &Http, events: &Events, model: &str, signal: &AbortSignal) -> Result<Self, ClientError> {
        let clock = Clock::start(events, Step::Models);
        let model = relay::find_model(http, model, signal).await?;
        clock.stop();

        let clock = Clock::start(events, Step::Card);
        let NamedCard { card, sha256: card_sha256 } = relay::fetch_card(http, &model, signal).await?;
        clock.stop();

        let clock = Clock::start(events, Step::Encoder);
        let pack = relay::fetch_pack(http, events, &model, card, signal).await?;
        let (card, weights) = pack.into_weights()?;
        let backend = Backend::load(&card.encoder.architecture, weights).await?;
        clock.stop();
        Ok(Self { card, card_sha256, model, backend })
    }

    /// The quantised CLS token `[dim]` of a PNG or JPEG file.
    ///
    /// # Errors
    /// `wrong-file`, `too-large`, `cancelled`.
    pub async fn token(&self, file: &[u8], signal: &AbortSignal) -> Result<Vec<i16>, ClientError> {
        let input = self.card.preprocess.letterbox(&decode(file)?).to_tensor(&self.card.preprocess);
        let cls = self.backend.encode(&input, signal, |_| ()).await?;
        Ok(self.card.cls.quantiser.quantise(&cls))
    }
}
