//! The encoder on the CPU or on WebGPU, behind one face: each build holds one of them.

use models::{TensorMap, VitConfig};
use web_sys::AbortSignal;

use crate::error::ClientError;
use crate::pause;

/// Where the encoder runs.
pub enum Backend {
    /// The engine in this WebAssembly module, on one thread.
    #[cfg(not(feature = "webgpu"))]
    Cpu(models::CpuVit),
    /// The burn module on the browser's WebGPU device.
    #[cfg(feature = "webgpu")]
    WebGpu(WebGpuVit),
}

/// The burn module and its device.
#[cfg(feature = "webgpu")]
pub struct WebGpuVit {
    module: models::vit::module::Vit,
    device: burn::tensor::Device,
}

impl Backend {
    /// Loads an encoder: on WebGPU in the build that has it, else on the CPU.
    ///
    /// # Errors
    /// `corrupt-pack` where the weights do not fit the card; `internal` where the device cannot be had.
    pub async fn load(config: &VitConfig, weights: TensorMap) -> Result<Self, ClientError> {
        #[cfg(feature = "webgpu")]
        {
            let device = burn::tensor::Device::wgpu_options()
                .init_async()
                .await
                .map_err(|error| ClientError::internal(format!("WebGPU gave no device: {error}")))?;
            let module = config.init(&device).load(&weights, &device)?;
            Ok(Self::WebGpu(WebGpuVit { module, device }))
        }
        #[cfg(not(feature = "webgpu"))]
        Ok(Self::Cpu(models::CpuVit::load(config, weights)?))
    }

    /// The WebGPU device, for what else runs on it.
    #[cfg(feature = "webgpu")]
    pub fn device(&self) -> &burn::tensor::Device {
        let Self::WebGpu(WebGpuVit { device, .. }) = self;
        device
    }

    /// Short name of the backend.
    pub fn name(&self) -> &'static str {
        match self {
            #[cfg(not(feature = "webgpu"))]
            Self::Cpu(_) => "cpu",
            #[cfg(feature = "webgpu")]
            Self::WebGpu(_) => "webgpu",
        }
    }

    /// Encodes a normalised image `[C, H, W]` into its CLS token `[D]`; `progress` hears the share that is done.
    ///
    /// # Errors
    /// `cancelled`, between two blocks.
    pub async fn encode(&self, input: &[f32], signal: &AbortSignal, progress: impl Fn(f64)) -> Result<Vec<f32>, ClientError> {
        match self {
            #[cfg(not(feature = "webgpu"))]
            Self::Cpu(vit) => {
                let mut tokens = vit.embed(input)?;
                for block in 0..vit.depth() {
                    vit.block(block, &mut tokens);
                    progress((block + 1) as f64 / vit.depth() as f64);
                    pause::turn(signal).await?;
                }
                Ok(vit.cls(&tokens))
            }
            #[cfg(feature = "webgpu")]
            Self::WebGpu(vit) => {
                let cls = vit.module.encode(input, &vit.device).await?;
                pause::turn(signal).await?;
                progress(1.0);
                Ok(cls)
            }
        }
    }
}
