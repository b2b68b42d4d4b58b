//! The page: npm packages and the bundle in www/dist.

use std::path::PathBuf;

use anyhow::Result;

use crate::root;
use crate::stamp::Stamp;
use crate::steps::{npm, run};

/// Installs the pinned npm packages, where they are not there yet.
pub fn install() -> Result<()> {
    let www = root().join("www");
    let stamp = Stamp::of("npm-ci", &[www.join("package-lock.json")])?;
    if stamp.is_fresh(&[www.join("node_modules/.package-lock.json")]) {
        return Ok(());
    }
    println!("Installing the page's npm packages ...");
    run(npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    stamp.set()
}

/// Bundles the page, where its sources or the WebAssembly have changed.
pub fn build() -> Result<()> {
    install()?;
    let www = root().join("www");
    let inputs: Vec<PathBuf> = ["src", "public", "dist/wasm", "build.mjs", "package-lock.json", "tsconfig.json"]
        .iter()
        .map(|name| www.join(name))
        .collect();
    let stamp = Stamp::of("www", &inputs)?;
    if stamp.is_fresh(&[www.join("dist/index.html"), www.join("dist/veilsight.js")]) {
        return Ok(());
    }
    println!("Bundling the page ...");
    run(npm(&["run", "--silent", "build"]))?;
    // The bundler writes compressed copies beside the WebAssembly, which is an input too.
    Stamp::of("www", &inputs)?.set()
}
