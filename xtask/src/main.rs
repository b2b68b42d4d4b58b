//! Builds, runs and checks the product: the one place that knows how the rooms are put together.
//!
//! `cargo demo` and `cargo verify` are aliases of `cargo xtask demo` and `cargo xtask verify`.

mod browser_build;
mod consortium;
mod counts;
mod demo;
mod page_build;
mod relays;
mod stamp;
mod steps;
mod tools;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Builds, runs and checks Veilsight")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and run the product on this machine.
    Demo(demo::Demo),
    /// Run every check and every test.
    Verify(verify::Verify),
    /// Build the browser's WebAssembly into www/dist/wasm.
    BuildWasm,
    /// Build the WebAssembly that `cargo lab bench` measures into target/bench-wasm.
    BuildBench,
    /// Build the WebAssembly and the page into www/dist.
    BuildWww,
    /// Run a WebAssembly test file in Node (cargo calls this during `verify`).
    #[command(disable_help_flag = true)]
    WasmTestRunner {
        /// The test file and the arguments that `cargo test` adds.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Verify(verify) => verify.run(),
        Command::BuildWasm => browser_build::build(),
        Command::BuildBench => browser_build::build_bench(),
        Command::BuildWww => {
            tools::need_node()?;
            browser_build::build()?;
            page_build::build()
        }
        Command::WasmTestRunner { arguments } => {
            let name = OsString::from("wasm-test-runner");
            wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::iter::once(name).chain(arguments))
        }
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Into::into)
}

/// Cargo's target folder.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}
