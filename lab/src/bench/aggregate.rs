//! `lab bench aggregate`.

mod designs;
mod ours;

use anyhow::Result;
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
}

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
        print(&rounds, &peer, &designs);
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

fn print(rounds: &[Value], peer: &[Value], designs: &[Value]) {
    let milliseconds = |value: &Value| format!("{:.3}", value.as_f64().unwrap_or(f64::NAN));
    let whole = |value: &Value| value.to_string();
    println!(
        "A round: one site's contribution, all it sends and receives; the relay reads all contributions, adds them, opens the sum"
    );
    let row = |name: &str, round: &Value, [contribution, received, open]: [String; 3]| {
        [
            name.to_owned(),
            whole(&round["sites"]),
            whole(&round["dim"]),
            contribution,
            whole(&round["site_bytes"]),
            received,
            milliseconds(&round["site_ms"]),
            milliseconds(&round["relay_read_ms"]),
            milliseconds(&round["relay_add_ms"]),
            open,
        ]
    };
    let mut rows: Vec<_> = rounds
        .iter()
        .map(|round| {
            let bytes = ["contribution_bytes", "member_received_bytes"].map(|key| whole(&round[key]));
            let [contribution, received] = bytes;
            row("veilsight", round, [contribution, received, milliseconds(&round["relay_open_ms"])])
        })
        .collect();
    rows.extend(peer.iter().map(|round| row("TenSEAL", round, [whole(&round["site_bytes"]), "-".into(), "-".into()])));
    table::print(["", "sites", "values", "contribution", "sent", "received", "site ms", "read ms", "add ms", "open ms"], &rows);

    println!("\nBytes of a whole round by design, all sites together (see docs/PROTOCOL.md)");
    let rows: Vec<_> = designs
        .iter()
        .map(|row| ["sites", "dim", "one_time_keys", "long_lived_shares", "threshold_ahe"].map(|column| whole(&row[column])))
        .collect();
    table::print(["sites", "values", "one-time keys (ours)", "long-lived key shares", "KAHE + threshold AHE"], &rows);
}
