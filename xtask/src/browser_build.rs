//! The two WebAssembly builds that the browser chooses from.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::stamp::Stamp;
use crate::steps::{command, run};
use crate::{root, target, tools};

/// One build of `client-wasm`.
struct Build {
    name: &'static str,
    /// Where it goes, below the checkout's root.
    out: &'static str,
    profile: &'static str,
    features: &'static [&'static str],
}

const BUILDS: [Build; 2] = [
    Build { name: "cpu", out: "www/dist/wasm/cpu", profile: "wasm-small", features: &[] },
    Build { name: "webgpu", out: "www/dist/wasm/webgpu", profile: "wasm", features: &["--features", "webgpu"] },
];

/// The CPU build with the exports that `lab bench` measures; it is not served.
const BENCH: Build = Build { name: "bench", out: "target/bench-wasm", profile: "wasm-small", features: &["--features", "bench"] };

/// Builds the benchmarks' WebAssembly into target/bench-wasm.
pub fn build_bench() -> Result<()> {
    tools::need_wasm_target()?;
    BENCH.run()
}

/// Builds both, and their JavaScript glue, into www/dist/wasm.
pub fn build() -> Result<()> {
    tools::need_wasm_target()?;
    BUILDS.iter().try_for_each(Build::run)
}

impl Build {
    fn run(&self) -> Result<()> {
        eprintln!("Building the browser's client ({}) ...", self.name);
        let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut build = command(&cargo, &["build", "--package", "client-wasm", "--lib", "--target", "wasm32-unknown-unknown"]);
        build.args(["--profile", self.profile]).args(self.features);
        run(build)?;
        self.bind()
    }

    fn bind(&self) -> Result<()> {
        let wasm = target().join("wasm32-unknown-unknown").join(self.profile).join("client_wasm.wasm");
        let out = self.out();
        let stamp = Stamp::of(&format!("bind-{}", self.name), std::slice::from_ref(&wasm))?;
        if stamp.is_fresh(&[out.join("client_wasm_bg.wasm"), out.join("client_wasm.js")]) {
            return Ok(());
        }
        fs::create_dir_all(&out)?;
        Bindgen::new()
            .input_path(&wasm)
            .web(true)?
            .typescript(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(&out)
            .with_context(|| format!("wasm-bindgen failed on {}", wasm.display()))?;
        stamp.set()
    }

    fn out(&self) -> PathBuf {
        root().join(self.out)
    }
}
