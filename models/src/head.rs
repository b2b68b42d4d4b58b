//! Linear heads over CLS tokens: as fitted, and as the integers that run on ciphertexts.

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{ClsQuantiser, ModelError};

/// Largest number of classes of a head.
pub const MAX_CLASSES: usize = 64;
/// Largest width of a CLS token.
pub const MAX_DIM: usize = 2048;
/// Largest absolute quantised weight: 9 bits with the sign.
pub const WEIGHT_LIMIT: i16 = 255;

/// A head fitted on CLS tokens: `logits[c] = Σ weights[c, i] · cls[i] + bias[c]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearHead {
    classes: usize,
    dim: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl LinearHead {
    /// A head of `bias.len()` classes from row-major `weights` `[classes, dim]`.
    ///
    /// # Errors
    /// [`ModelError::BadHead`] where the lengths do not fit, are beyond the limits, or a value is not finite.
    pub fn new(dim: usize, weights: Vec<f32>, bias: Vec<f32>) -> Result<Self, ModelError> {
        let classes = bias.len();
        check_sizes(classes, dim, weights.len())?;
        if weights.iter().chain(&bias).any(|value| !value.is_finite()) {
            return Err(bad("a weight is not a finite number".into()));
        }
        Ok(Self { classes, dim, weights, bias })
    }

    /// Number of classes.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// Width of the CLS token.
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Weights, row-major `[classes, dim]`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Bias `[classes]`.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Logits `[classes]` of a CLS token `[dim]`, summed in f64.
    pub fn logits(&self, cls: &[f32]) -> Vec<f64> {
        debug_assert_eq!(cls.len(), self.dim);
        let rows = self.weights.chunks_exact(self.dim).zip(&self.bias);
        rows.map(|(row, bias)| dot(row, cls) + f64::from(*bias)).collect()
    }
}

fn dot(row: &[f32], cls: &[f32]) -> f64 {
    row.iter().zip(cls).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum()
}

/// A head in integers: `logits[c] = Σ weights[c, i] · cls[i] + bias[c]`, exact, as the relay computes it on ciphertexts.
///
/// A real logit is the integer times `weight_scale` times the quantiser's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantisedHead {
    /// Number of classes.
    pub classes: usize,
    /// Width of the CLS token.
    pub dim: usize,
    weights: Vec<i16>,
    bias: Vec<i64>,
    /// Real value of one step of a weight.
    pub weight_scale: f32,
}

impl QuantisedHead {
    /// Rounds a head to weights of ±255 that act on tokens quantised by `quantiser`.
    ///
    /// # Errors
    /// [`ModelError::BadHead`] where all weights are zero; [`ModelError::BadQuantiser`] where the quantiser is out of range.
    pub fn from_linear(head: &LinearHead, quantiser: &ClsQuantiser) -> Result<Self, ModelError> {
        quantiser.validate()?;
        let largest = head.weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
        let weight_scale = largest / f32::from(WEIGHT_LIMIT);
        let unit = f64::from(weight_scale) * f64::from(quantiser.scale);
        let round = |weight: &f32| (weight / weight_scale).round() as i16;
        let weights = if largest > 0.0 { head.weights.iter().map(round).collect() } else { Vec::new() };
        let bias = head.bias.iter().map(|bias| (f64::from(*bias) / unit).round() as i64).collect();
        Self::new(head.dim, weights, bias, weight_scale)
    }

    /// A head from its integers; `weights` row-major `[classes, dim]`.
    ///
    /// # Errors
    /// [`ModelError::BadHead`] where lengths, ranges or the scale do not fit.
    pub fn new(dim: usize, weights: Vec<i16>, bias: Vec<i64>, weight_scale: f32) -> Result<Self, ModelError> {
        let classes = bias.len();
        check_sizes(classes, dim, weights.len())?;
        if weights.iter().any(|weight| !(-WEIGHT_LIMIT..=WEIGHT_LIMIT).contains(weight)) {
            return Err(bad(format!("a weight is outside ±{WEIGHT_LIMIT}")));
        }
        if bias.iter().any(|bias| bias.unsigned_abs() > 1 << 40) {
            return Err(bad("a bias is larger than 2^40".into()));
        }
        if !(weight_scale.is_normal() && weight_scale > 0.0) {
            return Err(bad(format!("the weight scale {weight_scale} is not a number above zero")));
        }
        Ok(Self { classes, dim, weights, bias, weight_scale })
    }

    /// Weights, row-major `[classes, dim]`, each within ±255.
    pub fn weights(&self) -> &[i16] {
        &self.weights
    }

    /// Bias `[classes]`.
    pub fn bias(&self) -> &[i64] {
        &self.bias
    }

    /// Exact integer logits `[classes]` of a quantised CLS token `[dim]`.
    pub fn logits(&self, cls: &[i16]) -> Vec<i64> {
        debug_assert_eq!(cls.len(), self.dim);
        let product = |row: &[i16]| row.iter().zip(cls).map(|(w, x)| i64::from(*w) * i64::from(*x)).sum::<i64>();
        self.weights.chunks_exact(self.dim).zip(&self.bias).map(|(row, bias)| product(row) + bias).collect()
    }

    /// The head as a safetensors file: `weight` I16 `[classes, dim]`, `bias` I64 `[classes]`, `weight_scale` F32 `[1]`.
    ///
    /// # Errors
    /// [`ModelError::BadHead`] where the writer refuses (it does not for a head made by this type).
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let weights: Vec<u8> = self.weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let bias: Vec<u8> = self.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
        let scale = self.weight_scale.to_le_bytes();
        let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(|error| bad(error.to_string()));
        let tensors = [
            ("bias", view(Dtype::I64, vec![self.classes], &bias)?),
            ("weight", view(Dtype::I16, vec![self.classes, self.dim], &weights)?),
            ("weight_scale", view(Dtype::F32, vec![1], &scale)?),
        ];
        safetensors::serialize(tensors, None).map_err(|error| bad(error.to_string()))
    }

    /// Reads a head written by [`Self::to_safetensors`].
    ///
    /// # Errors
    /// [`ModelError::BadHead`] for any other bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
        let weight = tensor(&file, "weight", Dtype::I16, 2)?;
        let bias = tensor(&file, "bias", Dtype::I64, 1)?;
        let scale = tensor(&file, "weight_scale", Dtype::F32, 1)?;
        let [classes, dim] = [weight.shape()[0], weight.shape()[1]];
        check_sizes(classes, dim, weight.data().len() / 2)?;
        let (weights, _) = weight.data().as_chunks::<2>();
        let (biases, _) = bias.data().as_chunks::<8>();
        let [scale] = scale.data().as_chunks::<4>().0 else {
            return Err(bad("`weight_scale` is not one number".into()));
        };
        let weights = weights.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
        let biases = biases.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        Self::new(dim, weights, biases, f32::from_le_bytes(*scale))
    }
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype, rank: usize) -> Result<TensorView<'a>, ModelError> {
    let view = file.tensor(name).map_err(|error| bad(error.to_string()))?;
    if view.dtype() != dtype || view.shape().len() != rank {
        return Err(bad(format!("`{name}` is {:?} of rank {}", view.dtype(), view.shape().len())));
    }
    Ok(view)
}

fn check_sizes(classes: usize, dim: usize, weights: usize) -> Result<(), ModelError> {
    if !(2..=MAX_CLASSES).contains(&classes) {
        return Err(bad(format!("{classes} classes are outside 2..={MAX_CLASSES}")));
    }
    if !(1..=MAX_DIM).contains(&dim) {
        return Err(bad(format!("a width of {dim} is outside 1..={MAX_DIM}")));
    }
    if weights != classes * dim {
        return Err(bad(format!("{weights} weights are not {classes} x {dim}, or not all of them are numbers")));
    }
    Ok(())
}

fn bad(reason: String) -> ModelError {
    ModelError::BadHead { reason }
}

/// Index of the largest logit, the first of equals.
pub fn top_class(logits: &[i64]) -> usize {
    (0..logits.len()).rev().max_by_key(|&class| logits[class]).unwrap_or(0)
}
