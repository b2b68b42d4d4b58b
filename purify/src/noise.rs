//! The forward noise that is laid over pixels before anything leaves the device (DDPM, Ho et al. 2020, arXiv 2006.11239).

use models::Schedule;
use models::purifier::add_noise;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, StandardNormal};
use wire::tile::to_fixed;
use zeroize::Zeroizing;

/// Draws from ChaCha20, so that who sees some of the noise cannot tell the rest.
pub struct Noise(ChaCha20Rng);

impl Noise {
    /// Noise of a seed. The seed must be random, secret, and used for one image only.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Standard normal values.
    pub fn normal(&mut self, values: usize) -> Zeroizing<Vec<f32>> {
        Zeroizing::new(StandardNormal.sample_iter(&mut self.0).take(values).collect())
    }

    /// Pixels of 0 to 1 at noise level `t` of 1 to 1,000, in fixed point of diffusion units.
    pub fn noised(&mut self, schedule: Schedule, pixels: &[f32], t: u16) -> Vec<i16> {
        let noise = self.normal(pixels.len());
        add_noise(schedule, pixels, &noise, t).into_iter().map(to_fixed).collect()
    }

    /// A tile's id.
    pub(crate) fn id(&mut self) -> [u8; 8] {
        self.0.next_u64().to_le_bytes()
    }

    /// The source of every other random choice.
    pub(crate) fn rng(&mut self) -> &mut ChaCha20Rng {
        &mut self.0
    }
}
