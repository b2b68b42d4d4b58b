//! `lab train`.

mod encoder;
mod mae;
mod purifier;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Subcommand;
use models::{TensorMap, VitConfig, preprocess::Preprocess};

use crate::{
    attack::network::Network,
    data::Split,
    train::{
        init,
        run::{Folder, Summary},
        step::Images,
    },
};

/// What to train.
#[derive(Subcommand)]
pub enum Train {
    /// Train a ViT encoder on labelled images.
    Encoder(Box<encoder::Encoder>),
    /// Train a masked autoencoder on the same images, for a pack's detector.
    Mae(Box<mae::Mae>),
    /// Train a diffusion U-Net on clean images, for a pack's purifier.
    Purifier(Box<purifier::Purifier>),
}

/// Weights of an encoder of another geometry, fitted to `config`, and what they are in words. `init` names a safetensors
/// file or a model pack; `layers` the blocks to keep, evenly spread where none is named.
fn fitted(init: &Path, layers: &[usize], config: &VitConfig) -> Result<(TensorMap, String)> {
    let source = if init.is_dir() {
        let (network, _) = Network::load(init)?;
        network.layout.tensors(&network.weights, true)
    } else {
        read_weights(init)?
    };
    let depth = (0..).take_while(|i| source.find(&format!("blocks.{i}.norm1.weight")).is_some()).count();
    let layers = if layers.is_empty() { init::spread_layers(depth, config.depth) } else { layers.to_vec() };
    let map = init::adapt(&source, config, &layers)?;
    let name = init.file_name().unwrap_or_default().to_string_lossy();
    let kept = if depth == config.depth { String::new() } else { format!(", blocks {layers:?}") };
    Ok((map, format!("{name}{kept}")))
}

/// Reads a weights file.
///
/// # Errors
/// Where it is missing or none.
pub fn read_weights(path: &Path) -> Result<TensorMap> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the weights {}", path.display()))?;
    TensorMap::from_safetensors(&bytes).with_context(|| format!("{} is no weights file", path.display()))
}

/// Reads the settings and outcome of a finished run.
///
/// # Errors
/// Where there is none.
pub fn read_summary(folder: &Folder) -> Result<Summary> {
    let path = folder.summary();
    let text = std::fs::read(&path).with_context(|| format!("no finished run: {} is missing", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// The images of a split as the encoder sees them.
///
/// # Errors
/// Where a file is no image.
pub fn images(split: &Split, preprocess: &Preprocess) -> Result<Images> {
    let classes = split.samples.iter().map(|s| s.class).collect();
    Ok(Images { pixels: split.pixels(preprocess)?, classes })
}

/// Runs `train`.
///
/// # Errors
/// Where data, weights or settings do not fit.
pub fn main(command: Train) -> Result<()> {
    match command {
        Train::Encoder(args) => args.run(),
        Train::Mae(args) => args.run(),
        Train::Purifier(args) => args.run(),
    }
}
