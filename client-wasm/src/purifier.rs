//! The purifier of a model on this device: fetched once it is needed, checked, and run on whole images and on tiles.

use models::purifier::{PurifierCard, Walk, add_noise};
use models::{ModelCard, ModelError, Schedule, TensorMap};
use purify::Noise;
use web_sys::AbortSignal;
use wire::tile::{from_fixed, to_fixed};
use wire::{PurifyRequest, PurifyResult, Tile};

use crate::backend::Backend;
use crate::error::ClientError;
use crate::events::{Clock, Events, Step};
use crate::http::Http;
use crate::pause;
use crate::relay::{self, Model};

/// A loaded purifier.
pub struct Purifier {
    schedule: Schedule,
    network: Network,
}

/// Where its network runs.
enum Network {
    /// The engine in this WebAssembly module, on one thread.
    #[cfg(not(feature = "webgpu"))]
    Cpu(models::CpuUnet),
    /// The burn module on the encoder's WebGPU device.
    #[cfg(feature = "webgpu")]
    WebGpu { module: models::unet::module::Unet, device: burn::tensor::Device },
}

impl Network {
    #[cfg(not(feature = "webgpu"))]
    fn load(card: &PurifierCard, weights: TensorMap, _encoder: &Backend) -> Result<Self, ModelError> {
        Ok(Self::Cpu(models::CpuUnet::load(&card.architecture, weights)?))
    }

    #[cfg(feature = "webgpu")]
    fn load(card: &PurifierCard, weights: TensorMap, encoder: &Backend) -> Result<Self, ModelError> {
        let device = encoder.device().clone();
        Ok(Self::WebGpu { module: card.architecture.init(&device).load(&weights, &device)?, device })
    }

    async fn noise_of_many(&self, xs: &[&[f32]], side: usize, t: &[u16]) -> Result<Vec<Vec<f32>>, ModelError> {
        match self {
            #[cfg(not(feature = "webgpu"))]
            Self::Cpu(unet) => unet.noise_of_many(xs, [side, side], t),
            #[cfg(feature = "webgpu")]
            Self::WebGpu { module, device } => module.noise_of_many(xs, [side, side], t, device).await,
        }
    }
}

impl Purifier {
    /// Fetches the purifier that the card names; it runs where the encoder does.
    ///
    /// # Errors
    /// `no-relay`, `corrupt-pack`, `cancelled`; `internal` where the card names none.
    pub async fn load(
        http: &Http,
        events: &Events,
        model: &Model,
        card: &ModelCard,
        encoder: &Backend,
        signal: &AbortSignal,
    ) -> Result<Self, ClientError> {
        let purifier = card.purifier.as_ref().ok_or(ModelError::NoPurifier)?;
        let clock = Clock::start(events, Step::Purifier);
        let bytes = relay::fetch_purifier(http, events, model, card, purifier, signal).await?;
        let network = Network::load(purifier, TensorMap::from_safetensors(&bytes)?, encoder)?;
        clock.stop();
        Ok(Self { schedule: purifier.schedule, network })
    }

    /// Purifies the pixels `[C, side, side]`, 0 to 1, of a whole image; the seed is random and used once.
    ///
    /// # Errors
    /// `cancelled`, between two steps; `internal` where a number is out of range.
    pub async fn image(
        &self,
        pixels: &[f32],
        side: usize,
        plan: &purify::Plan,
        seed: [u8; 32],
        events: &Events,
        signal: &AbortSignal,
    ) -> Result<Vec<f32>, ClientError> {
        let noise = Noise::new(seed).normal(pixels.len());
        let noised = add_noise(self.schedule, pixels, &noise, plan.t);
        let mut walk = [Walk::new(self.schedule, noised, plan.t, plan.steps)?];
        self.walk(&mut walk, side, signal, |done, total| events.progress(Step::Purify, done as f64, total as f64)).await?;
        let [walk] = walk;
        Ok(walk.into_pixels())
    }

    /// Answers a request for noised tiles as a relay would.
    ///
    /// # Errors
    /// As [`Self::image`].
    pub async fn tiles(&self, request: &PurifyRequest, signal: &AbortSignal) -> Result<PurifyResult, ClientError> {
        let start = |tile: &Tile| {
            let noised = tile.values.iter().map(|value| from_fixed(*value)).collect();
            Walk::new(self.schedule, noised, request.t(), request.steps())
        };
        let mut walks = request.tiles().iter().map(start).collect::<Result<Vec<_>, _>>()?;
        self.walk(&mut walks, request.shape().side.into(), signal, |_, _| ()).await?;
        let ids = request.tiles().iter().map(|tile| tile.id);
        let tile = |(id, walk): (_, &Walk)| Tile { id, values: walk.values().iter().map(|value| to_fixed(*value)).collect() };
        Ok(PurifyResult::new(request.shape(), ids.zip(&walks).map(tile).collect())?)
    }

    /// Takes walks of the same length to their end, a pass through the network for all at each step.
    async fn walk(
        &self,
        walks: &mut [Walk],
        side: usize,
        signal: &AbortSignal,
        progress: impl Fn(usize, usize),
    ) -> Result<(), ClientError> {
        loop {
            let (values, levels): (Vec<&[f32]>, Vec<u16>) = walks.iter().filter_map(Walk::pending).unzip();
            if values.is_empty() {
                return Ok(());
            }
            let noise = self.network.noise_of_many(&values, side, &levels).await?;
            for (walk, noise) in walks.iter_mut().zip(&noise) {
                walk.advance(noise)?;
                progress(walk.done(), walk.total());
            }
            pause::turn(signal).await?;
        }
    }
}
