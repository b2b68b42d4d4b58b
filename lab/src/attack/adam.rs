//! Adam on one flat vector.

/// The optimiser's state.
pub struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl Adam {
    /// For a vector of `len` values.
    pub fn new(len: usize) -> Self {
        Self { first: vec![0.0; len], second: vec![0.0; len], step: 0 }
    }

    /// One step of `values` against `gradient`.
    pub fn update(&mut self, values: &mut [f32], gradient: &[f32], rate: f32) {
        const BETAS: (f32, f32) = (0.9, 0.999);
        self.step += 1;
        let (correct1, correct2) = (1.0 - BETAS.0.powi(self.step), 1.0 - BETAS.1.powi(self.step));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
            *m = BETAS.0 * *m + (1.0 - BETAS.0) * g;
            *v = BETAS.1 * *v + (1.0 - BETAS.1) * g * g;
            *value -= rate * (*m / correct1) / ((*v / correct2).sqrt() + 1e-8);
        }
    }
}

/// Half a cosine from 1 down to 0.
pub fn cosine(step: usize, steps: usize) -> f32 {
    0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_foot_of_a_bowl() {
        let (mut x, mut adam) = (vec![3.0, -2.0], Adam::new(2));
        for step in 0..500 {
            let gradient = [2.0 * (x[0] - 1.0), 20.0 * (x[1] - 0.5)];
            adam.update(&mut x, &gradient, 0.1 * cosine(step, 500));
        }
        assert!((x[0] - 1.0).abs() < 1e-2 && (x[1] - 0.5).abs() < 1e-2, "{x:?}");
    }
}
