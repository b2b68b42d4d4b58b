//! The detector of a model: fetched, checked, and asked about an image before anything of it is sealed.

use models::detector::Examination;
use models::{Detector, ModelCard, TensorMap};
use serde::Serialize;
use web_sys::AbortSignal;

use crate::backend::Backend;
use crate::error::ClientError;
use crate::events::{Clock, Events, Step};
use crate::http::Http;
use crate::pause;
use crate::relay::{self, Model};

/// What was found in an image, as JavaScript sees it.
#[derive(Serialize)]
pub struct Verdict {
    score: f32,
    clean_share: f64,
    features: Vec<f32>,
    grid: usize,
    map: Vec<f32>,
    ms: f64,
}

impl Verdict {
    /// How strange the image is.
    pub fn score(&self) -> f32 {
        self.score
    }
}

/// A model's detector. It runs on the CPU in both builds: it is small.
pub struct Guard(Detector);

/// An image that the detector has looked at; the verdict needs the image's own token too.
pub struct Glance {
    examination: Examination,
    cls_of_copy: Vec<f32>,
    /// Milliseconds that the check has taken.
    pub ms: f64,
}

impl Guard {
    /// Fetches the detector that the card names; nothing where it names none.
    ///
    /// # Errors
    /// `no-relay`, `corrupt-pack`, `cancelled`.
    pub async fn load(
        http: &Http,
        events: &Events,
        model: &Model,
        card: &ModelCard,
        signal: &AbortSignal,
    ) -> Result<Option<Self>, ClientError> {
        let Some(detector) = &card.detector else { return Ok(None) };
        let clock = Clock::start(events, Step::Detector);
        let bytes = relay::fetch_detector(http, events, model, card, detector, signal).await?;
        let detector = Detector::load(detector, TensorMap::from_safetensors(&bytes)?)?;
        clock.stop();
        Ok(Some(Self(detector)))
    }

    /// Looks at a normalised image `[C, H, W]`: pass by pass, and the token of its copy by the encoder.
    ///
    /// # Errors
    /// `cancelled`, between two passes or blocks.
    pub async fn look(
        &self,
        input: &[f32],
        encoder: &Backend,
        events: &Events,
        signal: &AbortSignal,
    ) -> Result<Glance, ClientError> {
        let clock = Clock::start(events, Step::Detect);
        let total = (self.0.passes() + 1) as f64;
        let mut examination = self.0.start(input)?;
        for index in 0..self.0.passes() {
            self.0.pass(&mut examination, index)?;
            events.progress(Step::Detect, (index + 1) as f64, total);
            pause::turn(signal).await?;
        }
        let copy = self.0.copy(input);
        let cls_of_copy =
            encoder.encode(&copy, signal, |share| events.progress(Step::Detect, total - 1.0 + share, total)).await?;
        Ok(Glance { examination, cls_of_copy, ms: clock.stop() })
    }

    /// The verdict on an image with this CLS token `[dim]`.
    ///
    /// # Errors
    /// None in practice.
    pub fn judge(&self, glance: &Glance, cls: &[f32]) -> Result<Verdict, ClientError> {
        let verdict = self.0.finish(&glance.examination, cls, &glance.cls_of_copy)?;
        Ok(Verdict {
            score: verdict.score,
            clean_share: verdict.clean_share,
            features: verdict.features,
            grid: self.0.card().architecture.encoder.grid(),
            map: verdict.map,
            ms: glance.ms,
        })
    }
}
