//! `lab federate`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use federation::statistics::Shape;
use indicatif::ProgressBar;
use models::RelayPack;

use crate::{
    data::{self, Split},
    federate::{
        compare::Data,
        deal::Deal,
        fedavg::Settings,
        record::FederateRecord,
        simulate::{Model, Plan, simulate, usual_norm},
        tokens::Tokens,
    },
    pack,
    pipeline::{Pipeline, pack_folder},
    records::{self, Record},
};

/// Simulate a consortium: a relay, sites, drop-outs, adversaries; heads side by side; privacy; bytes.
#[derive(Args)]
pub struct Federate {
    /// Name of the model.
    #[arg(long, default_value = "lung-histology")]
    model: String,
    /// Folder of packs [default: models/zoo]
    #[arg(long)]
    zoo: Option<PathBuf>,
    /// Folder with index.csv and the splits' archives [default: lc25000 of the shared data]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Sites.
    #[arg(long, default_value_t = 3)]
    sites: u16,
    /// How images are dealt in the real round: even, dirichlet:0.4, …
    #[arg(long, default_value = "dirichlet:0.4")]
    split_by: Deal,
    /// Deals to compare heads under.
    #[arg(long, value_delimiter = ',', default_value = "dirichlet:0.1,dirichlet:0.4,dirichlet:inf")]
    compare: Vec<Deal>,
    /// Deals of each kind.
    #[arg(long, default_value_t = 5)]
    deals: u64,
    /// Seed of the first deal.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Largest norm of a token [default: the 95th percentile of the validation tokens']
    #[arg(long)]
    clip_norm: Option<u32>,
    /// Values of ε to add noise for.
    #[arg(long, value_delimiter = ',', default_value = "0.25,0.5,1,2,4,8,16")]
    epsilons: Vec<f64>,
    /// Draws of the noise for each ε.
    #[arg(long, default_value_t = 10)]
    draws: usize,
    /// δ.
    #[arg(long, default_value_t = 1e-6)]
    delta: f64,
    /// Rounds of FedAvg.
    #[arg(long, default_value_t = 40)]
    rounds: u32,
    /// Learning rate of FedAvg.
    #[arg(long, default_value_t = 0.02)]
    lr: f64,
    /// Let processes of `lab site` play the real round.
    #[arg(long)]
    processes: bool,
    /// Put the head that the relay published into the pack.
    #[arg(long)]
    ship: bool,
    /// Print one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Write the run record to docs/results/runs.
    #[arg(long)]
    record: bool,
}

impl Federate {
    /// Runs the command.
    ///
    /// # Errors
    /// Where pack or data cannot be read, or a round does not come out as promised.
    pub fn run(self) -> Result<()> {
        let folder = pack_folder(self.zoo.as_deref(), &self.model);
        let zoo = folder.parent().context("the pack lies in no folder")?.to_path_buf();
        let pipeline = Pipeline::load(&folder)?;
        let encoder = RelayPack::load_dir(&folder)?.encoder_bytes;
        let from = self.data.clone().unwrap_or_else(|| data::default_folder("lc25000"));
        let train = Split::load(&from, "train", None)?;
        let data = self.encode(&pipeline, &from, &train)?;
        let plan = self.plan(from.file_name().unwrap_or_default().to_string_lossy().into_owned());
        let model = Model { pipeline: &pipeline, encoder: &encoder, zoo: &zoo };
        let done = simulate(&plan, &model, &data, &train, &|what| println!("{what} …"))?;
        print(&done.record);
        if self.ship {
            pack::put_head(&folder, &done.head, done.logit_scale, &data.val, &done.record)?;
            println!("{}", folder.join("head.safetensors").display());
        }
        let json = serde_json::to_string(&done.record)?;
        if self.record {
            let name = format!("federate-{}", self.model);
            println!("{}", records::write(&records::folder(), &name, &Record::Federate(Box::new(done.record)))?.display());
        }
        if self.json {
            println!("{json}");
        }
        Ok(())
    }

    fn encode(&self, pipeline: &Pipeline, from: &std::path::Path, train: &Split) -> Result<Data> {
        let (val, test) = (Split::load(from, "val", None)?, Split::load(from, "test", None)?);
        let bar = ProgressBar::new((train.samples.len() + val.samples.len() + test.samples.len()) as u64);
        let tokens = |split: &Split| Tokens::encode(pipeline, split, &|| bar.inc(1));
        let (train, val, test) = (tokens(train)?, tokens(&val)?, tokens(&test)?);
        bar.finish_and_clear();
        let norm = self.clip_norm.unwrap_or_else(|| usual_norm(&val.rows));
        let shape = Shape::new(pipeline.card.classes.len(), pipeline.card.cls.dim, norm)?;
        Ok(Data { train, val, test, shape })
    }

    fn plan(&self, data: String) -> Plan {
        Plan {
            data,
            sites: self.sites,
            split_by: self.split_by,
            compare: self.compare.clone(),
            deals: self.deals,
            seed: self.seed,
            epsilons: self.epsilons.clone(),
            draws: self.draws,
            delta: self.delta,
            fedavg: Settings { rounds: self.rounds, local_epochs: 1, batch: 32, lr: self.lr, decay: 1e-4 },
            processes: self.processes,
        }
    }
}

fn print(record: &FederateRecord) {
    let published = &record.published;
    let test = &published.test;
    println!("published head: {:.4} [{:.4}, {:.4}] on test", test.accuracy, test.ci_low, test.ci_high);
    println!("equal to the pooled head: {}; encrypted logits equal: {:?}", published.is_pooled, published.encrypted_equal);
    println!("by the running relay: {:?}; bytes of a site: {}", published.served_equal, record.bytes[0].total());
    for [shrinkage, accuracy, nll] in &record.tried {
        println!("shrinkage {shrinkage}: {accuracy:.4} on val, NLL {nll:.4}");
    }
    for outcome in &record.scenarios {
        println!("{}: {}, exact: {:?}, named: {:?}", outcome.name, outcome.state, outcome.exact, outcome.named);
    }
    for comparison in &record.comparisons {
        let own: Vec<String> = comparison.sites.iter().map(|f| format!("{:.3}", f.accuracy)).collect();
        println!(
            "{} seed {}: sites {own:?}, FedAvg {:.4}, one-shot {:.4}",
            comparison.split_by, comparison.seed, comparison.fedavg.accuracy, comparison.one_shot.accuracy
        );
    }
    for point in &record.privacy {
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
        println!("ε {}: LDA {:.4}, nearest mean {:.4}", point.epsilon, mean(&point.lda), mean(&point.means));
    }
    for row in &record.traffic {
        println!("{}: {} bytes a site", row.name, row.total());
    }
}
