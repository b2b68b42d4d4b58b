//! `cargo demo`: the whole product on this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use clap::Args;

use crate::relays::Relays;
use crate::steps::{command, run};
use crate::{browser_build, consortium, page_build, root, target, tools};

/// Build everything and run the product on this machine.
#[derive(Args)]
pub struct Demo {
    /// Port on 127.0.0.1.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Folder of the relay's SQLite file.
    #[arg(long, default_value = "target/demo")]
    data_dir: PathBuf,
    /// Build the relay with the release profile (link-time optimised; takes longer).
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build the relay with the development profile, which is optimised too and shared with `cargo verify` (the default).
    #[arg(long)]
    debug: bool,
    /// Also found a consortium of so many sites (3 to 63) for the model `brain-mri`, and print their invitations.
    #[arg(long)]
    sites: Option<u16>,
    /// Run so many independent relays, on this port and those after it: the page deals the tiles of a flagged image among them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    relays: u16,
}

impl Demo {
    /// Checks, builds, and runs the relay until it is stopped.
    pub fn run(self) -> Result<()> {
        tools::need_node()?;
        println!(
            "Veilsight demo. The first run compiles everything, which takes some 10 to 25 minutes; later starts take seconds."
        );
        println!("[1/3] The browser's client, Rust to WebAssembly, for the CPU and for WebGPU");
        browser_build::build()?;
        println!("[2/3] The page");
        page_build::build()?;
        println!("[3/3] The relay");
        self.serve(build_relay(self.release)?)
    }

    fn serve(&self, relay: PathBuf) -> Result<()> {
        let data = root().join(&self.data_dir);
        fs::create_dir_all(&data).with_context(|| format!("the data folder {} cannot be made", data.display()))?;
        let admin = Administrator::load_or_make(&relay, &data)?;
        let relays = Relays::new(self.port, self.relays)?;
        let mut command = relays.relay(&relay, self.port, &data);
        command.arg("--www").arg(root().join("www/dist"));
        command.env("VEILSIGHT_RELAY_FEDERATION__ADMIN_TOKEN_SHA256", &admin.sha256);
        println!("Open http://127.0.0.1:{} in a browser; stop with Ctrl-C.", self.port);
        println!("The administrator's token is in {}.", admin.file.display());
        let _beside = relays.start_others(&relay, &data)?;
        match self.sites {
            Some(sites) => consortium::run_beside(command, self.port, sites, &admin.file),
            None if self.relays > 1 => run(command),
            None => replace(command),
        }
    }
}

/// The administrator of the demo's relay: made at the first start, kept in the data folder.
struct Administrator {
    file: PathBuf,
    sha256: String,
}

impl Administrator {
    fn load_or_make(relay: &Path, data: &Path) -> Result<Self> {
        let (file, hash_file) = (data.join("admin-token"), data.join("admin-token.sha256"));
        if !hash_file.exists() {
            let made = Command::new(relay).arg("--make-admin-token").output().context("the relay could not be started")?;
            let text = String::from_utf8(made.stdout)?;
            let token = text.split_whitespace().find(|word| word.starts_with("vsa_")).context("the relay made no token")?;
            let sha256 = text.split('"').nth(1).context("the relay printed no hash")?;
            write_private(&file, token)?;
            fs::write(&hash_file, sha256)?;
        }
        Ok(Self { file, sha256: fs::read_to_string(hash_file)? })
    }
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))
}

/// Builds the relay; answers the program's path.
pub fn build_relay(release: bool) -> Result<PathBuf> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // With the whole workspace's features, so that the heavy crates are those that `cargo verify` builds.
    let mut build = command(&cargo, &["build", "--workspace", "--bin", "relay-server"]);
    if release {
        build.arg("--release");
    }
    run(build)?;
    Ok(target().join(if release { "release" } else { "debug" }).join("relay-server"))
}

/// Becomes the relay, so that signals reach it directly and it can end in order.
#[cfg(unix)]
fn replace(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).context("the relay could not be started")
}

#[cfg(not(unix))]
fn replace(command: Command) -> Result<()> {
    run(command)
}
