//! `cargo lab`: train, fit, evaluate, benchmark, report.

use clap::{Parser, Subcommand};
use lab::cli;

#[derive(Parser)]
#[command(name = "lab", about = "Train, evaluate, benchmark and report Veilsight's models.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train a network.
    #[command(subcommand)]
    Train(cli::train::Train),
    Fit(cli::fit::Fit),
    Keep(cli::fit::Keep),
    Calibrate(Box<cli::calibrate::Calibrate>),
    Evaluate(Box<cli::evaluate::Evaluate>),
    Fidelity(cli::fidelity::Fidelity),
    Report(cli::report::Report),
    Federate(Box<cli::federate::Federate>),
    Consortium(cli::consortium::ConsortiumArgs),
    /// A hospital without a page.
    #[command(subcommand)]
    Site(cli::site::Command),
    Encode(cli::evaluate::Encode),
    Phantom(cli::evaluate::Phantom),
    /// Attack what sites could send.
    #[command(subcommand)]
    Attack(cli::attack::Attack),
    /// A relay's audit log, and what relays could rebuild of images.
    #[command(subcommand)]
    Audit(cli::audit::Audit),
    /// Our own code beside its peers, in the same run.
    #[command(subcommand)]
    Bench(lab::bench::Bench),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Train(command) => cli::train::main(command),
        Command::Fit(command) => command.run(),
        Command::Keep(command) => command.run(),
        Command::Calibrate(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Fidelity(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Federate(command) => command.run(),
        Command::Consortium(command) => command.run(),
        Command::Site(command) => cli::site::main(command),
        Command::Encode(command) => command.run(),
        Command::Phantom(command) => command.run(),
        Command::Attack(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Bench(bench) => bench.run(),
    }
}
