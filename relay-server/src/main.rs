//! The relay as a program; all that it does lies in the library.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use relay_server::config::{self, Flags, Log, LogFormat};
use relay_server::{Config, Relay, RelayError, make_admin_token, signalled};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<(), RelayError> {
    if flags.make_admin_token {
        return print(&make_admin_token()?);
    }
    let config = config::load(flags)?;
    if flags.print_config {
        return print(&config.to_toml()?);
    }
    start_log(&config.log)?;
    let runtime = tokio::runtime::Runtime::new().map_err(RelayError::Runtime)?;
    if flags.check_config {
        let relay = runtime.block_on(Relay::open(config))?;
        return print(&format!("The configuration is usable; models: {}.\n", relay.models().join(", ")));
    }
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), RelayError> {
    let shutdown = signalled()?;
    let listener = Relay::bind(config.listen).await?;
    let relay = Relay::open(config).await?;
    let address = listener.local_addr().map_err(RelayError::Runtime)?;
    print(&format!("Listening on http://{address}\n"))?;
    relay.serve(listener, shutdown).await
}

/// A closed standard output is an error and not a panic.
fn print(text: &str) -> Result<(), RelayError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(RelayError::Runtime)
}

fn start_log(log: &Log) -> Result<(), RelayError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| {
        RelayError::Config(format!("`log.filter` cannot be used ({error}); write for example info or relay_server=debug,info."))
    })?;
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
