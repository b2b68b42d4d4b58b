//! `lab audit egress`: how much of an image relays can rebuild, alone or together, from the noised tiles that they were sent.
//!
//! The attackers know everything that is public: the grid, the noise level, the dealing's rule, the purifier, the pack's masked
//! autoencoder, and images of the kind (the training split). They do not know where a tile lies, nor how it was turned.
//!
//! 1. [`traffic`] takes the tiles out of the relays' messages.
//! 2. [`prior`] is what training images tell: for each place the distribution of its tile, and the principal components of whole images.
//! 3. [`jigsaw`] finds place and turn of each tile; the *oracle* beside it is told them, which bounds what a better one could do.
//! 4. [`rebuild`] denoises the tiles, pastes them and fills what is missing.
//! 5. [`bag`] tells the class from the tiles without placing any.
//!
//! [`run`] measures all of it under several [`setting`]s.

pub mod bag;
pub mod jigsaw;
pub mod principal;
pub mod prior;
pub mod rebuild;
pub mod record;
pub mod run;
pub mod setting;
pub mod traffic;
