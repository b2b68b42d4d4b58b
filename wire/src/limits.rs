//! The bounds every decoder checks before it copies a byte.

/// Bytes of the envelope in front of each payload.
pub const HEADER_BYTES: usize = 12;

/// Most bytes of a public key: a 16-byte seed and 4,096 coefficients of 64 bits.
pub const MAX_PUBLIC_KEY_BYTES: usize = 16 + 4096 * 8;

/// Most bytes of a sealed token: a 16-byte seed and 4,096 bodies of 64 bits.
pub const MAX_TOKEN_BYTES: usize = 16 + 4096 * 8;

/// Most bytes of encrypted logits: a mask of 4,096 coefficients and 4,096 bodies, 64 bits each.
pub const MAX_LOGITS_BYTES: usize = 2 * 4096 * 8;

/// Most values of a token.
pub const MAX_DIM: u16 = 4096;

/// Most classes of a head.
pub const MAX_CLASSES: u16 = 4096;

/// Most bytes of any message, envelope included: what a server may set as its body limit.
pub const MAX_MESSAGE_BYTES: usize = HEADER_BYTES + 2 + MAX_LOGITS_BYTES;
