//! Whatever comes over the network, decoding ends in a message or an error.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use wire::limits::{MAX_MESSAGE_BYTES, MAX_PURIFY_BYTES};
use wire::{Header, InferAnswer, InferRequest, PurifyRequest, PurifyResult, SessionKey, Tile, TileShape};

/// Bytes that get past the envelope often enough to reach the payload decoders.
fn almost_messages() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (0u8..7, any::<u16>(), payload, -2i64..3).prop_map(|(kind, parameters, payload, off)| {
        let announced = (payload.len() as i64 + off.max(-(payload.len() as i64))) as u32;
        let mut bytes = b"VEIL\x01".to_vec();
        bytes.push(kind);
        bytes.extend(parameters.to_le_bytes());
        bytes.extend(announced.to_le_bytes());
        bytes.extend(payload);
        bytes
    })
}

/// Tiles of one random shape.
fn tiles() -> impl Strategy<Value = (TileShape, Vec<Tile>)> {
    let shape =
        (prop_oneof![Just(1u8), Just(3)], 1u16..4).prop_map(|(channels, eighths)| TileShape { channels, side: 8 * eighths });
    shape.prop_flat_map(|shape| {
        let tile = (any::<[u8; 8]>(), prop::collection::vec(any::<i16>(), shape.values()));
        let tile = tile.prop_map(|(id, values)| Tile { id, values });
        (Just(shape), prop::collection::vec(tile, 1..4))
    })
}

/// Decodes as every kind; what decodes must encode to the same bytes (one message, one encoding).
fn decode_as_everything(bytes: &[u8]) {
    let _ = Header::decode(bytes);
    if let Ok(message) = SessionKey::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
    if let Ok(message) = InferRequest::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
    if let Ok(message) = InferAnswer::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
    if let Ok(message) = PurifyRequest::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
    if let Ok(message) = PurifyResult::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn bytes_with_a_plausible_envelope_decode_or_are_refused(bytes in almost_messages()) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn a_request_survives_the_round_trip(
        parameters: u16, session: [u8; 16], encoder: [u8; 8], dim in 1u16..=4096,
        token in prop::collection::vec(any::<u8>(), 1..5000),
    ) {
        let request = InferRequest::new(parameters, session, encoder, dim, token).unwrap();
        let bytes = request.encode();
        prop_assert!(bytes.len() <= MAX_MESSAGE_BYTES);
        prop_assert_eq!(InferRequest::decode(&bytes).unwrap(), request);
    }

    #[test]
    fn noised_and_purified_tiles_survive_the_round_trip(
        purifier: [u8; 8], t in 1u16..=1000, steps in 1u8..=20, (shape, tiles) in tiles(),
    ) {
        let request = PurifyRequest::new(purifier, t, steps, shape, tiles.clone()).unwrap();
        prop_assert_eq!(PurifyRequest::decode(&request.encode()).unwrap(), request);
        let result = PurifyResult::new(shape, tiles).unwrap();
        prop_assert_eq!(PurifyResult::decode(&result.encode()).unwrap(), result);
    }

    #[test]
    fn every_prefix_of_tiles_is_refused((shape, tiles) in tiles(), cut in 0.0..1.0f64) {
        let request = PurifyRequest::new([1; 8], 100, 1, shape, tiles.clone()).unwrap().encode();
        let result = PurifyResult::new(shape, tiles).unwrap().encode();
        let end = |bytes: &[u8]| (cut * bytes.len() as f64) as usize;
        prop_assert!(PurifyRequest::decode(&request[..end(&request)]).is_err());
        prop_assert!(PurifyResult::decode(&result[..end(&result)]).is_err());
    }

    #[test]
    fn every_prefix_of_a_message_is_refused(token in prop::collection::vec(any::<u8>(), 1..60)) {
        let bytes = InferRequest::new(1, [1; 16], [2; 8], 768, token).unwrap().encode();
        for end in 0..bytes.len() {
            prop_assert!(InferRequest::decode(&bytes[..end]).is_err());
        }
    }
}

#[test]
fn a_message_over_the_largest_limit_cannot_be_built() {
    assert!(InferAnswer::new(1, 2, vec![0; MAX_MESSAGE_BYTES]).is_err());
    assert!(InferRequest::new(1, [0; 16], [0; 8], 768, vec![0; MAX_MESSAGE_BYTES]).is_err());
    assert!(SessionKey::new(1, vec![0; MAX_MESSAGE_BYTES]).is_err());
}

#[test]
fn tiles_of_another_length_or_more_than_fit_cannot_be_sent() {
    let shape = TileShape { channels: 3, side: 256 };
    let tile = Tile { id: [0; 8], values: vec![0; shape.values()] };
    let most = PurifyResult::new(shape, vec![tile.clone(); shape.most_tiles()]).unwrap();
    assert!(most.encode().len() <= MAX_PURIFY_BYTES);
    assert!(PurifyResult::new(shape, vec![tile; shape.most_tiles() + 1]).is_err());
    assert!(PurifyResult::new(shape, vec![Tile { id: [0; 8], values: vec![0; 64] }]).is_err());
}
