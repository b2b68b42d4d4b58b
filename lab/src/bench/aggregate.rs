//! `lab bench aggregate`.

mod designs;
mod ours;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};

use super::{peers, table};

/// Sums of encrypted vectors: bytes and milliseconds of sites, members and relay, beside TenSEAL's CKKS under one shared key.
#[derive(Args)]
pub struct Aggregate {
    /// Numbers of sites.
    #[arg(long, value_delimiter = ',', default_values_t = [3, 10, 50])]
    sites: Vec<u16>,
    /// Lengths of the vectors.
    #[arg(long, value_delimiter = ',', default_values_t = [768, 20_000])]
    dim: Vec<usize>,
    /// Timed runs of each.
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Write the tables to this file in Markdown too.
    #[arg(long)]
    report: Option<PathBuf>,
}

const ROUND: &str = "A round: one site's contribution, all it sends and receives in bytes; milliseconds of the site, and of the relay to read all contributions, \
                     add them and open the sum";
const ROUND_COLUMNS: [&str; 10] =
    ["", "sites", "values", "contribution", "sent", "received", "site ms", "read ms", "add ms", "open ms"];
const DESIGNS: &str = "Bytes of a whole round by design, all sites together (the last two computed, see docs/PROTOCOL.md)";
const DESIGN_COLUMNS: [&str; 5] = ["sites", "values", "one-time keys (ours)", "long-lived key shares", "KAHE + threshold AHE"];

impl Aggregate {
    /// Measures and prints.
    ///
    /// # Errors
    /// A peer that cannot be installed or fails; a sum that is wrong.
    pub fn run(self) -> Result<()> {
        let mut rounds = Vec::new();
        for &dim in &self.dim {
            for &sites in &self.sites {
                rounds.push(ours::measure(sites, dim, self.runs)?);
            }
        }
        let peer = self.tenseal()?;
        let designs = rounds.iter().map(designs::compare).collect::<Result<Vec<_>>>()?;
        let (round_rows, design_rows) = (round_rows(&rounds, &peer), design_rows(&designs));
        println!("{ROUND}");
        table::print(ROUND_COLUMNS, &round_rows);
        println!("\n{DESIGNS}");
        table::print(DESIGN_COLUMNS, &design_rows);
        if let Some(path) = &self.report {
            let [rounds, designs] = [table::markdown(ROUND_COLUMNS, &round_rows), table::markdown(DESIGN_COLUMNS, &design_rows)];
            let command = crate::cli::command_line();
            let text = format!(
                "# Sums of encrypted vectors\n\n`{command}`; median of {} runs, one thread.\n\n{ROUND}:\n\n{rounds}\n{DESIGNS}:\n\n{designs}",
                self.runs
            );
            std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        if self.json {
            println!("{}", json!({"runs": self.runs, "veilsight": rounds, "tenseal": peer, "designs": designs}));
        }
        Ok(())
    }

    fn tenseal(&self) -> Result<Vec<Value>> {
        let join = |numbers: Vec<String>| numbers.join(",");
        let mut python = peers::python("aggregate_tenseal.py")?;
        python.arg(self.runs.to_string());
        python.arg(join(self.sites.iter().map(u16::to_string).collect()));
        python.arg(join(self.dim.iter().map(usize::to_string).collect()));
        Ok(peers::json(python)?.as_array().cloned().unwrap_or_default())
    }
}

fn milliseconds(value: &Value) -> String {
    format!("{:.3}", value.as_f64().unwrap_or(f64::NAN))
}

fn round_rows(rounds: &[Value], peer: &[Value]) -> Vec<[String; 10]> {
    let row = |name: &str, round: &Value, [contribution, received, open]: [String; 3]| {
        let [sites, values, sent] = ["sites", "dim", "site_bytes"].map(|key| round[key].to_string());
        let [site, read, add] = ["site_ms", "relay_read_ms", "relay_add_ms"].map(|key| milliseconds(&round[key]));
        [name.to_owned(), sites, values, contribution, sent, received, site, read, add, open]
    };
    let ours = rounds.iter().map(|round| {
        let [contribution, received] = ["contribution_bytes", "member_received_bytes"].map(|key| round[key].to_string());
        row("veilsight", round, [contribution, received, milliseconds(&round["relay_open_ms"])])
    });
    let theirs = peer.iter().map(|round| row("TenSEAL", round, [round["site_bytes"].to_string(), "-".into(), "-".into()]));
    ours.chain(theirs).collect()
}

fn design_rows(designs: &[Value]) -> Vec<[String; 5]> {
    let columns = ["sites", "dim", "one_time_keys", "long_lived_shares", "threshold_ahe"];
    designs.iter().map(|row| columns.map(|column| row[column].to_string())).collect()
}
