//! All parameters of the network in one flat vector, with the place of each timm tensor in it.
//!
//! One vector makes the optimiser, the moving average, gradient clipping and checkpoints loops over `f32`.

use anyhow::{Context, Result, ensure};
use models::{
    config::VitConfig,
    weights::{Tensor, TensorMap},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One tensor's place in the flat vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// timm name.
    pub name: String,
    /// PyTorch shape.
    pub shape: Vec<usize>,
    /// First index in the flat vector.
    pub start: usize,
    /// Number of values.
    pub len: usize,
    /// 0 for the embedding, i+1 for block i, depth+1 for the last norm and the head (layer-wise learning rates).
    pub layer: usize,
}

impl Slot {
    /// Weight decay applies to matrices only, not to biases, norms, the CLS token or positions.
    pub fn decays(&self) -> bool {
        self.name.ends_with(".weight") && self.shape.len() > 1
    }

    /// The slot's values in `flat`.
    pub fn of<'a>(&self, flat: &'a [f32]) -> &'a [f32] {
        &flat[self.start..self.start + self.len]
    }

    /// The slot's values in `flat`, to be changed.
    pub fn of_mut<'a>(&self, flat: &'a mut [f32]) -> &'a mut [f32] {
        &mut flat[self.start..self.start + self.len]
    }
}

/// The slots of one block, in order of use.
#[derive(Clone, Debug)]
pub struct BlockSlots {
    /// norm1 γ, β.
    pub norm1: [Slot; 2],
    /// Fused q, k, v: weight [3d, d] and bias.
    pub qkv: [Slot; 2],
    /// Output projection of the attention.
    pub proj: [Slot; 2],
    /// norm2 γ, β.
    pub norm2: [Slot; 2],
    /// First layer of the MLP.
    pub fc1: [Slot; 2],
    /// Second layer of the MLP.
    pub fc2: [Slot; 2],
}

/// Where everything lies.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Geometry.
    pub config: VitConfig,
    /// Classes of the training head.
    pub classes: usize,
    /// CLS token [1, 1, d].
    pub cls: Slot,
    /// Positions [1, tokens, d].
    pub pos: Slot,
    /// Patch embedding: weight [d, channels, p, p], bias.
    pub patch: [Slot; 2],
    /// Blocks.
    pub blocks: Vec<BlockSlots>,
    /// Last norm.
    pub norm: [Slot; 2],
    /// Training head [classes, d].
    pub head: [Slot; 2],
    /// Length of the flat vector.
    pub len: usize,
    /// Every slot.
    pub table: Table,
}

/// Lays slots one after another.
#[derive(Default)]
pub(super) struct Builder {
    slots: Vec<Slot>,
    next: usize,
    pub(super) layer: usize,
}

impl Builder {
    pub(super) fn slot(&mut self, name: &str, shape: &[usize]) -> Slot {
        let len = shape.iter().product();
        let slot = Slot { name: name.into(), shape: shape.to_vec(), start: self.next, len, layer: self.layer };
        self.next += len;
        self.slots.push(slot.clone());
        slot
    }

    pub(super) fn pair(&mut self, name: &str, weight: &[usize]) -> [Slot; 2] {
        [self.slot(&format!("{name}.weight"), weight), self.slot(&format!("{name}.bias"), &weight[..1])]
    }

    /// A block of width `d` with a hidden layer of `m`.
    pub(super) fn block(&mut self, name: &str, d: usize, m: usize) -> BlockSlots {
        BlockSlots {
            norm1: self.pair(&format!("{name}.norm1"), &[d]),
            qkv: self.pair(&format!("{name}.attn.qkv"), &[3 * d, d]),
            proj: self.pair(&format!("{name}.attn.proj"), &[d, d]),
            norm2: self.pair(&format!("{name}.norm2"), &[d]),
            fc1: self.pair(&format!("{name}.mlp.fc1"), &[m, d]),
            fc2: self.pair(&format!("{name}.mlp.fc2"), &[d, m]),
        }
    }

    /// CLS token, positions and patch embedding of an encoder.
    pub(super) fn embedding(&mut self, c: &VitConfig) -> (Slot, Slot, [Slot; 2]) {
        let cls = self.slot("cls_token", &[1, 1, c.dim]);
        let pos = self.slot("pos_embed", &[1, c.tokens(), c.dim]);
        (cls, pos, self.pair("patch_embed.proj", &[c.dim, c.in_channels, c.patch_size, c.patch_size]))
    }

    /// The blocks of an encoder, each a layer of its own.
    pub(super) fn blocks(&mut self, c: &VitConfig) -> Vec<BlockSlots> {
        let block = |i| {
            self.layer = i + 1;
            self.block(&format!("blocks.{i}"), c.dim, c.mlp_dim)
        };
        (0..c.depth).map(block).collect()
    }

    pub(super) fn table(self) -> Table {
        Table { slots: self.slots, len: self.next, top: self.layer }
    }
}

/// Every slot of a network, in the order of its flat vector.
#[derive(Clone, Debug)]
pub struct Table {
    /// The slots.
    pub slots: Vec<Slot>,
    /// Length of the flat vector.
    pub len: usize,
    /// The highest layer, which learns at the full rate.
    pub top: usize,
}

impl Table {
    /// Random start: normal σ=0.02 for matrices, tokens and positions, ones and zeros elsewhere (as timm).
    pub fn random(&self, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut flat = vec![0.0; self.len];
        for slot in &self.slots {
            let values = slot.of_mut(&mut flat);
            if slot.name.contains("norm") && slot.name.ends_with(".weight") {
                values.fill(1.0);
            } else if !slot.name.ends_with(".bias") {
                values.iter_mut().for_each(|v| *v = 0.02 * normal(&mut rng));
            }
        }
        flat
    }

    /// Copies what `map` holds over `flat`; tensors that are `optional` by their name only where they are there and fit.
    /// Returns the number of tensors copied.
    ///
    /// # Errors
    /// Where another tensor is missing or has another shape.
    pub fn load(&self, map: &TensorMap, flat: &mut [f32], optional: impl Fn(&str) -> bool) -> Result<usize> {
        let mut copied = 0;
        for slot in &self.slots {
            match map.get(&slot.name, &slot.shape) {
                Ok(tensor) => {
                    slot.of_mut(flat).copy_from_slice(&tensor.data);
                    copied += 1;
                }
                Err(_) if optional(&slot.name) => {}
                Err(error) => return Err(error).context("these weights do not fit the network"),
            }
        }
        Ok(copied)
    }

    /// The tensors of `flat` whose names are `wanted`.
    pub fn tensors(&self, flat: &[f32], wanted: impl Fn(&str) -> bool) -> TensorMap {
        let mut map = TensorMap::default();
        for slot in self.slots.iter().filter(|slot| wanted(&slot.name)) {
            let (shape, data) = (slot.shape.clone(), slot.of(flat).to_vec());
            map.insert(slot.name.clone(), Tensor { shape, data });
        }
        map
    }

    /// Checks that a vector belongs to this network.
    ///
    /// # Errors
    /// Where its length is another one.
    pub fn check(&self, flat: &[f32]) -> Result<()> {
        ensure!(
            flat.len() == self.len,
            "expected {} parameters, found {}: the file is of another geometry",
            self.len,
            flat.len()
        );
        Ok(())
    }
}

impl Layout {
    /// The layout of an encoder of this geometry with a head of `classes`.
    pub fn new(config: &VitConfig, classes: usize) -> Self {
        let mut b = Builder::default();
        let (cls, pos, patch) = b.embedding(config);
        let blocks = b.blocks(config);
        b.layer = config.depth + 1;
        let norm = b.pair("norm", &[config.dim]);
        let head = b.pair("head", &[classes, config.dim]);
        let table = b.table();
        Self { config: config.clone(), classes, cls, pos, patch, blocks, norm, head, len: table.len, table }
    }

    /// Every slot, in the order of the flat vector.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.table.slots.iter()
    }

    /// A random start, as [`Table::random`].
    pub fn random(&self, seed: u64) -> Vec<f32> {
        self.table.random(seed)
    }

    /// Copies what `map` holds over `flat`; the head only where its shape fits. Returns the number of tensors copied.
    ///
    /// # Errors
    /// Where a tensor of the encoder is missing or has another shape.
    pub fn load(&self, map: &TensorMap, flat: &mut [f32]) -> Result<usize> {
        self.table.load(map, flat, |name| name.starts_with("head."))
    }

    /// The tensors of `flat` under their timm names, without the training head unless `with_head`.
    pub fn tensors(&self, flat: &[f32], with_head: bool) -> TensorMap {
        self.table.tensors(flat, |name| with_head || !name.starts_with("head."))
    }

    /// Checks that a vector belongs to this layout.
    ///
    /// # Errors
    /// Where its length is another one.
    pub fn check(&self, flat: &[f32]) -> Result<()> {
        self.table.check(flat)
    }
}

/// A standard normal number (Box and Muller).
pub fn normal(rng: &mut impl Rng) -> f32 {
    let (u, v): (f32, f32) = (rng.random_range(f32::EPSILON..1.0), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}
