//! `cargo demo --sites`: a consortium on the demo's relay.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::steps::{command, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the relay, founds the consortium `demo` on it, and waits for the relay to end.
pub fn run_beside(mut relay: Command, port: u16, sites: u16, token: &Path) -> Result<()> {
    ensure!((3..=63).contains(&sites), "a consortium has 3 to 63 sites");
    let mut running = relay.spawn().context("the relay could not be started")?;
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = running.try_wait()? {
            bail!("the relay ended ({status})");
        }
        ensure!(begun.elapsed() < PATIENCE, "the relay did not start");
        sleep(Duration::from_millis(200));
    }
    if let Err(error) = found(port, sites, token) {
        println!("{error:#}: an earlier consortium of this demo may still stand; remove the data folder for a new one.");
    }
    let status = running.wait()?;
    ensure!(status.success(), "the relay ended ({status})");
    Ok(())
}

fn found(port: u16, sites: u16, token: &Path) -> Result<()> {
    let names: Vec<String> = (1..=sites).map(|site| format!("Hospital {site}")).collect();
    println!(
        "Founding the consortium `demo`. Open http://127.0.0.1:{port}/site.html in a browser profile of its own for each site, with:"
    );
    let mut found = lab(port, token);
    found.args(["found", "demo", "--title", "Demonstration", "--model", "brain-mri", "--classes", "no,yes"]);
    found.args(["--sites", &names.join(",")]);
    run(found)?;
    println!("When all have enrolled, begin a round:");
    println!("  cargo lab consortium --relay http://127.0.0.1:{port} --token-file {} round demo", token.display());
    Ok(())
}

fn lab(port: u16, token: &Path) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut lab = command(&cargo, &["run", "--quiet", "--package", "lab", "--", "consortium"]);
    lab.args(["--relay", &format!("http://127.0.0.1:{port}")]).arg("--token-file").arg(token);
    lab
}
