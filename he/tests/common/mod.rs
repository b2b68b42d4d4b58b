//! What several tests share: repeatable pseudo-random integers and the sum a head stands for.
#![allow(dead_code, clippy::unwrap_used)]

use he::{EncryptedHead, GLWE_2048_TU17};

/// SplitMix64: test data only.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `count` integers within ±limit.
    pub fn within(&mut self, count: usize, limit: i16) -> Vec<i16> {
        let span = 2 * limit as u64 + 1;
        (0..count).map(|_| (self.word() % span) as i16 - limit).collect()
    }
}

/// A head in the clear.
pub struct Head {
    pub classes: usize,
    pub dim: usize,
    pub weights: Vec<i16>,
    pub bias: Vec<i64>,
}

impl Head {
    pub fn random(numbers: &mut Numbers, classes: usize, dim: usize, limit: i16) -> Self {
        let weights = numbers.within(classes * dim, limit);
        let bias = (0..classes).map(|_| (numbers.word() % 2_000_001) as i64 - 1_000_000).collect();
        Self { classes, dim, weights, bias }
    }

    pub fn encrypted(&self) -> EncryptedHead {
        EncryptedHead::derive(&GLWE_2048_TU17, self.classes, self.dim, &self.weights, &self.bias).unwrap()
    }

    pub fn row(&self, class: usize) -> &[i16] {
        &self.weights[class * self.dim..][..self.dim]
    }

    /// Σ w·x + bias, the plain way.
    pub fn logits(&self, values: &[i16]) -> Vec<i64> {
        let dot = |row: &[i16]| row.iter().zip(values).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum::<i64>();
        self.weights.chunks(self.dim).zip(&self.bias).map(|(row, bias)| dot(row) + bias).collect()
    }
}
