//! Which patches the encoder sees.

use crate::ModelError;

/// Most masks of one image.
pub const MAX_MASKS: usize = 16;

/// Patches that the encoder sees and patches that the decoder draws, by their place in the image, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Patches that the encoder sees, ascending.
    pub visible: Vec<usize>,
    /// Patches that the decoder draws, ascending.
    pub masked: Vec<usize>,
}

impl Mask {
    /// The mask of `patches` patches that leaves `visible` to be seen; the order and repetitions do not matter.
    pub fn seeing(visible: &[usize], patches: usize) -> Self {
        let (visible, masked) = (0..patches).partition(|patch| visible.contains(patch));
        Self { visible, masked }
    }

    /// `count` masks of `patches` patches whose visible sets part the image: each patch is seen once and drawn `count - 1` times.
    /// The sets' sizes differ by one at most. The same arguments give the same masks on every machine.
    pub fn complementary(seed: u64, count: usize, patches: usize) -> Vec<Self> {
        let order = shuffled(seed, patches);
        let visible = |index: usize| order.iter().skip(index).step_by(count).copied().collect::<Vec<_>>();
        (0..count).map(|index| Self::seeing(&visible(index), patches)).collect()
    }

    /// Checks that the mask parts `patches` patches and that something is seen and something drawn.
    pub(crate) fn check(&self, patches: usize) -> Result<(), ModelError> {
        let parted = *self == Self::seeing(&self.visible, patches);
        if !parted || self.visible.is_empty() || self.masked.is_empty() {
            return Err(ModelError::Examination { reason: format!("the mask does not part the image's {patches} patches") });
        }
        Ok(())
    }
}

/// 0..count in an order drawn from the seed (Fisher–Yates).
fn shuffled(seed: u64, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = seed;
    for last in (1..count).rev() {
        let draw = u128::from(split_mix(&mut state)) * (last as u128 + 1);
        order.swap(last, (draw >> 64) as usize);
    }
    order
}

/// The next number of SplitMix64.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
