//! How far an attacker may go: balls around an image, in L∞ or L2, cut by the pixels' range [0, 1].

use std::{fmt, str::FromStr};

use anyhow::bail;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::train::params::normal;

/// How a change of an image is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Largest change of a pixel.
    Linf,
    /// Root of the sum of the squared changes.
    L2,
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Linf => "linf",
            Self::L2 => "l2",
        })
    }
}

impl FromStr for Norm {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "linf" => Ok(Self::Linf),
            "l2" => Ok(Self::L2),
            other => bail!("`{other}` is no norm known here; known are linf and l2"),
        }
    }
}

impl Norm {
    /// Size of `a − b`.
    pub fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        let changes = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
        match self {
            Self::Linf => changes.fold(0.0, |most, change| most.max(change.abs())),
            Self::L2 => changes.map(|change| change * change).sum::<f64>().sqrt(),
        }
    }

    /// The direction of length one in which `slope` rises fastest: its signs, or the slope itself, normalised.
    pub fn direction(self, slope: &[f32]) -> Vec<f32> {
        match self {
            Self::Linf => slope.iter().map(|s| if *s == 0.0 { 0.0 } else { s.signum() }).collect(),
            Self::L2 => {
                let length = slope.iter().map(|s| f64::from(*s) * f64::from(*s)).sum::<f64>().sqrt().max(1e-30);
                slope.iter().map(|s| (f64::from(*s) / length) as f32).collect()
            }
        }
    }
}

/// The images within `radius` of one that an attack starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// How the change is measured.
    pub norm: Norm,
    /// Largest change, ε, in the pixels' scale [0, 1].
    pub radius: f64,
}

impl Ball {
    /// Moves `point` into the ball around `centre` and into [0, 1]. Afterwards the distance, computed in f64, is at most the radius:
    /// the last rounding is taken towards the centre. The centre itself must lie in [0, 1].
    pub fn project(&self, centre: &[f32], point: &mut [f32]) {
        match self.norm {
            Norm::Linf => point.iter_mut().zip(centre).for_each(|(p, c)| *p = self.nearest(*c, *p)),
            Norm::L2 => self.shrink(centre, point),
        }
    }

    fn nearest(&self, centre: f32, point: f32) -> f32 {
        let (middle, wanted) = (f64::from(centre), f64::from(point));
        let mut near = wanted.clamp(middle - self.radius, middle + self.radius).clamp(0.0, 1.0) as f32;
        while (f64::from(near) - middle).abs() > self.radius {
            near = if near > centre { near.next_down() } else { near.next_up() };
        }
        near
    }

    fn shrink(&self, centre: &[f32], point: &mut [f32]) {
        // Cutting to [0, 1] moves no pixel away from the centre, so the ball comes first.
        let distance = self.norm.distance(point, centre);
        let clamp = |point: &mut [f32]| point.iter_mut().for_each(|p| *p = p.clamp(0.0, 1.0));
        let mut scale = if distance > self.radius { self.radius / distance } else { 1.0 };
        let wanted: Vec<f64> = point.iter().zip(centre).map(|(p, c)| f64::from(*p) - f64::from(*c)).collect();
        while scale < 1.0 {
            let moved = wanted.iter().zip(centre).map(|(w, c)| (f64::from(*c) + w * scale) as f32);
            point.iter_mut().zip(moved).for_each(|(p, m)| *p = m);
            if self.norm.distance(point, centre) <= self.radius {
                break;
            }
            // Tiny balls are lost in the rounding of f32: then nothing but the centre is left.
            scale = if scale * distance < 1e-9 { 0.0 } else { scale * (1.0 - 1e-6) };
            if scale == 0.0 {
                point.copy_from_slice(centre);
                break;
            }
        }
        clamp(point);
    }

    /// A random image of the ball: each change uniform (L∞), or of random direction and length (L2).
    pub fn random(&self, centre: &[f32], rng: &mut ChaCha8Rng) -> Vec<f32> {
        let radius = self.radius as f32;
        let mut change: Vec<f32> = match self.norm {
            Norm::Linf => centre.iter().map(|_| radius * (2.0 * rng.random::<f32>() - 1.0)).collect(),
            Norm::L2 => self.norm.direction(&centre.iter().map(|_| normal(rng)).collect::<Vec<f32>>()),
        };
        if self.norm == Norm::L2 {
            let length = radius * rng.random::<f32>();
            change.iter_mut().for_each(|c| *c *= length);
        }
        let mut point: Vec<f32> = centre.iter().zip(change).map(|(c, change)| c + change).collect();
        self.project(centre, &mut point);
        point
    }

    /// `point` moved by `size` along the steepest direction of `slope`, back inside the ball around `centre`.
    pub fn climb(&self, centre: &[f32], point: &[f32], slope: &[f32], size: f64) -> Vec<f32> {
        let direction = self.norm.direction(slope);
        let mut moved: Vec<f32> = point.iter().zip(direction).map(|(p, d)| p + size as f32 * d).collect();
        self.project(centre, &mut moved);
        moved
    }
}

/// The random numbers of one image in one restart: they depend on nothing else, so neither order nor number of images matters.
pub fn rng(seed: u64, restart: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(restart as u64);
    rng
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(seed: u64, len: usize, low: f32, high: f32) -> Vec<f32> {
        let mut rng = rng(seed, 0);
        (0..len).map(|_| rng.random_range(low..high)).collect()
    }

    #[test]
    fn a_projected_point_lies_in_the_ball_and_in_range_to_the_last_bit() {
        for norm in [Norm::Linf, Norm::L2] {
            for (seed, radius) in [0.0, 1e-7, 0.003, 0.015, 0.1, 0.7, 9.0].into_iter().enumerate() {
                let (centre, mut point) = (uniform(seed as u64, 300, 0.0, 1.0), uniform(9, 300, -0.5, 1.5));
                let ball = Ball { norm, radius };
                ball.project(&centre, &mut point);
                assert!(norm.distance(&point, &centre) <= radius, "{norm} {radius}");
                assert!(point.iter().all(|p| (0.0..=1.0).contains(p)));
                if radius == 0.0 {
                    assert_eq!(point, centre);
                }
            }
        }
    }

    #[test]
    fn a_point_inside_stays_where_it_is() {
        let centre = uniform(1, 50, 0.2, 0.8);
        for norm in [Norm::Linf, Norm::L2] {
            let mut point: Vec<f32> = centre.iter().map(|c| c + 0.001).collect();
            let before = point.clone();
            Ball { norm, radius: 0.1 }.project(&centre, &mut point);
            assert_eq!(point, before);
        }
    }

    #[test]
    fn steps_have_the_length_that_was_asked_for() {
        let centre = vec![0.5; 100];
        let slope = uniform(3, 100, -1.0, 1.0);
        for norm in [Norm::Linf, Norm::L2] {
            let moved = Ball { norm, radius: 1.0 }.climb(&centre, &centre, &slope, 0.02);
            assert!((norm.distance(&moved, &centre) - 0.02).abs() < 1e-6);
        }
    }
}
