//! Tiles of an image, as they cross the network: fixed-point values under a random id.

use crate::WireError;
use crate::envelope::check_filled;
use crate::limits::{HEADER_BYTES, MAX_TILE_BYTES, MAX_TILE_SIDE, MAX_TILES};

/// Steps of the fixed point between two whole numbers: a value crosses the network as an `i16` of 1/2,048.
pub const ONE: f32 = 2048.0;

/// Bytes of a tile's id.
const ID_BYTES: usize = 8;

/// A value in diffusion units as fixed point: rounded to 1/2,048, saturating at ±16; not a number becomes 0.
pub fn to_fixed(value: f32) -> i16 {
    (value * ONE).round() as i16
}

/// The value, in diffusion units, that a fixed-point number stands for.
pub fn from_fixed(value: i16) -> f32 {
    f32::from(value) / ONE
}

/// A square piece of an image under a name that tells nothing about its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Random name, by which the purified tile is told apart from the others.
    pub id: [u8; ID_BYTES],
    /// Values `[channels, side, side]` in fixed point, see [`to_fixed`].
    pub values: Vec<i16>,
}

/// Channels and side of every tile of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileShape {
    /// 1 (grey) or 3 (RGB).
    pub channels: u8,
    /// Pixels along one side: a multiple of 8 of at most [`MAX_TILE_SIDE`].
    pub side: u16,
}

impl TileShape {
    /// Values in one tile.
    pub fn values(self) -> usize {
        usize::from(self.channels) * usize::from(self.side) * usize::from(self.side)
    }

    /// Most tiles of this shape that fit into one message.
    pub fn most_tiles(self) -> usize {
        (MAX_TILE_BYTES / self.tile_bytes()).min(MAX_TILES.into())
    }

    /// Bytes of one tile in a message.
    fn tile_bytes(self) -> usize {
        ID_BYTES + 2 * self.values()
    }

    fn check(self) -> Result<(), WireError> {
        check_filled("channels", self.channels.into(), 3)?;
        if self.channels == 2 {
            return Err(WireError::Value { field: "channels", found: 2 });
        }
        check_filled("side", self.side.into(), MAX_TILE_SIDE.into())?;
        if !self.side.is_multiple_of(8) {
            return Err(WireError::Value { field: "side", found: self.side.into() });
        }
        Ok(())
    }

    fn check_count(self, count: usize) -> Result<(), WireError> {
        check_filled("tiles", count, self.most_tiles())
    }

    /// Holds shape, count and every tile's length against the limits.
    pub(crate) fn check_tiles(self, tiles: &[Tile]) -> Result<(), WireError> {
        self.check()?;
        self.check_count(tiles.len())?;
        match tiles.iter().find(|tile| tile.values.len() != self.values()) {
            Some(tile) => Err(WireError::Length { announced: 2 * self.values(), found: 2 * tile.values.len() }),
            None => Ok(()),
        }
    }

    /// Writes tiles one behind the other.
    pub(crate) fn write(self, tiles: &[Tile]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(tiles.len() * self.tile_bytes());
        for Tile { id, values } in tiles {
            bytes.extend_from_slice(id);
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        bytes
    }

    /// Reads exactly `count` tiles; shape and count are checked before a byte is copied.
    pub(crate) fn read(self, count: u16, bytes: &[u8]) -> Result<Vec<Tile>, WireError> {
        self.check()?;
        self.check_count(count.into())?;
        let announced = usize::from(count) * self.tile_bytes();
        if bytes.len() != announced {
            return Err(WireError::Length { announced, found: bytes.len() });
        }
        bytes.chunks_exact(self.tile_bytes()).map(read_tile).collect()
    }
}

fn read_tile(bytes: &[u8]) -> Result<Tile, WireError> {
    let needed = HEADER_BYTES + ID_BYTES;
    let (id, values) = bytes.split_first_chunk::<ID_BYTES>().ok_or(WireError::Truncated { needed, found: bytes.len() })?;
    let values = values.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    Ok(Tile { id: *id, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_point_rounds_to_the_nearest_step_and_saturates() {
        for (value, fixed) in [(0.0, 0), (1.0, 2048), (-1.0, -2048), (0.0003, 1), (-0.0003, -1), (15.9999, 32767), (16.0, 32767)]
        {
            assert_eq!(to_fixed(value), fixed, "{value}");
        }
        for (value, fixed) in [(f32::INFINITY, i16::MAX), (f32::NEG_INFINITY, i16::MIN), (f32::NAN, 0)] {
            assert_eq!(to_fixed(value), fixed, "{value}");
        }
    }

    #[test]
    fn every_fixed_point_number_survives_the_round_trip() {
        for fixed in i16::MIN..=i16::MAX {
            assert_eq!(to_fixed(from_fixed(fixed)), fixed);
        }
    }
}
