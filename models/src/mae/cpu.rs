//! The masked autoencoder on the CPU engine.

use super::{MaeConfig, Mask};
use crate::{
    ModelError, TensorMap,
    vit::cpu::{Block, CpuTokens, CpuVit, Linear, Norm, Output, Projected, Rows, Space, Widths, load},
};

/// A masked autoencoder, ready to run.
pub struct CpuMae {
    config: MaeConfig,
    encoder: CpuVit,
    embed: Linear,
    /// CLS's position `[dim]` and those of the patches.
    positions: Vec<f32>,
    /// The token of each patch when it is hidden `[patches, dim]`, position added: the same in every image.
    hidden: Vec<f32>,
    /// What the first block makes of the hidden tokens.
    projected: Projected,
    blocks: Vec<Block>,
    norm: Norm,
    predict: Linear,
}

/// One image as the encoder sees it under some masks, on its way through the encoder.
pub struct CpuSight {
    tokens: CpuTokens,
    /// Values of the tokens under one mask.
    width: usize,
    /// Blocks that were run.
    blocks: usize,
}

impl CpuMae {
    /// Takes the network's tensors (the names of the authors of MAE) out of `weights` one by one.
    ///
    /// # Errors
    /// [`ModelError::BadConfig`] for sizes that are not run; [`ModelError::MissingTensor`] or [`ModelError::WrongShape`]
    /// where the weights are of another architecture.
    pub fn load(config: &MaeConfig, mut weights: TensorMap) -> Result<Self, ModelError> {
        config.validate()?;
        let (widths, dim) = (config.decoder_widths(), config.decoder_dim);
        let encoder = CpuVit::take(&config.encoder, &mut weights)?;
        let mask_token = load::take(&mut weights, "mask_token", &[1, 1, dim])?;
        let positions = load::take(&mut weights, "decoder_pos_embed", &[1, config.encoder.tokens(), dim])?;
        let blocks = load::blocks(&mut weights, "decoder_blocks", config.decoder_depth, widths)?;
        let hidden: Vec<f32> =
            positions[dim..].iter().zip(mask_token.iter().cycle()).map(|(place, token)| place + token).collect();
        Ok(Self {
            projected: blocks[0].project(&hidden),
            embed: load::linear(&mut weights, "decoder_embed", config.encoder.dim, dim)?,
            norm: load::norm(&mut weights, "decoder_norm", widths)?,
            predict: load::linear(&mut weights, "decoder_pred", dim, config.encoder.patch_len())?,
            config: config.clone(),
            encoder,
            positions,
            hidden,
            blocks,
        })
    }

    /// Sizes of the network.
    pub const fn config(&self) -> &MaeConfig {
        &self.config
    }

    /// Draws the masked patches of an input `[channels, size, size]`: `[masked, patch_len]` in the order of `mask.masked`, each in the
    /// units of [`super::targets`].
    ///
    /// # Errors
    /// [`ModelError::InputLength`] or [`ModelError::Examination`] where the input or the mask has another size.
    pub fn reconstruct(&self, input: &[f32], mask: &Mask) -> Result<Vec<f32>, ModelError> {
        let mut sight = self.see(input, std::slice::from_ref(mask))?;
        (0..self.config.encoder.depth).for_each(|_| self.look(&mut sight));
        self.draw(&sight, 0, mask)
    }

    /// Embeds an input `[channels, size, size]` and takes what each of the masks lets be seen.
    ///
    /// # Errors
    /// [`ModelError::InputLength`] where the input has another length, [`ModelError::Examination`] where a mask does not part the
    /// patches or the masks show different numbers of them.
    pub fn see(&self, input: &[f32], masks: &[Mask]) -> Result<CpuSight, ModelError> {
        masks.iter().try_for_each(|mask| mask.check(self.config.patches()))?;
        let seen = masks.first().map_or(0, |mask| mask.visible.len());
        if masks.is_empty() || masks.iter().any(|mask| mask.visible.len() != seen) {
            return Err(refuse("the masks do not show the same number of patches".into()));
        }
        let (patches, dim) = (self.encoder.embed_patches(input)?, self.config.encoder.dim);
        let mut values = Vec::with_capacity(masks.len() * (1 + seen) * dim);
        for mask in masks {
            values.extend(self.encoder.embedded_cls());
            mask.visible.iter().for_each(|patch| values.extend_from_slice(&patches[patch * dim..(patch + 1) * dim]));
        }
        Ok(CpuSight { tokens: self.encoder.together(masks.len(), values), width: (1 + seen) * dim, blocks: 0 })
    }

    /// Runs the next block of the encoder, for all masks; nothing where all were run.
    pub fn look(&self, sight: &mut CpuSight) {
        if sight.blocks < self.config.encoder.depth {
            self.encoder.whole_block(sight.blocks, &mut sight.tokens);
            sight.blocks += 1;
        }
    }

    /// Draws what mask `index` of [`Self::see`], which is `mask`, hides; as [`Self::reconstruct`].
    ///
    /// # Errors
    /// [`ModelError::Examination`] where [`Self::look`] has not run every block, or the mask is not the one.
    pub fn draw(&self, sight: &CpuSight, index: usize, mask: &Mask) -> Result<Vec<f32>, ModelError> {
        mask.check(self.config.patches())?;
        let seen = sight.tokens.values().chunks_exact(sight.width).nth(index);
        let seen = seen.filter(|seen| seen.len() == (1 + mask.visible.len()) * self.config.encoder.dim);
        let seen = seen.ok_or_else(|| refuse(format!("the encoder was not shown mask {index}")))?;
        if sight.blocks < self.config.encoder.depth {
            return Err(refuse(format!("{} of {} blocks were run", sight.blocks, self.config.encoder.depth)));
        }
        let mut tokens = self.decoder_tokens(seen, mask);
        let (all, drawn, dim) = (self.config.encoder.tokens(), mask.masked.len(), self.config.decoder_dim);
        let mut space = Space::new(1, all, self.config.decoder_widths());
        space.recall(&self.projected, &mask.masked);
        for (index, block) in self.blocks.iter().enumerate() {
            let known = if index == 0 { drawn } else { 0 };
            let wanted = if index + 1 == self.blocks.len() { drawn } else { all };
            block.run_known(&mut tokens, [known, wanted], &mut space);
        }
        let mut normal = vec![0.0; drawn * dim];
        self.norm.apply(&tokens[..drawn * dim], &mut normal);
        let width = self.config.encoder.patch_len();
        let mut pixels = vec![0.0; drawn * width];
        let rows = Rows { data: &normal, stride: dim, count: drawn };
        self.predict.apply(rows, Output { data: &mut pixels, stride: width });
        Ok(pixels)
    }

    /// The decoder's tokens `[tokens, decoder_dim]` with positions, from the encoder's `seen`. The masked patches come first, then CLS
    /// and the visible ones: attention does not mind the order, and the last block is wanted for the masked patches only.
    fn decoder_tokens(&self, seen: &[f32], mask: &Mask) -> Vec<f32> {
        let (dim, width) = (self.config.decoder_dim, self.config.encoder.dim);
        let row = |rows: &'_ [f32], index: usize| rows[index * dim..(index + 1) * dim].to_vec();
        let mut tokens: Vec<f32> = mask.masked.iter().flat_map(|patch| row(&self.hidden, *patch)).collect();
        let places = [0].into_iter().chain(mask.visible.iter().map(|patch| patch + 1));
        tokens.extend(places.flat_map(|place| row(&self.positions, place)));
        let known = Output { data: &mut tokens[mask.masked.len() * dim..], stride: dim };
        self.embed.add(Rows { data: seen, stride: width, count: seen.len() / width }, known);
        tokens
    }
}

impl MaeConfig {
    fn decoder_widths(&self) -> Widths {
        let eps = self.encoder.layer_norm_eps as f32;
        Widths { dim: self.decoder_dim, heads: self.decoder_heads, hidden: self.decoder_mlp_dim, eps }
    }
}

fn refuse(reason: String) -> ModelError {
    ModelError::Examination { reason }
}
