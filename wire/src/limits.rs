//! The bounds every decoder checks before it copies a byte.

/// Bytes of the envelope in front of each payload.
pub const HEADER_BYTES: usize = 12;

/// Most bytes of a public key: a 16-byte seed and 4,096 coefficients of 64 bits.
pub const MAX_PUBLIC_KEY_BYTES: usize = 16 + 4096 * 8;

/// Most bytes of a sealed token: a 16-byte seed and 4,096 bodies of 64 bits.
pub const MAX_TOKEN_BYTES: usize = 16 + 4096 * 8;

/// Most values of a token.
pub const MAX_DIM: u16 = 4096;

/// Most classes of a head.
pub const MAX_CLASSES: u16 = 64;

/// Most bytes of encrypted logits: each class has a mask of 2,048 coefficients and a body, 64 bits each.
pub const MAX_LOGITS_BYTES: usize = MAX_CLASSES as usize * 2049 * 8;

/// Highest noise level of a tile.
pub const MAX_T: u16 = 1000;

/// Most steps of DDIM.
pub const MAX_STEPS: u8 = 20;

/// Longest side of a tile, in pixels.
pub const MAX_TILE_SIDE: u16 = 256;

/// Most tiles of a message.
pub const MAX_TILES: u16 = 256;

/// Most bytes of all tiles of a message: 256 tiles of 3 × 64 × 64, or 21 of the largest.
pub const MAX_TILE_BYTES: usize = 8 << 20;

/// Most bytes of a request to classify, envelope included: what a relay may set as its body limit there.
pub const MAX_REQUEST_BYTES: usize = HEADER_BYTES + 26 + MAX_TOKEN_BYTES;

/// Most bytes of a purify request or result, envelope included.
pub const MAX_PURIFY_BYTES: usize = HEADER_BYTES + 16 + MAX_TILE_BYTES;

/// Most bytes of any message, envelope included.
pub const MAX_MESSAGE_BYTES: usize = MAX_PURIFY_BYTES;
