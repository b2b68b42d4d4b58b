//! Vision Transformers: the engine for inference on the CPU and the burn module for training and WebGPU.

pub mod cpu;
#[cfg(feature = "nn")]
pub mod module;
