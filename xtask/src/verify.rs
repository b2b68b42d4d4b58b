//! `cargo verify`: every check and every test, and one line at the end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::{env, io};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::counts::Counts;
use crate::steps::{command, describe, npm, run};
use crate::{browser_build, page_build, target, tools};

/// Run every check and every test.
#[derive(Args)]
pub struct Verify {
    /// Only the steps whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// A step's name and what it does.
type Step = (&'static str, fn() -> Result<Counts>);

const STEPS: [Step; 9] = [
    ("format", || check(cargo(&["fmt", "--all", "--check"]))),
    ("clippy", || check(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
    ("clippy-wasm", || check(cargo(&["clippy", "--package", "client-wasm", "--target", WASM, "--", "-D", "warnings"]))),
    ("native-tests", || tests(cargo(&["test", "--workspace", "--no-fail-fast", "--", "--show-output"]))),
    ("wasm-tests", || tests(wasm_tests()?)),
    ("build", build),
    ("typescript", || check(npm(&["run", "--silent", "check"]))),
    ("page-tests", || tests(npm(&["test", "--silent"]))),
    ("end-to-end", || tests(end_to_end()?)),
];

const WASM: &str = "wasm32-unknown-unknown";

impl Verify {
    /// Runs the steps; fails where one of them did.
    pub fn run(self) -> Result<()> {
        tools::need_node()?;
        tools::need_wasm_target()?;
        let mut total = Counts::default();
        let only = self.only.unwrap_or_default();
        for (name, step) in STEPS.iter().filter(|(name, _)| name.contains(&only)) {
            println!("== {name}");
            let counts = step().unwrap_or_else(|error| {
                println!("{error:#}");
                Counts::check(false)
            });
            println!("== {name}: {} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
            total += counts;
        }
        println!("verify: {} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
        if total.failed > 0 || total.passed == 0 {
            bail!("verify failed");
        }
        Ok(())
    }
}

fn cargo(arguments: &[&str]) -> Command {
    command(&env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}

fn check(command: Command) -> Result<Counts> {
    if describe(&command).starts_with("npm") {
        page_build::install()?;
    }
    run(command).map(|()| Counts::check(true))
}

/// Runs a test runner, showing its output as it comes, and counts. A runner that fails without a failed test counts as one.
fn tests(mut command: Command) -> Result<Counts> {
    let name = describe(&command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("`{name}` could not be started"))?;
    let mut output = String::new();
    for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
        let line = line?;
        writeln!(io::stdout(), "{line}")?;
        output.push_str(&line);
        output.push('\n');
    }
    let mut counts = Counts::read(&output);
    if !child.wait()?.success() && counts.failed == 0 {
        println!("`{name}` failed before its tests were counted");
        counts.failed = 1;
    }
    Ok(counts)
}

fn wasm_tests() -> Result<Command> {
    let runner = format!("{} wasm-test-runner", env::current_exe()?.display());
    let mut tests = cargo(&[
        "test",
        "--target",
        WASM,
        "--package",
        "he",
        "--package",
        "wire",
        "--package",
        "models",
        "--package",
        "federation",
        "--package",
        "purify",
        "--no-default-features",
    ]);
    tests.args(["--no-fail-fast", "--lib", "--tests"]).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    Ok(tests)
}

fn build() -> Result<Counts> {
    browser_build::build()?;
    page_build::build()?;
    // The tests' own selection: `build` would resolve other features and compile the heavy crates once more. It builds the programs too.
    run(cargo(&["test", "--workspace", "--no-run"]))?;
    Ok(Counts::check(true))
}

fn end_to_end() -> Result<Command> {
    let programs = target().join("debug");
    let mut tests = npm(&["run", "--silent", "e2e"]);
    tests.env("CHROMIUM", tools::find_browser()?);
    tests.env("VEILSIGHT_RELAY_BIN", programs.join("relay-server")).env("VEILSIGHT_LAB_BIN", programs.join("lab"));
    Ok(tests)
}
