//! Training losses and their gradients.

use super::math;

/// Weights of a teacher's parts in the loss.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DistilWeights {
    /// Of the soft labels, against the true ones: 0.5 halves each.
    pub logits: f32,
    /// Temperature of the soft labels.
    pub temperature: f32,
    /// Of the squared difference of CLS tokens.
    pub cls: f32,
    /// Of the squared difference of each block's tokens.
    pub hidden: f32,
}

impl Default for DistilWeights {
    fn default() -> Self {
        Self { logits: 0.5, temperature: 2.0, cls: 1.0, hidden: 1.0 }
    }
}

/// Cross-entropy with smoothed labels, summed over the rows of `logits` [n, classes]; adds `scale` times its gradient.
pub fn cross_entropy(logits: &[f32], labels: &[usize], smoothing: f32, scale: f32, grad: &mut [f32]) -> f64 {
    let classes = logits.len() / labels.len();
    let mut probs = logits.to_vec();
    math::softmax_rows(&mut probs, classes);
    let mut loss = 0.0;
    for (row, label) in labels.iter().enumerate() {
        for class in 0..classes {
            let target = smoothing / classes as f32 + if class == *label { 1.0 - smoothing } else { 0.0 };
            let at = row * classes + class;
            grad[at] += scale * (probs[at] - target);
            loss -= f64::from(target * probs[at].max(1e-12).ln());
        }
    }
    loss
}

/// Kullback-Leibler divergence from the teacher's softened answers, times T², summed over rows; adds its gradient.
pub fn soft_labels(logits: &[f32], teacher: &[f32], classes: usize, t: f32, scale: f32, grad: &mut [f32]) -> f64 {
    let soften = |x: &[f32]| {
        let mut p: Vec<f32> = x.iter().map(|v| v / t).collect();
        math::softmax_rows(&mut p, classes);
        p
    };
    let (p, q) = (soften(logits), soften(teacher));
    let mut loss = 0.0;
    for ((g, p), q) in grad.iter_mut().zip(&p).zip(&q) {
        *g += scale * t * (p - q);
        loss += f64::from(t * t * q * (q.max(1e-12) / p.max(1e-12)).ln());
    }
    loss
}

/// Half the mean squared difference for each image, summed over images; writes `scale` times its gradient.
pub fn squared_difference(x: &[f32], target: &[f32], images: usize, scale: f32, grad: &mut Vec<f32>) -> f64 {
    let each = (x.len() / images) as f32;
    grad.clear();
    grad.extend(x.iter().zip(target).map(|(x, y)| scale * (x - y) / each));
    let sum: f64 = x.iter().zip(target).map(|(x, y)| f64::from((x - y) * (x - y))).sum();
    0.5 * sum / f64::from(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slope of `loss` at each input against the gradient that it claims.
    fn agrees(x: &[f32], loss: impl Fn(&[f32], &mut Vec<f32>) -> f64) {
        let mut grad = vec![0.0; x.len()];
        loss(x, &mut grad);
        for i in 0..x.len() {
            let at = |delta: f32| {
                let mut moved = x.to_vec();
                moved[i] += delta;
                loss(&moved, &mut vec![0.0; x.len()])
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - f64::from(grad[i])).abs() < 1e-3, "{i}: {slope} {}", grad[i]);
        }
    }

    #[test]
    fn the_gradients_are_the_slopes_of_the_losses() {
        let x = [0.3, -0.7, 1.1, 0.2, 0.9, -1.4];
        let teacher = [0.1, 0.5, -0.3, 1.2, 0.0, 0.4];
        agrees(&x, |x, g| cross_entropy(x, &[2, 0], 0.1, 1.0, g));
        agrees(&x, |x, g| soft_labels(x, &teacher, 3, 2.0, 1.0, g));
        agrees(&x, |x, g| squared_difference(x, &teacher, 2, 1.0, g));
    }

    #[test]
    fn cross_entropy_has_its_known_value() {
        let loss = cross_entropy(&[0.0, 0.0], &[1], 0.0, 1.0, &mut [0.0; 2]);
        assert!((loss - std::f64::consts::LN_2).abs() < 1e-6);
    }
}
