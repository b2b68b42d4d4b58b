//! Random bodies: every one gets an answer, and none breaks the relay.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::*;

/// Anything, something with the right beginning, or a good message with some bytes changed and perhaps cut.
fn bodies(good: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..600);
    let kind = (1u8..5, 0u16..3, 0u32..50_000, prop::collection::vec(any::<u8>(), 0..600));
    let begun = kind.prop_map(|(kind, parameters, length, payload)| {
        let mut bytes = b"VEIL\x01".to_vec();
        bytes.push(kind);
        bytes.extend(parameters.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(payload);
        bytes
    });
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let changed = (prop::sample::select(good), changes, any::<prop::sample::Index>(), any::<bool>());
    let changed = changed.prop_map(|(mut bytes, changes, end, cut)| {
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let end = end.index(bytes.len());
        if cut {
            bytes.truncate(end);
        }
        bytes
    });
    prop_oneof![noise, begun, changed]
}

#[test]
fn no_body_breaks_the_relay() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let place = Place::new();
    let mut config = place.config();
    config.budget.enabled = false;
    let server = runtime.block_on(Server::start(config));
    let device = runtime.block_on(Device::join(&server));
    let good = vec![device.request(&place, &[1; DIM]), session_key(&device.key)];
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let paths = prop::sample::select(vec!["/v1/sessions", INFER, "/v1/models/none/infer"]);
    let outcome = runner.run(&(paths, bodies(good)), |(path, body)| {
        let status = runtime.block_on(server.post(path, body)).status().as_u16();
        prop_assert!(status < 500 || status == 503, "{} answered {}", path, status);
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(server.stop());
}
