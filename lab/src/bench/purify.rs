//! `lab bench purify`.

mod browser;
pub mod record;
mod relay;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use models::RelayPack;

use crate::{
    bench::table,
    cli::command_line,
    pipeline::pack_folder,
    records::{self, Record},
};
use record::{Browser, PurifyBench, Relay};

/// Purification in Chromium beside the encoder, and on a relay over HTTP, tiles one by one beside many at a time, with the pack's own weights.
#[derive(Args)]
pub struct Purify {
    /// The pack to measure; it needs a purifier.
    #[arg(long, default_value = "brain-mri")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Timed runs in the browser.
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// Rounds on the relay: one by one and batched in turn, and the median round counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Images whose tiles are sent in a round; each is one job for each of the pack's relays.
    #[arg(long, default_value_t = 24)]
    images: usize,
    /// Steps of the walk on the relay.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    steps: u8,
    /// Leave the browser out.
    #[arg(long)]
    relay_only: bool,
    /// Chromium's program.
    #[arg(long, env = "CHROMIUM", default_value = "/usr/bin/chromium")]
    chromium: PathBuf,
    /// Write a record to docs/results/runs.
    #[arg(long)]
    record: bool,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

impl Purify {
    /// Measures and prints.
    ///
    /// # Errors
    /// A pack without a purifier; a browser or a relay that fails; an answer that is wrong.
    pub fn run(self) -> Result<()> {
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        let pack = RelayPack::load_dir(&folder).with_context(|| format!("the pack {} cannot be read", folder.display()))?;
        let card = pack.card.purifier.as_ref().context("the pack has no purifier: see `cargo lab calibrate purifier`")?;
        let zoo = folder.parent().context("the pack lies in no folder")?;
        let browser = if self.relay_only { None } else { Some(browser::measure(&pack, self.runs, &self.chromium)?) };
        let load = relay::Load { remote: card.remote, steps: self.steps, images: self.images, rounds: self.rounds };
        let relay = relay::measure(zoo, &pack, &load)?;
        let bench = PurifyBench {
            model: self.model.clone(),
            version: pack.card.version.clone(),
            purifier: card.sha256.clone(),
            command: command_line(),
            browser,
            relay,
        };
        bench.browser.as_ref().inspect(|browser| print_browser(browser, pack.card.preprocess.size));
        print_relay(&bench.relay);
        if self.record {
            let name = format!("bench-purify-{}", bench.model);
            let record = Record::PurifyBench(Box::new(bench.clone()));
            println!("{}", records::write(&records::folder(), &name, &record)?.display());
        }
        if self.json {
            println!("{}", serde_json::to_string(&bench)?);
        }
        Ok(())
    }
}

fn print_browser(browser: &Browser, size: usize) {
    println!("One image of {size} × {size}, one thread, headless Chromium {}, median of {} runs", browser.version, browser.runs);
    let row = |what: &str, ms: f64| [what.to_owned(), format!("{ms:.0}")];
    let rows = [
        row("encoder", browser.encoder_ms),
        row("purifier, 1 step", browser.one_step_ms),
        row("purifier, 10 steps", browser.ten_steps_ms),
    ];
    table::print(["what", "ms"], &rows);
}

fn print_relay(relay: &Relay) {
    println!(
        "{} tiles of {} pixels in {} step(s) over HTTP, device {}, {} threads, median of {} rounds",
        relay.tiles, relay.tile, relay.steps, relay.device, relay.threads, relay.rounds
    );
    let row = |how: String, per_second: f64| [how, format!("{per_second:.1}")];
    let rows = [
        row("one tile a job, the next when it was fetched".into(), relay.one_by_one_per_second),
        row(format!("one tile a job, {} jobs in flight", relay.in_flight), relay.in_flight_per_second),
        row(format!("{} jobs in flight of {} tiles each", relay.jobs, relay.tiles_per_job), relay.batched_per_second),
    ];
    table::print(["how", "tiles per second"], &rows);
    println!("batched / one by one: {:.1}; a tile alone takes the network {:.2} ms", relay.ratio, relay.network_ms);
}
