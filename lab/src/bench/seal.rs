//! `lab bench seal`.

use anyhow::{Context, Result};
use clap::Args;
use he::{GLWE_2048_TU17, SecretKey};
use serde_json::{Value, json};

use super::{peers, table, time};

const VALUES: usize = 768;

/// Sealing 768 values, natively and in WebAssembly, beside TenSEAL and node-seal.
#[derive(Args)]
pub struct Seal {
    /// Timed runs of each.
    #[arg(long, default_value_t = 30)]
    runs: usize,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

impl Seal {
    /// Measures and prints.
    ///
    /// # Errors
    /// A peer that cannot be installed or fails; an answer that is wrong.
    pub fn run(self) -> Result<()> {
        let runs = self.runs.to_string();
        let native = self.native()?;
        let mut node = peers::node("seal_node.mjs")?;
        node.arg(&runs).arg(peers::our_wasm()?);
        let node = peers::json(node)?;
        let mut python = peers::python("seal_tenseal.py")?;
        python.arg(&runs);
        let tenseal = peers::json(python)?;

        let entries = [
            ("veilsight native", &native),
            ("veilsight wasm", &node["wasm"]),
            ("TenSEAL 0.3.18", &tenseal),
            ("node-seal 5.1.3", &node["node_seal"]),
        ];
        let rows = entries.iter().map(|(name, entry)| row(name, entry)).collect::<Result<Vec<_>>>()?;
        println!("Sealing {VALUES} values, median of {runs} runs");
        table::print(["", "ms", "bytes"], &rows);
        if self.json {
            let object = json!({"values": VALUES, "native": native, "wasm": node["wasm"], "tenseal": tenseal, "node_seal": node["node_seal"]});
            println!("{object}");
        }
        Ok(())
    }

    fn native(&self) -> Result<Value> {
        let key = SecretKey::make(&GLWE_2048_TU17)?;
        let token: Vec<i16> = (0..VALUES).map(|index| (index * 37 % 511) as i16 - 255).collect();
        let bytes = key.make_sealed_token(&token)?.to_bytes().len();
        let ms = time(self.runs, || Ok(key.make_sealed_token(&token)?.to_bytes()))?;
        Ok(json!({"ms": ms, "bytes": bytes}))
    }
}

fn row(name: &str, entry: &Value) -> Result<[String; 3]> {
    let number = |key: &str| entry[key].as_f64().with_context(|| format!("{name} reported no {key}"));
    Ok([name.to_owned(), format!("{:.2}", number("ms")?), format!("{}", number("bytes")?)])
}
