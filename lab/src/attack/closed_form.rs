//! The closed form: what a gradient of the patch embedding says about the image, exactly.
//!
//! For one image the patch embedding gives `z_p = W x_p + b + pos_p`, so its gradients are `G = ∂L/∂W = Σ_p δ_p x_pᵀ` and
//! `∂L/∂pos_p = δ_p`: whoever trains the positions too sends every δ_p along. With Δ [patches, d] of rows δ_p that is the linear system
//! `Δᵀ X = G` for the patches X [patches, pixels]. It has exactly one solution where Δ has full row rank, which needs
//! `patches ≤ d` (64 ≤ 192 here); beyond that the least-norm solution is a projection. No optimisation, no prior, no label.
//!
//! Of a batch only sums over its images arrive: `G = Σ_b Δ_bᵀ X_b` beside `Σ_b Δ_b`. The same solve then gives a mixture of the images in which
//! those weigh most whose δ are largest (the ones that the network gets most wrong).
//!
//! Lu et al. 2022 (APRIL) solve the same kind of system at the first attention. In a pre-norm encoder the positions' gradient holds the
//! residual's and the norm's part besides the attention's, so theirs is not exact here; one layer further down it is.

use anyhow::{Result, ensure};
use nalgebra::DMatrix;

use super::network::Network;

/// Singular values below this share of the largest are noise of `f32` sums and left out.
const RELATIVE_NOISE: f64 = 1e-7;

/// What the closed form gives.
pub struct Solved {
    /// The image, CHW; in 0..=1 where it is exact.
    pub image: Vec<f32>,
    /// Rank of Δ above the noise: the image is exact where it is the number of patches.
    pub rank: usize,
    /// Largest over smallest singular value of Δ.
    pub condition: f64,
}

/// Solves for the image from a gradient of all parameters.
///
/// # Errors
/// Where the gradient of the positions is zero: they were frozen, or not sent.
pub fn solve(network: &Network, gradient: &[f32]) -> Result<Solved> {
    let c = &network.layout.config;
    let (d, width, patches) = (c.dim, c.patch_len(), c.tokens() - 1);
    let deltas = &network.layout.pos.of(gradient)[d..];
    ensure!(deltas.iter().any(|v| *v != 0.0), "there is no gradient of the positions, and the closed form needs it");
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    // Column-major d × patches is Δᵀ as it lies in memory.
    let system = DMatrix::from_vec(d, patches, wide(deltas));
    let target = DMatrix::from_row_slice(d, width, &wide(network.layout.patch[0].of(gradient)));
    let parts = system.svd(true, true);
    let (first, last) = (parts.singular_values.max(), parts.singular_values.min());
    let threshold = RELATIVE_NOISE * first;
    let rank = parts.rank(threshold);
    let solution = parts.solve(&target, threshold).map_err(anyhow::Error::msg)?;
    let rows: Vec<f32> = solution.transpose().iter().map(|v| *v as f32).collect();
    let image = network.denormalise(&network.image_of_patches(&rows));
    Ok(Solved { image, rank, condition: first / last.max(f64::MIN_POSITIVE) })
}

/// The label of a single image, read from the gradient of the head's bias: `softmax − one-hot` is negative only there (Zhao et al. 2020).
pub fn label(network: &Network, gradient: &[f32]) -> usize {
    let bias = network.layout.head[1].of(gradient);
    (0..bias.len()).fold(0, |best, class| if bias[class] < bias[best] { class } else { best })
}

/// The CLS token of a single image from the gradient of the head alone: `∂L/∂W_c = (∂L/∂b_c) · token`, solved at the largest bias gradient.
pub fn token(network: &Network, gradient: &[f32]) -> Vec<f32> {
    let bias = network.layout.head[1].of(gradient);
    let class = (0..bias.len()).fold(0, |best, c| if bias[c].abs() > bias[best].abs() { c } else { best });
    let d = network.layout.config.dim;
    network.layout.head[0].of(gradient)[class * d..][..d].iter().map(|w| w / bias[class]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{
        fidelity::psnr,
        network::tests::{image, tiny},
    };

    #[test]
    fn one_image_is_rebuilt_exactly_in_grey_and_in_colour() {
        for channels in [1, 3] {
            let network = tiny(channels);
            let image = image(&network, 7);
            let gradient = network.gradient(&[&image], &[1]);
            let solved = solve(&network, &gradient).unwrap();
            assert_eq!(solved.rank, 16);
            assert!(psnr(&image, &solved.image) > 50.0, "{} dB", psnr(&image, &solved.image));
            assert_eq!(label(&network, &gradient), 1);
        }
    }

    #[test]
    fn the_gradient_of_the_head_is_the_token() {
        let network = tiny(1);
        let image = image(&network, 8);
        let found = token(&network, &network.gradient(&[&image], &[0]));
        let truth = &network.tokens(&[image])[0];
        assert!(found.iter().zip(truth).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn a_batch_gives_a_mixture_and_no_exact_image() {
        let network = tiny(1);
        let images: Vec<Vec<f32>> = (0..4).map(|seed| image(&network, seed)).collect();
        let views: Vec<&[f32]> = images.iter().map(Vec::as_slice).collect();
        let solved = solve(&network, &network.gradient(&views, &[0, 1, 0, 1])).unwrap();
        assert!(images.iter().all(|image| psnr(image, &solved.image) < 30.0));
    }

    #[test]
    fn without_the_positions_gradient_it_says_so() {
        let network = tiny(1);
        let mut gradient = network.gradient(&[&image(&network, 9)], &[0]);
        network.layout.pos.of_mut(&mut gradient).fill(0.0);
        assert!(solve(&network, &gradient).err().unwrap().to_string().contains("positions"));
    }
}
