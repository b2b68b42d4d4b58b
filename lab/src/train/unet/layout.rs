//! The U-Net's parameters in one flat vector, under the names of [`models::unet`].

use anyhow::Result;
use models::{TensorMap, unet::UnetConfig};

use crate::train::params::{Builder, Slot, Table};

/// The slots of a residual block, in order of use.
#[derive(Clone, Debug)]
pub struct ResidualSlots {
    /// First norm, over the block's inputs.
    pub norm1: [Slot; 2],
    /// First convolution, from inputs to outputs.
    pub conv1: [Slot; 2],
    /// From the time embedding to a value for each output.
    pub time: [Slot; 2],
    /// Second norm.
    pub norm2: [Slot; 2],
    /// Second convolution.
    pub conv2: [Slot; 2],
    /// From the inputs to the outputs, where they differ in number.
    pub skip: Option<[Slot; 2]>,
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct UnetLayout {
    /// Geometry.
    pub config: UnetConfig,
    /// The two layers of the time embedding.
    pub time: [[Slot; 2]; 2],
    /// First convolution.
    pub stem: [Slot; 2],
    /// Down from the finest level, middle, up from the coarsest: 2 · levels + 1 blocks.
    pub blocks: Vec<ResidualSlots>,
    /// Last norm.
    pub out_norm: [Slot; 2],
    /// Last convolution.
    pub out_conv: [Slot; 2],
    /// Every slot.
    pub table: Table,
}

impl UnetLayout {
    /// The layout of a U-Net of this geometry.
    pub fn new(config: &UnetConfig) -> Self {
        let (widths, e, folded) = (&config.widths, config.time_dim, config.folded());
        let last = widths.len() - 1;
        let mut b = Builder::default();
        let time = [b.pair("time.fc1", &[e, e]), b.pair("time.fc2", &[e, e])];
        let stem = b.pair("stem", &[widths[0], folded, 3, 3]);
        let mut block = |name: String, inputs, outputs| residual(&mut b, &name, [inputs, outputs], e);
        let mut blocks = Vec::new();
        for (i, width) in widths.iter().enumerate() {
            blocks.push(block(format!("down.{i}"), widths[i.saturating_sub(1)], *width));
        }
        blocks.push(block("mid".into(), widths[last], widths[last]));
        for (i, width) in widths.iter().enumerate().rev() {
            blocks.push(block(format!("up.{i}"), widths[last.min(i + 1)] + width, *width));
        }
        let out_norm = b.pair("out.norm", &widths[..1]);
        let out_conv = b.pair("out.conv", &[folded, widths[0], 3, 3]);
        Self { config: config.clone(), time, stem, blocks, out_norm, out_conv, table: b.table() }
    }

    /// A random start: matrices and kernels normal with a variance of 1 over the number of their inputs; the last
    /// convolution of every block and of the network zero, so that each block passes on what it gets (Ho et al. 2020).
    pub fn random(&self, seed: u64) -> Vec<f32> {
        let mut flat = self.table.random(seed);
        for slot in self.table.slots.iter().filter(|slot| slot.decays()) {
            let ends = slot.name.ends_with("conv2.weight") || slot.name == "out.conv.weight";
            let inputs = slot.shape[1..].iter().product::<usize>() as f32;
            // The table's own are normal with σ = 0.02.
            let scale = if ends { 0.0 } else { 50.0 / inputs.sqrt() };
            slot.of_mut(&mut flat).iter_mut().for_each(|v| *v *= scale);
        }
        flat
    }

    /// The level of resolution of a block, 0 for the finest.
    pub(super) fn level(&self, index: usize) -> usize {
        let levels = self.config.levels();
        if index > levels { 2 * levels - index } else { index.min(levels - 1) }
    }

    /// Channels from below and from across that are joined on the way up.
    pub(super) fn joined(&self, level: usize) -> [usize; 2] {
        let widths = &self.config.widths;
        [widths[(level + 1).min(widths.len() - 1)], widths[level]]
    }

    /// Copies `map` over `flat`.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape.
    pub fn load(&self, map: &TensorMap, flat: &mut [f32]) -> Result<()> {
        self.table.load(map, flat, |_| false).map(|_| ())
    }

    /// The tensors of `flat`.
    pub fn tensors(&self, flat: &[f32]) -> TensorMap {
        self.table.tensors(flat, |_| true)
    }
}

fn residual(b: &mut Builder, name: &str, [inputs, outputs]: [usize; 2], time: usize) -> ResidualSlots {
    ResidualSlots {
        norm1: b.pair(&format!("{name}.norm1"), &[inputs]),
        conv1: b.pair(&format!("{name}.conv1"), &[outputs, inputs, 3, 3]),
        time: b.pair(&format!("{name}.time"), &[outputs, time]),
        norm2: b.pair(&format!("{name}.norm2"), &[outputs]),
        conv2: b.pair(&format!("{name}.conv2"), &[outputs, outputs, 3, 3]),
        skip: (inputs != outputs).then(|| b.pair(&format!("{name}.skip"), &[outputs, inputs, 1, 1])),
    }
}
