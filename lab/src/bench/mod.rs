//! `lab bench`: our own code beside its peers, in the same run on the same machine.

mod aggregate;
mod encode;
mod infer;
pub(crate) mod peers;
pub mod purify;
mod random_weights;
mod seal;
mod server;
mod table;

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub enum Bench {
    /// Sealing 768 values, natively and in WebAssembly, beside TenSEAL and node-seal.
    Seal(seal::Seal),
    /// Sums of encrypted vectors, beside TenSEAL's CKKS under one shared key.
    Aggregate(aggregate::Aggregate),
    /// Encrypted inferences over HTTP, beside an empty handler.
    Infer(infer::Infer),
    /// Encoders in Chromium, beside onnxruntime-web with the same weights.
    Encode(encode::Encode),
    /// Purification in Chromium, and on a relay over HTTP: tiles one by one beside many at a time.
    Purify(purify::Purify),
}

impl Bench {
    /// Measures, prints a table, and with `--json` one object on the last line.
    ///
    /// # Errors
    /// As the benchmark's own `run`.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Seal(bench) => bench.run(),
            Self::Aggregate(bench) => bench.run(),
            Self::Infer(bench) => bench.run(),
            Self::Encode(bench) => bench.run(),
            Self::Purify(bench) => bench.run(),
        }
    }
}

/// The middle of the numbers; of an even count the upper one.
fn median(mut numbers: Vec<f64>) -> f64 {
    percentile(&mut numbers, 0.5)
}

/// The number below which a share of the numbers lies; sorts them.
fn percentile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let index = (numbers.len() as f64 * share) as usize;
    numbers.get(index.min(numbers.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Median milliseconds of `runs` calls after one that warms up.
fn time<T>(runs: usize, mut operation: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    operation()?;
    let once = |operation: &mut dyn FnMut() -> anyhow::Result<T>| {
        let start = std::time::Instant::now();
        operation().map(|_| start.elapsed().as_secs_f64() * 1e3)
    };
    let times = (0..runs).map(|_| once(&mut operation)).collect::<anyhow::Result<Vec<f64>>>()?;
    Ok(median(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_an_unsorted_list() {
        let mut numbers: Vec<f64> = (0..100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut numbers, 0.99), 99.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
