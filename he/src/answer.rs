use crate::HeError;
use crate::packing::{pack, unpack};
use crate::parameters::Parameters;

/// The relay's answer: for each class a row of N mask coefficients and one body, at the set's answer_bits.
///
/// It does not tell the dimension of the token, and tells the client of the head no more than `docs/CRYPTOGRAPHY.md` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedLogits {
    parameters: &'static Parameters,
    /// Class after class: N coefficients, then the body.
    values: Vec<u64>,
}

impl EncryptedLogits {
    pub(crate) fn from_values(parameters: &'static Parameters, values: Vec<u64>) -> Self {
        Self { parameters, values }
    }

    /// The parameter set of the answer.
    pub fn parameters(&self) -> &'static Parameters {
        self.parameters
    }

    /// Logits in the answer.
    pub fn classes(&self) -> usize {
        self.values.len() / (self.parameters.polynomial_size + 1)
    }

    /// All rows and bodies in one stream of bits: [`Parameters::answer_bytes`] in all.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.parameters.answer_bytes(self.classes()));
        pack(self.values.iter().copied(), self.parameters.answer_bits, &mut bytes);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote for `classes` logits.
    ///
    /// # Errors
    /// A number of classes out of range, another length than it implies, or set padding bits.
    pub fn from_bytes(parameters: &'static Parameters, classes: usize, bytes: &[u8]) -> Result<Self, HeError> {
        parameters.check_classes(classes)?;
        let count = classes * (parameters.polynomial_size + 1);
        let values = unpack("an answer", bytes, count, parameters.answer_bits)?;
        Ok(Self { parameters, values })
    }

    /// Row and body of each class, as answer_bits-wide integers.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u64], u64)> {
        let size = self.parameters.polynomial_size;
        self.values.chunks_exact(size + 1).map(move |class| (&class[..size], class[size]))
    }
}
