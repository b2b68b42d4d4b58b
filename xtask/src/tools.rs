//! What a fresh machine may lack, and the exact command that brings it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const OLDEST_NODE: u32 = 20;
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Node and npm, new enough.
pub fn need_node() -> Result<()> {
    let version = output(Command::new("node").arg("--version")).unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|text| text.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST_NODE => {}
        Some(_) => bail!(
            "Node {} is too old: version {OLDEST_NODE} or newer is needed (https://nodejs.org, or `nvm install 22`).",
            version.trim()
        ),
        None => bail!("Node was not found. Install it: `sudo apt-get install nodejs npm` (version {OLDEST_NODE} or newer)."),
    }
    output(Command::new("npm").arg("--version"))
        .map(drop)
        .context("npm was not found beside Node. Install it: `sudo apt-get install npm`.")
}

/// Rust's WebAssembly target, installed where rustup can.
pub fn need_wasm_target() -> Result<()> {
    let folder = output(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if PathBuf::from(folder.trim()).is_dir() {
        return Ok(());
    }
    println!("Installing Rust's WebAssembly target ...");
    let status = Command::new("rustup").args(["target", "add", WASM_TARGET]).status();
    if !status.is_ok_and(|status| status.success()) {
        bail!("Rust's WebAssembly target is missing and could not be installed. Run: `rustup target add {WASM_TARGET}`.");
    }
    Ok(())
}

/// A Chromium for the end-to-end tests: `CHROMIUM`, the PATH, or Debian's package where this user may install it.
pub fn find_browser() -> Result<PathBuf> {
    if let Some(path) = on_path() {
        return Ok(path);
    }
    println!("Installing Chromium with apt-get ...");
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "chromium"][..]] {
        let quiet =
            Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()).status();
        if !quiet.is_ok_and(|status| status.success()) {
            break;
        }
    }
    on_path().context(
        "Chromium was not found. Install it: `sudo apt-get install chromium`, or name one: `CHROMIUM=/path cargo verify`.",
    )
}

fn on_path() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let folders: Vec<_> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let found = folders.iter().flat_map(|folder| BROWSERS.iter().map(move |name| folder.join(name)));
    named.into_iter().chain(found).find(|path| path.is_file())
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("`{name}` could not be started"))?;
    if !output.status.success() {
        bail!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
