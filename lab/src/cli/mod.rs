//! The commands, one module each: they read arguments and call the library.

pub mod attack;
pub mod audit;
pub mod calibrate;
pub mod consortium;
pub mod egress;
pub mod evade;
pub mod evaluate;
pub mod evasion;
pub mod federate;
pub mod fidelity;
pub mod fit;
pub mod purify;
pub mod report;
pub mod site;
pub mod train;

use std::path::Path;

/// The command line as `cargo lab …`, for a record of what computed a result. Absolute paths are cut to their last part, which is
/// all that another machine shares; `--resume` is left out, because a resumed run computes the same.
pub fn command_line() -> String {
    let shorten = |arg: String| match Path::new(&arg).file_name() {
        Some(name) if Path::new(&arg).is_absolute() => format!("…/{}", name.to_string_lossy()),
        _ => arg,
    };
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--resume").map(shorten).collect();
    format!("cargo lab {}", args.join(" "))
}
