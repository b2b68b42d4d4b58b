//! The device's side of purification on relays: cut, noise, deal, verify, blend. No I/O.
//!
//! An image is cut into overlapping tiles ([`Grid`]). Each is turned at random ([`Turn`]), gets its forward noise here ([`Noise`]) and
//! a random id, and goes to one of several relays, none of which gets two neighbouring tiles ([`Rule`]). What returns is checked
//! (`verify`) and blended without seams. [`Mission`] is the state of one image on its way: it says what to send to whom, takes results
//! and losses, gives a lost relay's tiles to others under the same rule, and what nobody may get to the device itself.
//!
//! Noised tiles are not encrypted. What relays can make of them, alone or together, is measured by `lab audit egress`.
#![deny(missing_docs)]

mod change;
mod deal;
mod error;
mod grid;
mod mission;
mod noise;
mod report;
mod turn;
mod verify;

pub use change::Change;
pub use deal::Rule;
pub use error::PurifyError;
pub use grid::Grid;
pub use mission::{Bound, Consent, Holder, Mission, Order, Plan};
pub use noise::Noise;
pub use report::{RelayReport, RelayState, Report};
pub use turn::Turn;
