//! Vision Transformers: the engine for inference on the CPU and the burn module for training and WebGPU.

#[cfg(feature = "nn")]
pub(crate) mod burn_load;
pub mod cpu;
#[cfg(feature = "nn")]
pub mod module;
