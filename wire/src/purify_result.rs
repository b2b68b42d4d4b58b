use crate::WireError;
use crate::envelope::{Kind, encode, no_parameters, open, split_fixed};
use crate::tile::{Tile, TileShape};

/// Bytes in front of the tiles: channels (1), zero (1), side (2), count (2).
pub(crate) const FIXED_BYTES: usize = 6;

/// Kind 5, relay to client: the purified tiles of one request, under the ids they came with.
///
/// Values are estimates of the clean image in diffusion units, -1 to 1. That they are is for the receiver to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurifyResult {
    shape: TileShape,
    tiles: Vec<Tile>,
}

impl PurifyResult {
    /// A result of purified tiles.
    ///
    /// # Errors
    /// A shape that is not allowed; no tile or more than [`TileShape::most_tiles`]; a tile of another length.
    pub fn new(shape: TileShape, tiles: Vec<Tile>) -> Result<Self, WireError> {
        shape.check_tiles(&tiles)?;
        Ok(Self { shape, tiles })
    }

    /// Channels and side of each tile.
    pub fn shape(&self) -> TileShape {
        self.shape
    }

    /// The purified tiles.
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The purified tiles, without a copy.
    pub fn into_tiles(self) -> Vec<Tile> {
        self.tiles
    }

    /// The whole message.
    pub fn encode(&self) -> Vec<u8> {
        let side = self.shape.side.to_le_bytes();
        let count = (self.tiles.len() as u16).to_le_bytes();
        encode(Kind::PurifyResult, 0, &[&[self.shape.channels, 0], &side, &count, &self.shape.write(&self.tiles)])
    }

    /// Reads a whole message.
    ///
    /// # Errors
    /// Anything but exactly one well-formed message of this kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (parameters, payload) = open(Kind::PurifyResult, bytes)?;
        no_parameters(parameters)?;
        let (&[channels, zero, side0, side1, count0, count1], tiles) = split_fixed::<FIXED_BYTES>(payload)?;
        if zero != 0 {
            return Err(WireError::Value { field: "the byte behind channels", found: zero.into() });
        }
        let shape = TileShape { channels, side: u16::from_le_bytes([side0, side1]) };
        let tiles = shape.read(u16::from_le_bytes([count0, count1]), tiles)?;
        Self::new(shape, tiles)
    }
}
