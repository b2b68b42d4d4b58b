//! Sealed tokens and encrypted linear heads: GLWE on `tfhe`'s core_crypto, with exact answers.
//!
//! A client seals a vector of small integers under its [`SecretKey`]. A relay multiplies the [`SealedToken`] by the
//! weights of an [`EncryptedHead`] and re-randomises the result under the client's [`PublicKey`]. The client opens the
//! [`EncryptedLogits`] and gets the integers Σ w·x + bias, exactly.
//!
//! Several sites sum vectors that none of them, and not the relay, can open alone: see [`aggregation`].
//!
//! `derive_*` and `derive` are deterministic; whatever is called `make_*` draws fresh randomness from the operating system or
//! the browser. Decoders are total: any bytes give a value or a [`HeError`]. `docs/CRYPTOGRAPHY.md` gives the reasons
//! and the numbers.
//!
//! ```
//! use he::{EncryptedHead, GLWE_2048_TU17, SecretKey};
//!
//! let key = SecretKey::make(&GLWE_2048_TU17)?;
//! let token = key.make_sealed_token(&[1, -2, 3])?;
//!
//! let head = EncryptedHead::derive(&GLWE_2048_TU17, 2, 3, &[10, 20, 30, -1, 0, 1], &[5, 0])?;
//! let session_key = key.make_public_key()?.prepare();
//! let answer = head.make_logits(&token, &session_key)?;
//!
//! assert_eq!(key.open(&answer)?, [10 - 40 + 90 + 5, -1 + 3]);
//! # Ok::<(), he::HeError>(())
//! ```
#![deny(missing_docs)]

pub mod aggregation;
mod answer;
mod encrypted_head;
mod error;
pub mod hazmat;
mod noise;
mod packing;
mod parameters;
mod public_key;
mod randomness;
mod ring;
mod sealed_token;
mod secret_key;

pub use answer::EncryptedLogits;
pub use encrypted_head::EncryptedHead;
pub use error::HeError;
pub use noise::NoiseBudget;
pub use parameters::{GLWE_2048_TU17, Parameters};
pub use public_key::{PreparedPublicKey, PublicKey};
pub use sealed_token::SealedToken;
pub use secret_key::SecretKey;
