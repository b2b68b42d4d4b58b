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

/// Most bytes of a message to the relay, envelope included: what a relay may set as its body limit.
pub const MAX_REQUEST_BYTES: usize = HEADER_BYTES + 26 + MAX_TOKEN_BYTES;

/// Most bytes of any message, envelope included: what a client may set as its limit.
pub const MAX_MESSAGE_BYTES: usize = HEADER_BYTES + 2 + MAX_LOGITS_BYTES;
