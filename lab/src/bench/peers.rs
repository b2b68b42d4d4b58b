//! The peers that benchmarks run beside: npm and PyPI packages, pinned in `lab/peers`, installed on first use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Into::into)
}

fn folder() -> PathBuf {
    root().join("lab/peers")
}

/// A Node script of `lab/peers`, its npm packages installed.
pub fn node(script: &str) -> Result<Command> {
    if !folder().join("node_modules/.package-lock.json").exists() {
        eprintln!("Installing the peers' npm packages ...");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder());
        quiet(npm).context("Node and npm are needed: `sudo apt-get install nodejs npm`")?;
    }
    let mut command = Command::new("node");
    command.arg(folder().join(script)).current_dir(folder());
    Ok(command)
}

/// A Python script of `lab/peers`, in a virtual environment of its own.
pub fn python(script: &str) -> Result<Command> {
    python_with(script, "requirements.txt", "peers-python")
}

/// The same for a script that needs PyTorch, which is large and has an environment to itself.
pub fn python_with_torch(script: &str) -> Result<Command> {
    python_with(script, "requirements-torch.txt", "peers-torch")
}

fn python_with(script: &str, requirements: &str, environment: &str) -> Result<Command> {
    let environment = root().join("target").join(environment);
    let done = environment.join("installed");
    let wanted = std::fs::read_to_string(folder().join(requirements))?;
    if std::fs::read_to_string(&done).ok().as_ref() != Some(&wanted) {
        eprintln!("Installing the peers' Python packages ...");
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&environment);
        quiet(create).context("Python is needed: `sudo apt-get install python3-venv`")?;
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet", "-r"]).arg(folder().join(requirements));
        quiet(pip)?;
        std::fs::write(done, wanted)?;
    }
    let mut command = Command::new(environment.join("bin/python"));
    command.arg(folder().join(script));
    Ok(command)
}

/// The benchmarks' WebAssembly, built.
pub fn our_wasm() -> Result<PathBuf> {
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    build.args(["xtask", "build-bench"]).current_dir(root());
    quiet(build)?;
    Ok(root().join("target/bench-wasm"))
}

/// The JSON object that a script prints last.
pub fn json(mut command: Command) -> Result<Value> {
    let name = format!("{command:?}");
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{name} could not be started"))?;
    if !output.status.success() {
        bail!("{name} failed ({})", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{name} printed no JSON object"))
}

/// Runs to the end, its output on our standard error.
pub fn quiet(mut command: Command) -> Result<()> {
    let name = format!("{command:?}");
    let status = command.stdout(std::io::stderr()).status().with_context(|| format!("{name} could not be started"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}
