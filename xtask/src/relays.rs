//! `cargo demo --relays`: several relays, among which the page deals the tiles of a flagged image.

use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result};

use crate::root;
use crate::steps::command;

/// The relays of a demo, by their ports on 127.0.0.1; the first one serves the page.
pub struct Relays {
    ports: Range<u16>,
}

/// Relays beside the page's. They end when this is dropped; Ctrl-C reaches them by itself.
pub struct Beside(Vec<Child>);

impl Drop for Beside {
    fn drop(&mut self) {
        for relay in &mut self.0 {
            // One that has ended already cannot be killed, and that is what was wanted.
            let _ = relay.kill();
            let _ = relay.wait();
        }
    }
}

impl Relays {
    /// `count` relays on consecutive ports.
    pub fn new(first: u16, count: u16) -> Result<Self> {
        let end = first.checked_add(count).with_context(|| format!("there are no {count} ports from {first} on"))?;
        Ok(Self { ports: first..end })
    }

    /// The command that runs the relay of a port on a data folder of its own. If there are several, each offers all of them, and takes tiles
    /// from the page.
    pub fn relay(&self, program: &Path, port: u16, data: &Path) -> Command {
        let mut command = command(&program.to_string_lossy(), &["--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--data-dir").arg(data).arg("--models").arg(root().join("models/zoo"));
        if self.ports.len() > 1 {
            let origins: Vec<String> = self.ports.clone().map(|port| format!("\"http://127.0.0.1:{port}\"")).collect();
            command.env("VEILSIGHT_RELAY_PURIFICATION__RELAYS", format!("[{}]", origins.join(",")));
            for host in ["127.0.0.1", "localhost"] {
                command.args(["--allow-origin", &format!("http://{host}:{}", self.ports.start)]);
            }
        }
        command
    }

    /// Starts all but the first.
    pub fn start_others(&self, program: &Path, data: &Path) -> Result<Beside> {
        let mut beside = Beside(Vec::new());
        for port in self.ports.clone().skip(1) {
            let relay = self.relay(program, port, &data.join(format!("relay-{port}"))).spawn();
            beside.0.push(relay.with_context(|| format!("the relay for port {port} could not be started"))?);
        }
        Ok(beside)
    }
}
