//! Where the purifiers' networks run: the CPU engine on a pool of threads, or the burn module on a GPU.

use std::sync::OnceLock;

use burn::tensor::Device as BurnDevice;
use burn::tensor::wgpu::wgpu::{AdapterInfo, DeviceType};
use models::purifier::PurifierCard;
use models::unet::module::Unet;
use models::{CpuUnet, ModelError, TensorMap};
use rayon::prelude::*;
use wire::tile::TileShape;

use crate::config::{Device, Purification};
use crate::error::RelayError;

/// Most tiles that a thread takes at a time.
const SHARE: usize = 4;

/// The device that all networks of this relay run on.
pub(crate) enum Engine {
    Cpu(rayon::ThreadPool),
    Gpu(&'static Gpu),
}

/// A GPU of this machine.
pub(crate) struct Gpu {
    device: BurnDevice,
    name: String,
    /// Computed by the CPU in truth, some hundred times slower than the CPU engine is.
    software: bool,
}

/// A purifier's network, loaded.
pub(crate) struct Network {
    pub(crate) card: PurifierCard,
    image_size: usize,
    weights: Weights,
}

enum Weights {
    Cpu(Box<CpuUnet>),
    Gpu(Box<Unet>),
}

impl Engine {
    /// The device that the configuration asks for: with `auto` a GPU where there is one, and not where it is only drawn by the CPU.
    ///
    /// # Errors
    /// [`RelayError::NoGpu`] where a GPU is asked for by name and there is none, [`RelayError::Workers`] without threads.
    pub(crate) fn start(config: &Purification) -> Result<Self, RelayError> {
        let device = if config.enabled { config.device } else { Device::Cpu };
        match device {
            Device::Cpu => Self::cpu(config.workers),
            Device::Gpu => gpu().as_ref().map(Self::Gpu).map_err(|reason| RelayError::NoGpu(reason.clone())),
            Device::Auto => match gpu() {
                Ok(gpu) if !gpu.software => Ok(Self::Gpu(gpu)),
                _ => Self::cpu(config.workers),
            },
        }
    }

    fn cpu(threads: usize) -> Result<Self, RelayError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|number| format!("purify-{number}"));
        Ok(Self::Cpu(pool.build()?))
    }

    /// The device in words: `cpu`, or `gpu` and its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Cpu(_) => "cpu".to_owned(),
            Self::Gpu(gpu) => format!("gpu {}", gpu.name),
        }
    }

    /// Loads a purifier for images of `image_size` pixels a side.
    ///
    /// # Errors
    /// Those of the network where card and weights do not fit.
    pub(crate) fn load(&self, card: &PurifierCard, image_size: usize, file: &[u8]) -> Result<Network, ModelError> {
        let (map, config) = (TensorMap::from_safetensors(file)?, &card.architecture);
        let weights = match self {
            Self::Cpu(_) => Weights::Cpu(Box::new(CpuUnet::load(config, map)?)),
            Self::Gpu(gpu) => Weights::Gpu(Box::new(config.init(&gpu.device).load(&map, &gpu.device)?)),
        };
        Ok(Network { card: card.clone(), image_size, weights })
    }

    /// The noise in each of `xs` `[C, side, side]`, at its level of `t`: one pass for all. Takes its time, so it is not for an async
    /// thread. On the CPU the bits do not depend on which tiles share the pass.
    ///
    /// # Errors
    /// [`ModelError::Purification`] for what the network does not take, [`ModelError::Device`] where the GPU fails.
    pub(crate) fn noise_of_many(
        &self,
        network: &Network,
        xs: &[&[f32]],
        side: usize,
        t: &[u16],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        match (self, &network.weights) {
            (Self::Cpu(pool), Weights::Cpu(unet)) => {
                // Within a share, the weights are read once for all its tiles; small shares let no thread wait for another.
                let share = xs.len().div_ceil(pool.current_num_threads()).clamp(1, SHARE);
                let shares = || {
                    let shares = xs.par_chunks(share).zip(t.par_chunks(share));
                    shares.map(|(xs, t)| unet.noise_of_many(xs, [side; 2], t)).collect::<Result<Vec<_>, _>>()
                };
                Ok(pool.install(shares)?.into_iter().flatten().collect())
            }
            (Self::Gpu(gpu), Weights::Gpu(unet)) => {
                tokio::runtime::Handle::current().block_on(unet.noise_of_many(xs, [side; 2], t, &gpu.device))
            }
            _ => Err(ModelError::Device { reason: "the network was loaded for another device".to_owned() }),
        }
    }
}

impl Network {
    /// Whether tiles of this shape can be purified, and if not, why.
    ///
    /// # Errors
    /// A sentence for the client.
    pub(crate) fn check(&self, shape: TileShape) -> Result<(), String> {
        let (side, config) = (usize::from(shape.side), &self.card.architecture);
        if usize::from(shape.channels) != config.in_channels {
            return Err(format!(
                "This purifier takes tiles of {} channels, and these have {}.",
                config.in_channels, shape.channels
            ));
        }
        if side > self.image_size || !side.is_multiple_of(config.multiple()) {
            let (multiple, most) = (config.multiple(), self.image_size);
            return Err(format!(
                "This purifier takes tiles whose side is a multiple of {multiple} up to {most}; {side} is none."
            ));
        }
        Ok(())
    }
}

/// The GPU of this process: burn takes each only once. Looked for when the first relay of the process opens.
fn gpu() -> &'static Result<Gpu, String> {
    static GPU: OnceLock<Result<Gpu, String>> = OnceLock::new();
    GPU.get_or_init(|| {
        let (device, setup) = BurnDevice::wgpu_options().init_with_setup().map_err(|error| error.to_string())?;
        let AdapterInfo { name, device_type, backend, .. } = setup.adapter.get_info();
        Ok(Gpu { device, name: format!("{name} ({backend})"), software: device_type == DeviceType::Cpu })
    })
}
