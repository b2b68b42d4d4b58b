//! The eight ways in which a square tile can lie, so that its sides do not tell which way is up.

use rand::Rng;

/// One of the eight flips and rotations of a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn(u8);

impl Turn {
    /// All of them.
    pub const ALL: [Self; 8] = [Self(0), Self(1), Self(2), Self(3), Self(4), Self(5), Self(6), Self(7)];

    /// One of them, each as likely.
    pub fn random(rng: &mut impl Rng) -> Self {
        Self::ALL[rng.random_range(0..Self::ALL.len())]
    }

    /// A tile `[C, side, side]`, turned.
    pub fn apply(self, side: usize, tile: &[f32]) -> Vec<f32> {
        let channels = tile.chunks_exact(side * side);
        channels.flat_map(|channel| (0..side * side).map(|at| channel[self.source(side, at)])).collect()
    }

    /// Turns a tile `[C, side, side]` back.
    pub fn undo(self, side: usize, tile: &[f32]) -> Vec<f32> {
        let mut back = vec![0.0; tile.len()];
        for (back, channel) in back.chunks_exact_mut(side * side).zip(tile.chunks_exact(side * side)) {
            for (at, value) in channel.iter().enumerate() {
                back[self.source(side, at)] = *value;
            }
        }
        back
    }

    /// Where the pixel at `at` comes from: perhaps upside down, perhaps mirrored, perhaps with rows and columns exchanged.
    fn source(self, side: usize, at: usize) -> usize {
        let flip = |bit: u8, at: usize| if self.0 & bit == 0 { at } else { side - 1 - at };
        let (row, column) = (flip(1, at / side), flip(2, at % side));
        if self.0 & 4 == 0 { row * side + column } else { column * side + row }
    }
}
