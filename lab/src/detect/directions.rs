//! The directions of a token in which an attack shows: those in which filtering an attacked image moves the token most, next to how far
//! filtering a clean image moves it.

use anyhow::{Context, Result, ensure};
use nalgebra::{Cholesky, DMatrix, SymmetricEigen};

/// Share of the mean variance that is added to every direction of the clean changes, so that rare ones do not look decisive.
const RIDGE: f64 = 0.1;

/// Directions `[count][dim]`, the most telling first, scaled so that clean changes have a mean square of about one along each.
///
/// They are the leading generalised eigenvectors of the second moments of `attacked` against those of `clean`, where both hold
/// CLS(image) − CLS(filtered image), `[images][dim]`. No class label enters.
///
/// # Errors
/// Where there are fewer changes than directions, or the changes are not all finite.
pub fn derive_directions(clean: &[Vec<f32>], attacked: &[Vec<f32>], count: usize) -> Result<Vec<Vec<f32>>> {
    ensure!(clean.len() >= count && attacked.len() >= count, "{count} directions need at least as many images");
    let mut clean = second_moments(clean);
    let dim = clean.nrows();
    let ridge = RIDGE * clean.trace() / dim as f64;
    (0..dim).for_each(|i| clean[(i, i)] += ridge);
    let lower = Cholesky::new(clean).context("the clean changes are not all finite, or all zero")?.l();
    let whiten = lower.clone().try_inverse().context("the clean changes have no spread")?;
    let eigen = SymmetricEigen::new(&whiten * second_moments(attacked) * whiten.transpose());
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let directions = whiten.transpose() * eigen.eigenvectors;
    let column = |i: &usize| directions.column(*i).iter().map(|v| *v as f32).collect();
    Ok(order.iter().take(count).map(column).collect())
}

/// Mean of v·vᵀ.
fn second_moments(rows: &[Vec<f32>]) -> DMatrix<f64> {
    let dim = rows.first().map_or(0, Vec::len);
    let matrix = DMatrix::from_fn(rows.len(), dim, |i, j| f64::from(rows[i][j]));
    matrix.tr_mul(&matrix) / rows.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::params::normal;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Changes whose spread along each axis is given.
    fn changes(spread: &[f32], seed: u64) -> Vec<Vec<f32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..400).map(|_| spread.iter().map(|s| s * normal(&mut rng)).collect()).collect()
    }

    #[test]
    fn the_first_direction_is_the_one_in_which_attacks_stand_out() {
        // The attack moves axis 2 most in absolute terms, but axis 0 most against what is usual there.
        let clean = changes(&[0.5, 1.0, 8.0], 1);
        let attacked = changes(&[4.0, 1.0, 10.0], 2);
        let first = &derive_directions(&clean, &attacked, 1).unwrap()[0];
        assert!(first[0].abs() > 5.0 * first[1].abs() && first[0].abs() > 5.0 * first[2].abs(), "{first:?}");
    }

    #[test]
    fn a_count_that_the_images_cannot_give_is_refused() {
        let few = changes(&[1.0, 1.0], 3)[..1].to_vec();
        assert!(derive_directions(&few, &few, 2).is_err());
    }

    #[test]
    fn changes_that_are_not_numbers_are_refused() {
        let broken = vec![vec![f32::NAN, 1.0]; 5];
        assert!(derive_directions(&broken, &broken, 1).is_err());
    }
}
