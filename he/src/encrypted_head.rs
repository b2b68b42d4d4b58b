use crate::hazmat::RawLogits;
use crate::noise::NoiseBudget;
use crate::parameters::Parameters;
use crate::ring::Spectrum;
use crate::{EncryptedLogits, HeError, PreparedPublicKey, SealedToken};

/// Answers wrong more often than 2^-64 a logit are refused when the head is derived.
const WORST_FAILURE_LOG2: f64 = -64.0;

/// A linear head prepared for encrypted tokens. Only the relay holds one; it is never serialised.
///
/// Class c is the polynomial W_c = Σ_j w_cj·X^(d-1-j): coefficient d−1 of W_c·Σ_i x_i·X^i is the inner product Σ_j w_cj·x_j.
pub struct EncryptedHead {
    parameters: &'static Parameters,
    dim: usize,
    classes: Vec<Class>,
}

struct Class {
    weights: Vec<i16>,
    spectrum: Spectrum,
    bias: i64,
}

impl EncryptedHead {
    /// Prepares `classes` rows of `dim` weights (row-major) and as many biases.
    ///
    /// # Errors
    /// Sizes that do not fit each other or the set; a weight beyond [`Parameters::weight_limit`]; a class whose logit could
    /// leave the message space for some token, or whose answer would be wrong more often than 2^-64.
    pub fn derive(
        parameters: &'static Parameters,
        classes: usize,
        dim: usize,
        weights: &[i16],
        bias: &[i64],
    ) -> Result<Self, HeError> {
        parameters.check_classes(classes)?;
        parameters.check_dim(dim)?;
        check_len("the weights of the head", weights.len(), classes * dim)?;
        check_len("the biases of the head", bias.len(), classes)?;
        let rows = weights.chunks_exact(dim).zip(bias).enumerate();
        let classes = rows
            .map(|(class, (row, &bias))| {
                check_weights(parameters, class, row)?;
                check_reach(parameters, class, row, bias)?;
                check_noise(parameters, class, row)?;
                Ok(Class::derive(parameters, row, bias))
            })
            .collect::<Result<_, HeError>>()?;
        Ok(Self { parameters, dim, classes })
    }

    /// Values a token must have.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Logits an answer has.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// Classifies a token: product, bias, a fresh encryption of zero under the client's key, flood, modulus switch.
    ///
    /// # Errors
    /// A token of another dimension, objects of another parameter set, or [`HeError::NoRandomness`].
    pub fn make_logits(&self, token: &SealedToken, key: &PreparedPublicKey) -> Result<EncryptedLogits, HeError> {
        let mut logits = self.derive_unprotected(token)?;
        logits.rerandomise(key)?;
        logits.flood()?;
        Ok(logits.switch())
    }

    /// The bare products. Whoever knows the token's mask divides by it and has the weights.
    pub(crate) fn derive_unprotected(&self, token: &SealedToken) -> Result<RawLogits, HeError> {
        self.parameters.check_same(token.parameters())?;
        if token.dim() != self.dim {
            return Err(HeError::Dimension { token: token.dim(), head: self.dim });
        }
        let ring = self.parameters.ring();
        let mask = ring.transform(&token.derive_mask());
        let masks = self.classes.iter().map(|class| ring.multiply(&mask, &class.spectrum)).collect();
        let bodies = self.classes.iter().map(|class| class.derive_body(self.parameters, token));
        Ok(RawLogits::new(self.parameters, self.dim - 1, masks, bodies.collect()))
    }
}

impl Class {
    fn derive(parameters: &Parameters, row: &[i16], bias: i64) -> Self {
        let mut reversed = vec![0; parameters.polynomial_size];
        for (to, from) in reversed.iter_mut().zip(row.iter().rev()) {
            *to = *from;
        }
        Self { weights: row.to_vec(), spectrum: parameters.ring().transform_small(&reversed), bias }
    }

    /// Σ_j w_j·body_j + Δ·bias.
    fn derive_body(&self, parameters: &Parameters, token: &SealedToken) -> u64 {
        let start = (self.bias << parameters.delta_log2) as u64;
        let terms = token.derive_bodies().zip(&self.weights);
        terms.fold(start, |sum, (body, &w)| sum.wrapping_add(body.wrapping_mul(w as u64)))
    }
}

fn check_len(what: &'static str, found: usize, expected: usize) -> Result<(), HeError> {
    if found == expected { Ok(()) } else { Err(HeError::Entries { what, found, expected }) }
}

fn check_weights(parameters: &Parameters, class: usize, row: &[i16]) -> Result<(), HeError> {
    let limit = parameters.weight_limit;
    match row.iter().position(|w| w.unsigned_abs() > limit.unsigned_abs()) {
        Some(index) => Err(HeError::Weight { class, index, limit }),
        None => Ok(()),
    }
}

/// Some token reaches Σ|w|·limit + |bias|; that must stay in the message space.
fn check_reach(p: &Parameters, class: usize, row: &[i16], bias: i64) -> Result<(), HeError> {
    let norm: u64 = row.iter().map(|w| u64::from(w.unsigned_abs())).sum();
    let reach = bias.unsigned_abs().saturating_add(norm * u64::from(p.token_limit.unsigned_abs()));
    let most = p.logit_limit();
    if reach > most { Err(HeError::Overflow { class, reach, most }) } else { Ok(()) }
}

fn check_noise(parameters: &Parameters, class: usize, row: &[i16]) -> Result<(), HeError> {
    let budget = NoiseBudget::of_class(parameters, row);
    if budget.failure_log2() > WORST_FAILURE_LOG2 { Err(HeError::TooNoisy { class }) } else { Ok(()) }
}
