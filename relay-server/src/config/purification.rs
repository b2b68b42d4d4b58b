//! Purification by this relay.

use serde::{Deserialize, Serialize};

/// Jobs that take noised tiles and give purified ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Purification {
    /// Whether the relay runs the purifiers of its packs. It hands their files out in any case.
    pub enabled: bool,
    /// Where they run.
    pub device: Device,
    /// Most tiles in one pass through a network.
    pub batch: usize,
    /// Threads of the CPU; 0 for one per core.
    pub workers: usize,
    /// Tiles that may wait or be at work; further ones are answered 503.
    pub queue_tiles: usize,
    /// Jobs of one site whose tiles or result are kept; further ones are answered 429.
    pub jobs_per_site: u32,
    /// How long a job may run, in seconds.
    pub timeout_s: u64,
    /// How long tiles and results are kept, in seconds, and then what is remembered of a job that has ended.
    pub ttl_s: u64,
    /// The origins of the relays among which a page is to deal tiles, this one too if it is one of them.
    pub relays: Vec<String>,
}

impl Default for Purification {
    fn default() -> Self {
        Self {
            enabled: true,
            device: Device::Auto,
            batch: 32,
            workers: 0,
            queue_tiles: 1024,
            jobs_per_site: 16,
            timeout_s: 300,
            ttl_s: 900,
            relays: Vec::new(),
        }
    }
}

/// What purifiers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// A GPU where there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU; the relay does not start without one. One that the CPU draws counts too.
    Gpu,
}
