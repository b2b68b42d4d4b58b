//! The published test vectors, read by native and wasm builds alike.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use wire::{InferAnswer, InferRequest, PurifyRequest, PurifyResult, SessionKey, Tile, TileShape, WireError};

#[derive(Deserialize)]
struct Vectors {
    valid: Vec<Valid>,
    malformed: Vec<Malformed>,
}

#[derive(Deserialize)]
struct Valid {
    name: String,
    hex: String,
    #[serde(flatten)]
    message: Message,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Message {
    SessionKey { parameters: u16, public_key: String },
    InferRequest { parameters: u16, session: String, encoder: String, dim: u16, token: String },
    InferAnswer { parameters: u16, classes: u16, logits: String },
    PurifyRequest { purifier: String, t: u16, steps: u8, channels: u8, side: u16, tiles: Vec<NamedTile> },
    PurifyResult { channels: u8, side: u16, tiles: Vec<NamedTile> },
}

#[derive(Deserialize)]
struct NamedTile {
    id: String,
    values: Vec<i16>,
}

impl From<NamedTile> for Tile {
    fn from(NamedTile { id, values }: NamedTile) -> Self {
        Self { id: bytes(&id).try_into().unwrap(), values }
    }
}

fn tiles(named: Vec<NamedTile>) -> Vec<Tile> {
    named.into_iter().map(Tile::from).collect()
}

#[derive(Deserialize)]
struct Malformed {
    name: String,
    kind: String,
    hex: String,
    error: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/messages.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).unwrap()
}

#[test]
fn every_published_message_decodes_to_its_fields() {
    for Valid { name, hex, message } in vectors().valid {
        let raw = bytes(&hex);
        match message {
            Message::SessionKey { parameters, public_key } => {
                let read = SessionKey::decode(&raw).unwrap();
                assert_eq!(read.parameters(), parameters, "{name}");
                assert_eq!(read.public_key(), bytes(&public_key), "{name}");
            }
            Message::InferRequest { parameters, session, encoder, dim, token } => {
                let read = InferRequest::decode(&raw).unwrap();
                assert_eq!((read.parameters(), read.dim()), (parameters, dim), "{name}");
                assert_eq!(read.session()[..], bytes(&session), "{name}");
                assert_eq!(read.encoder()[..], bytes(&encoder), "{name}");
                assert_eq!(read.token(), bytes(&token), "{name}");
            }
            Message::InferAnswer { parameters, classes, logits } => {
                let read = InferAnswer::decode(&raw).unwrap();
                assert_eq!((read.parameters(), read.classes()), (parameters, classes), "{name}");
                assert_eq!(read.logits(), bytes(&logits), "{name}");
            }
            Message::PurifyRequest { purifier, t, steps, channels, side, tiles: named } => {
                let read = PurifyRequest::decode(&raw).unwrap();
                assert_eq!(read.purifier()[..], bytes(&purifier), "{name}");
                assert_eq!((read.t(), read.steps(), read.shape()), (t, steps, TileShape { channels, side }), "{name}");
                assert_eq!(read.into_tiles(), tiles(named), "{name}");
            }
            Message::PurifyResult { channels, side, tiles: named } => {
                let read = PurifyResult::decode(&raw).unwrap();
                assert_eq!(read.shape(), TileShape { channels, side }, "{name}");
                assert_eq!(read.into_tiles(), tiles(named), "{name}");
            }
        }
    }
}

#[test]
fn every_published_message_is_written_byte_for_byte() {
    for Valid { name, hex, message } in vectors().valid {
        let written = match message {
            Message::SessionKey { parameters, public_key } => SessionKey::new(parameters, bytes(&public_key)).unwrap().encode(),
            Message::InferRequest { parameters, session, encoder, dim, token } => {
                let session = bytes(&session).try_into().unwrap();
                let encoder = bytes(&encoder).try_into().unwrap();
                InferRequest::new(parameters, session, encoder, dim, bytes(&token)).unwrap().encode()
            }
            Message::InferAnswer { parameters, classes, logits } => {
                InferAnswer::new(parameters, classes, bytes(&logits)).unwrap().encode()
            }
            Message::PurifyRequest { purifier, t, steps, channels, side, tiles: named } => {
                let purifier = bytes(&purifier).try_into().unwrap();
                PurifyRequest::new(purifier, t, steps, TileShape { channels, side }, tiles(named)).unwrap().encode()
            }
            Message::PurifyResult { channels, side, tiles: named } => {
                PurifyResult::new(TileShape { channels, side }, tiles(named)).unwrap().encode()
            }
        };
        assert_eq!(hex::encode(written), hex, "{name}");
    }
}

#[test]
fn every_malformed_message_is_refused_for_its_reason() {
    let vectors = vectors();
    assert!(vectors.malformed.len() >= 20);
    for case in vectors.malformed {
        let raw = bytes(&case.hex);
        let error: WireError = match case.kind.as_str() {
            "session-key" => SessionKey::decode(&raw).unwrap_err(),
            "infer-request" => InferRequest::decode(&raw).unwrap_err(),
            "infer-answer" => InferAnswer::decode(&raw).unwrap_err(),
            "purify-request" => PurifyRequest::decode(&raw).unwrap_err(),
            "purify-result" => PurifyResult::decode(&raw).unwrap_err(),
            other => panic!("vector {} has the unknown kind {other}", case.name),
        };
        assert_eq!(error.code(), case.error, "{}: {error}", case.name);
    }
}

#[test]
fn a_768_dimensional_request_stays_under_4300_bytes() {
    // 16 bytes of seed and 768 bodies of 44 bits.
    let request = InferRequest::new(1, [0; 16], [0; 8], 768, vec![0; 16 + 768 * 44 / 8]).unwrap();
    assert_eq!(request.encode().len(), 4_278);
}
