//! The device's side of purification on relays: cut, noise, deal, verify, blend. No I/O.
#![deny(missing_docs)]
