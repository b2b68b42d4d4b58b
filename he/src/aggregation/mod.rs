//! Sums of several sites' vectors that nobody can open alone: one-time keys, shared among the members of a consortium.
//!
//! A site encrypts its vector under a key of its own that lives for one round (key-additive encryption from ring-LWE), and shares
//! that key among the members by packed Shamir sharing. The relay adds the ciphertexts. When a quorum of members has signed one
//! set of contributions, each member answers with the sum of its shares for that set; from `threshold` answers the *sum* of the keys
//! comes out, and with it the sum of the vectors, exactly. No long-lived decryption key exists.
//!
//! One file a role: [`site`], [`member`], [`relay`]. `docs/PROTOCOL.md` has the messages, what each party sees, and the argument.
//! The construction follows OPA (Karthikeyan and Polychroniadou, ePrint 2024/723) and Willow (Bell-Clark et al., ePrint 2024/936).

mod answer;
mod cipher;
mod codec;
mod confirmation;
mod consortium;
mod contribution;
mod field;
pub mod hazmat;
mod identity;
pub mod member;
mod parameters;
pub mod relay;
mod sealed_share;
mod set;
mod sharing;
pub mod site;

pub use answer::Answer;
pub use confirmation::{Certificate, Confirmation};
pub use consortium::{Consortium, Round};
pub use contribution::Contribution;
pub use identity::{Identity, IdentityKey};
pub use parameters::{Rules, SUM_2048_Q32, SUM_2048_Q52, SumParameters};
pub use set::{Delivery, Set};
