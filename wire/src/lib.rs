//! The binary messages that cross the network between client and relay.
//!
//! Every message is one envelope (magic, version, kind, parameter set, length) and one payload. What the payload
//! carries of `he` (keys, tokens, logits) is opaque here: this crate bounds its length and hands it on. Tiles are numbers, and read as such.
//! `docs/WIRE.md` describes every byte; `wire/vectors/messages.json` holds messages that any reader can test against.
//!
//! Decoding is total: any byte string gives a message or a [`WireError`], and no length is believed before it was
//! compared with a limit and with the bytes at hand.
//!
//! ```
//! use wire::InferRequest;
//!
//! let request = InferRequest::new(1, [7; 16], [9; 8], 768, vec![0; 4240])?;
//! let bytes = request.encode();
//! assert!(bytes.len() <= 4_300);
//! assert_eq!(InferRequest::decode(&bytes)?, request);
//! # Ok::<(), wire::WireError>(())
//! ```
#![deny(missing_docs)]

mod envelope;
mod error;
mod infer_answer;
mod infer_request;
pub mod limits;
mod purify_request;
mod purify_result;
mod session_key;
pub mod tile;

pub use envelope::{Header, Kind, MAGIC, VERSION};
pub use error::WireError;
pub use infer_answer::InferAnswer;
pub use infer_request::InferRequest;
pub use purify_request::PurifyRequest;
pub use purify_result::PurifyResult;
pub use session_key::SessionKey;
pub use tile::{Tile, TileShape};

/// Media type of every message, for `Content-Type` and `Accept`.
pub const MEDIA_TYPE: &str = "application/vnd.veilsight.v1";
