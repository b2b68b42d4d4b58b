//! Slopes of the features that compare the image's token with that of its filtered copy.

use models::detector::{DRIFT_FLOOR, Feature};

/// A feature with its slopes.
pub(super) struct TokenSlope {
    /// The feature.
    pub value: f64,
    /// Slope with respect to the image's token.
    pub cls: Vec<f64>,
    /// Slope with respect to the copy's token.
    pub copy: Vec<f64>,
}

/// Value and slopes of `feature` at these tokens; none for features of another kind.
pub(super) fn slope(feature: Feature, cls: &[f32], copy: &[f32], directions: &[f32]) -> Option<TokenSlope> {
    match feature {
        Feature::Token => Some(distance(cls, copy)),
        Feature::Drift => Some(drift(cls, copy, directions)),
        Feature::Reconstruction => None,
    }
}

fn change(cls: &[f32], copy: &[f32]) -> Vec<f64> {
    cls.iter().zip(copy).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
}

/// |a − b| / |a|.
fn distance(cls: &[f32], copy: &[f32]) -> TokenSlope {
    let change = change(cls, copy);
    let apart = change.iter().map(|c| c * c).sum::<f64>().sqrt().max(1e-12);
    let length = cls.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>().sqrt().max(1e-12);
    let towards: Vec<f64> = change.iter().map(|c| c / (apart * length)).collect();
    let shrink = |(t, a): (&f64, &f32)| t - apart * f64::from(*a) / length.powi(3);
    TokenSlope {
        value: apart / length,
        cls: towards.iter().zip(cls).map(shrink).collect(),
        copy: towards.iter().map(|t| -t).collect(),
    }
}

/// ln(Σ (u · (a − b))² + floor) over the directions u.
fn drift(cls: &[f32], copy: &[f32], directions: &[f32]) -> TokenSlope {
    let change = change(cls, copy);
    let mut sum = DRIFT_FLOOR;
    let mut slope = vec![0.0; cls.len()];
    for direction in directions.chunks_exact(cls.len()) {
        let along: f64 = direction.iter().zip(&change).map(|(u, c)| f64::from(*u) * c).sum();
        sum += along * along;
        slope.iter_mut().zip(direction).for_each(|(s, u)| *s += 2.0 * along * f64::from(*u));
    }
    slope.iter_mut().for_each(|s| *s /= sum);
    TokenSlope { value: sum.ln(), copy: slope.iter().map(|s| -s).collect(), cls: slope }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::detector::Evidence;

    #[test]
    fn values_are_the_detectors_and_slopes_those_of_the_values() {
        let (cls, copy) = ([0.5f32, -1.0, 2.0], [0.4f32, -0.7, 1.1]);
        let directions = [1.0f32, 0.5, -0.3, 0.2, -1.0, 0.4];
        for feature in [Feature::Token, Feature::Drift] {
            let measure = |cls: &[f32], copy: &[f32]| {
                f64::from(feature.measure(&Evidence { map: &[], cls, cls_of_copy: copy, directions: &directions }))
            };
            let found = slope(feature, &cls, &copy, &directions).unwrap();
            assert!((found.value - measure(&cls, &copy)).abs() < 1e-5);
            for i in 0..3 {
                let moved = |mut values: [f32; 3], by: f32| {
                    values[i] += by;
                    values
                };
                let of_cls = (measure(&moved(cls, 5e-3), &copy) - measure(&moved(cls, -5e-3), &copy)) / 1e-2;
                let of_copy = (measure(&cls, &moved(copy, 5e-3)) - measure(&cls, &moved(copy, -5e-3))) / 1e-2;
                assert!((of_cls - found.cls[i]).abs() < 2e-3 * (1.0 + of_cls.abs()), "{feature:?} {of_cls} {}", found.cls[i]);
                assert!((of_copy - found.copy[i]).abs() < 2e-3 * (1.0 + of_copy.abs()), "{feature:?} {of_copy}");
            }
        }
    }
}
