//! Where the relay meets `he`: keys of sessions, tokens in, encrypted logits out.

use he::{EncryptedHead, GLWE_2048_TU17, Parameters, PreparedPublicKey, PublicKey, SealedToken};
use models::QuantisedHead;
use wire::{InferAnswer, InferRequest, SessionKey};

use crate::problem::Problem;

/// The one parameter set that this relay computes with.
pub(crate) static PARAMETERS: &Parameters = &GLWE_2048_TU17;

/// What a session keeps: the client's public key, ready to re-randomise answers with.
pub(crate) type Prepared = PreparedPublicKey;

/// Reads and prepares the key of a new session. Costs a transform: run it on a worker.
///
/// # Errors
/// 400 for other parameters or a malformed key.
pub(crate) fn prepare(message: &SessionKey) -> Result<Prepared, Problem> {
    check_parameters(message.parameters())?;
    let key = PublicKey::from_bytes(PARAMETERS, message.public_key());
    let key = key.map_err(|error| Problem::wrong_message(error.to_string()))?;
    Ok(key.prepare())
}

/// A head that runs on ciphertexts.
pub(crate) struct Head {
    head: EncryptedHead,
    classes: u16,
}

impl Head {
    /// # Errors
    /// A sentence where the head does not fit the parameters.
    pub(crate) fn derive(head: &QuantisedHead) -> Result<Self, String> {
        let classes = u16::try_from(head.classes).map_err(|_| "it has too many classes".to_owned())?;
        let encrypted = EncryptedHead::derive(PARAMETERS, head.classes, head.dim, head.weights(), head.bias());
        let encrypted = encrypted.map_err(|error| error.to_string())?;
        Ok(Self { head: encrypted, classes })
    }

    /// The sealed token of a request, checked for this head.
    ///
    /// # Errors
    /// 400 for other parameters, another width or a malformed token.
    pub(crate) fn token(&self, request: &InferRequest) -> Result<SealedToken, Problem> {
        check_parameters(request.parameters())?;
        let (found, dim) = (usize::from(request.dim()), self.head.dim());
        if found != dim {
            let detail = format!("The token has {found} values where this model takes {dim}.");
            return Err(Problem::wrong_message(detail));
        }
        let token = SealedToken::from_bytes(PARAMETERS, dim, request.token());
        token.map_err(|error| Problem::wrong_message(error.to_string()))
    }

    /// Encrypted logits of a token, re-randomised and flooded under the client's key. CPU-bound: run it on a worker.
    ///
    /// # Errors
    /// 500 where `he` refuses a token that it read before, which it does not.
    pub(crate) fn make_answer(&self, token: &SealedToken, key: &Prepared) -> Result<Vec<u8>, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "an inference failed");
            Problem::internal()
        };
        let logits = self.head.make_logits(token, key).map_err(|error| failed(&error))?;
        let answer = InferAnswer::new(PARAMETERS.id(), self.classes, logits.to_bytes());
        Ok(answer.map_err(|error| failed(&error))?.encode())
    }
}

fn check_parameters(id: u16) -> Result<(), Problem> {
    if id == PARAMETERS.id() { Ok(()) } else { Err(Problem::wrong_parameters()) }
}
