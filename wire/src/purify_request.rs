use crate::WireError;
use crate::envelope::{Kind, check_filled, encode, no_parameters, open, split_fixed};
use crate::limits::{MAX_STEPS, MAX_T};
use crate::tile::{Tile, TileShape};

/// Bytes in front of the tiles: purifier (8), t (2), steps (1), channels (1), side (2), count (2).
pub(crate) const FIXED_BYTES: usize = 16;

/// Kind 4, client to relay: noised tiles to purify.
///
/// The tiles carry the forward noise of level `t` already; the relay never gets the clean ones. Noised tiles are not ciphertext: who
/// holds one can make out something of what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurifyRequest {
    purifier: [u8; 8],
    t: u16,
    steps: u8,
    shape: TileShape,
    tiles: Vec<Tile>,
}

impl PurifyRequest {
    /// A request to take the noise of level `t` out of `tiles` in `steps` steps of DDIM.
    ///
    /// `purifier` is the first eight bytes of the SHA-256 of the purifier's file.
    ///
    /// # Errors
    /// `t` or `steps` of zero or over [`MAX_T`] and [`MAX_STEPS`]; a shape that is not allowed; no tile or more than
    /// [`TileShape::most_tiles`]; a tile of another length.
    pub fn new(purifier: [u8; 8], t: u16, steps: u8, shape: TileShape, tiles: Vec<Tile>) -> Result<Self, WireError> {
        check_filled("t", t.into(), MAX_T.into())?;
        check_filled("steps", steps.into(), MAX_STEPS.into())?;
        shape.check_tiles(&tiles)?;
        Ok(Self { purifier, t, steps, shape, tiles })
    }

    /// First eight bytes of the SHA-256 of the purifier.
    pub fn purifier(&self) -> &[u8; 8] {
        &self.purifier
    }

    /// Noise level of the tiles, 1 to [`MAX_T`].
    pub fn t(&self) -> u16 {
        self.t
    }

    /// Steps of DDIM, 1 to [`MAX_STEPS`].
    pub fn steps(&self) -> u8 {
        self.steps
    }

    /// Channels and side of each tile.
    pub fn shape(&self) -> TileShape {
        self.shape
    }

    /// The noised tiles.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The noised tiles, without a copy.
    pub fn into_tiles(self) -> Vec<Tile> {
        self.tiles
    }

    /// The whole message.
    pub fn encode(&self) -> Vec<u8> {
        let (t, side) = (self.t.to_le_bytes(), self.shape.side.to_le_bytes());
        let count = (self.tiles.len() as u16).to_le_bytes();
        let fixed = [&self.purifier[..], &t, &[self.steps, self.shape.channels], &side, &count].concat();
        encode(Kind::PurifyRequest, 0, &[&fixed, &self.shape.write(&self.tiles)])
    }

    /// Reads a whole message.
    ///
    /// # Errors
    /// Anything but exactly one well-formed message of this kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (parameters, payload) = open(Kind::PurifyRequest, bytes)?;
        no_parameters(parameters)?;
        let (fixed, tiles) = split_fixed::<FIXED_BYTES>(payload)?;
        let (purifier, rest) = split_fixed::<8>(fixed)?;
        let (&[t0, t1, steps, channels, side0, side1, count0, count1], _) = split_fixed::<8>(rest)?;
        let shape = TileShape { channels, side: u16::from_le_bytes([side0, side1]) };
        let tiles = shape.read(u16::from_le_bytes([count0, count1]), tiles)?;
        Self::new(*purifier, u16::from_le_bytes([t0, t1]), steps, shape, tiles)
    }
}
