//! The report on federation: Markdown tables and charts, from run records alone.

use std::fmt::Write;

use super::{
    compare::Comparison,
    deal::Deal,
    record::FederateRecord,
    scenario::{Outcome, SiteBytes},
};
use crate::{
    evaluate::Figures,
    plot::{Chart, Line, svg},
    records::Record,
};

/// A file of the report.
pub struct Page {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The report on all simulations among the records, with its charts.
pub fn pages(records: &[Record]) -> Vec<Page> {
    let mut out = String::from(INTRODUCTION);
    let mut pages = Vec::new();
    let simulations = records.iter().filter_map(|record| match record {
        Record::Federate(simulation) => Some(&**simulation),
        _ => None,
    });
    // The model that the sites learned their head for goes first.
    let mut simulations: Vec<&FederateRecord> = simulations.collect();
    simulations.sort_by_key(|simulation| !simulation.processes);
    for simulation in simulations {
        section(&mut out, simulation, records);
        pages.extend(charts(simulation));
    }
    pages.insert(0, Page { name: "federation.md".into(), text: out });
    pages
}

const INTRODUCTION: &str = "# Federation

Written by `cargo lab report federation` from the run records in `runs/`; no figure here is typed by hand. Intervals are 95 %, by bootstrap
over groups. A group (a tile, or near-copies of one picture) is never at two sites. Heads are LDA in closed form of counts, sums and second
moments of quantised CLS tokens, rounded to the integers that run on ciphertexts. FedAvg trains the same kind of head by stochastic gradient
descent, through the same aggregation in fixed point. Packs, encoders,
heads and shrinkage were chosen without `test`; one choice was not, and it is named under differential privacy.

The encoders of the packs were trained in one place, on the same training images: that is why even small sites do well with classes they
have, why FedAvg of the head needs few rounds, and why the guarantees below speak of the head's statistics and not of the encoder. A model
whose name ends in `-imagenet` has an encoder that has seen none of these images: ImageNet's weights as they are (trained for one epoch at
a learning rate of 1e-12, so that the lab writes them as a run).
";

fn section(out: &mut String, run: &FederateRecord, records: &[Record]) {
    let [train, val, test] = run.images;
    let _ = writeln!(
        out,
        "\n## {}\n\n{} sites, {train} training, {val} validation and {test} test images ({} groups) of {}; encoder `{}…`; tokens longer than \
         {} steps are scaled down ({} of the training tokens); shrinkage {}. `{}`\n",
        run.model,
        run.sites,
        run.test_groups,
        run.data,
        run.encoder.get(..12).unwrap_or(&run.encoder),
        run.clip_norm,
        percent(run.clipped),
        run.shrinkage,
        run.command
    );
    published(out, run, records);
    tried(out, run);
    rounds(out, run);
    comparisons(out, run);
    traffic(out, run);
    privacy(out, run);
}

fn published(out: &mut String, run: &FederateRecord, records: &[Record]) {
    let published = &run.published;
    let by = if run.processes { "processes, each with its own folder of images" } else { "agents in one process" };
    let _ = writeln!(
        out,
        "### Federated head = pooled head, encrypted = plain\n\nThe relay's real round of {} sites ({by}, images dealt by {}): {} images in the sum, opened sum {} the plain \
         sum of integers; published head {} the head of the pooled images, integer by integer.\n",
        run.sites,
        run.split_by,
        published.images,
        equals(published.round.exact == Some(true)),
        equals(published.is_pooled),
    );
    out.push_str("| | of test images |\n|---|---|\n");
    let _ = writeln!(out, "| accuracy of the published head | {} |", with_interval(&published.test));
    let of = |[same, all]: [usize; 2]| format!("{same} of {all}");
    let _ = writeln!(out, "| opened logits of ciphertexts = plain integers | {} |", of(published.encrypted_equal));
    let _ = writeln!(out, "| the same, asked of the running relay over HTTP | {} |", of(published.served_equal));
    for record in records {
        if let Record::Evaluate { model, version, data, split, evaluation, .. } = record
            && *model == run.model
            && let Some(agreement) = evaluation.encrypted_agreement
        {
            let _ = writeln!(
                out,
                "| shipped pack {version} on {data} `{split}`: encrypted = plain integers; accuracy plain, encrypted | {}; {}, {} |",
                percent(agreement),
                percent(evaluation.plain.accuracy),
                evaluation.encrypted.as_ref().map_or("-".into(), |f| percent(f.accuracy)),
            );
        }
    }
}

fn tried(out: &mut String, run: &FederateRecord) {
    let one = |[shrinkage, accuracy, nll]: &[f64; 3]| format!("{shrinkage}: {}, {nll:.3}", percent(*accuracy));
    let all: Vec<String> = run.tried.iter().map(one).collect();
    let _ = writeln!(out, "\nShrinkage on `val` (accuracy, NLL without any temperature): {}.", all.join("; "));
}

fn rounds(out: &mut String, run: &FederateRecord) {
    out.push_str("\n### Rounds on a real relay\n\nRules: sites n, threshold t, quorum, smallest cohort.\n\n");
    out.push_str(
        "| round | n, t, quorum, cohort | ended | in the sum | sum exact | named | seconds |\n|---|---|---|---|---|---|---|\n",
    );
    for outcome in std::iter::once(&run.published.round).chain(&run.scenarios) {
        let _ = writeln!(out, "{}", row(outcome));
    }
    let [twice, replayed] = &run.refusals;
    let _ = writeln!(
        out,
        "\nA second contribution to the same round is refused with `{twice}`, one replayed into the next round with `{replayed}`; the very same \
         bytes again are taken as known."
    );
}

fn row(outcome: &Outcome) -> String {
    let list = |sites: &[u16]| match sites {
        [] => "-".to_owned(),
        sites => sites.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
    };
    let [n, t, quorum, cohort] = outcome.rules;
    let word = outcome.word.as_ref().map(|word| format!(" (`{word}`)")).unwrap_or_default();
    let exact = outcome.exact.map_or("-", |exact| if exact { "yes" } else { "NO" });
    let (sum, named) = (list(&outcome.cohort), list(&outcome.named));
    let Outcome { name, state, seconds, .. } = outcome;
    format!("| {name} | {n}, {t}, {quorum}, {cohort} | {state}{word} | {sum} | {exact} | {named} | {seconds:.1} |")
}

fn comparisons(out: &mut String, run: &FederateRecord) {
    let _ = writeln!(
        out,
        "\n### Heads side by side\n\nTest accuracy. Per-site heads: mean over sites and the worst site. Each row is the first deal with its intervals; below it the \
         mean over all deals. FedAvg: {} rounds, {} local pass, batches of {}, learning rate {}.\n",
        run.fedavg.rounds, run.fedavg.local_epochs, run.fedavg.batch, run.fedavg.lr
    );
    out.push_str(
        "| dealt by | images by class at each site | per-site mean | per-site worst | FedAvg | one-shot | one-shot = pooled |\n",
    );
    out.push_str("|---|---|---|---|---|---|---|\n");
    for split_by in splits(run) {
        let all: Vec<&Comparison> = run.comparisons.iter().filter(|c| c.split_by == split_by).collect();
        let Some(first) = all.first() else { continue };
        let worst = first.sites.iter().min_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
        let same = all.iter().all(|c| c.one_shot_is_pooled && c.same_answers == 1.0);
        let _ = writeln!(
            out,
            "| {split_by} | {} | {} | {} | {} | {} | {} |",
            counts(&first.counts),
            percent(mean(first.sites.iter().map(|f| f.accuracy))),
            worst.map_or("-".into(), with_interval),
            with_interval(&first.fedavg),
            with_interval(&first.one_shot),
            if same { "bit for bit, in every deal" } else { "NO" },
        );
        let lowest = |c: &&Comparison| c.sites.iter().map(|f| f.accuracy).fold(f64::MAX, f64::min);
        let _ = writeln!(
            out,
            "| mean of {} deals | | {} | {} | {} | {} | |",
            all.len(),
            percent(mean(all.iter().flat_map(|c| &c.sites).map(|f| f.accuracy))),
            percent(mean(all.iter().map(lowest))),
            percent(mean(all.iter().map(|c| c.fedavg.accuracy))),
            percent(mean(all.iter().map(|c| c.one_shot.accuracy))),
        );
    }
    let _ = writeln!(out, "\n![Test accuracy by round of FedAvg]({}-fedavg.svg)", run.model);
}

fn splits(run: &FederateRecord) -> Vec<Deal> {
    let mut splits: Vec<Deal> = Vec::new();
    for comparison in &run.comparisons {
        if !splits.contains(&comparison.split_by) {
            splits.push(comparison.split_by);
        }
    }
    splits
}

fn counts(sites: &[Vec<usize>]) -> String {
    let site = |counts: &Vec<usize>| counts.iter().map(usize::to_string).collect::<Vec<_>>().join("+");
    sites.iter().map(site).collect::<Vec<_>>().join(" / ")
}

fn traffic(out: &mut String, run: &FederateRecord) {
    let reached = match run.fedavg_rounds {
        Some(rounds) => format!("after {rounds} rounds, which the rows of its head count"),
        None => format!("not within {} rounds, which the rows of its head count", run.fedavg.rounds),
    };
    let _ = writeln!(
        out,
        "\n### Communication\n\nFor the whole training of a head, one site. FedAvg (dealt by {}) comes within half a point of the one-shot head's validation accuracy \
         {reached}; the whole encoder is counted with one round for each epoch that it was trained for in one place. Ours is measured on the messages of the real rounds. CKKS is computed from the \
         measured ciphertext of TenSEAL 0.3.18 (N = 8192, [60, 40, 40, 60]: 331,538 bytes for 4,096 numbers), the paper's setting: a site sends \
         its update and receives the sum.\n",
        run.split_by
    );
    out.push_str(
        "| | numbers | rounds | up in a round | down in a round | whole training | times ours |\n|---|---|---|---|---|---|---|\n",
    );
    let own = run.traffic.first().map_or(1, |row| row.total().max(1));
    for row in &run.traffic {
        let (total, times) = (row.total(), row.total() as f64 / own as f64);
        let how = if row.measured { "measured" } else { "computed" };
        let _ = writeln!(
            out,
            "| {} ({how}) | {} | {} | {} | {} | {} | {times:.1} |",
            row.name,
            row.values,
            row.rounds,
            bytes(row.up),
            bytes(row.down),
            bytes(total)
        );
    }
    out.push_str("\nOne site's messages in a round, in bytes; asking how the round stands is left out.\n\n");
    out.push_str("| values | contribution | delivery (twice) | confirmation | certificate | answer | result (JSON) |\n|---|---|---|---|---|---|---|\n");
    for SiteBytes { values, contribution, delivery, confirmation, certificate, answer, result } in &run.bytes {
        let _ =
            writeln!(out, "| {values} | {contribution} | {delivery} | {confirmation} | {certificate} | {answer} | {result} |");
    }
}

fn privacy(out: &mut String, run: &FederateRecord) {
    let (draws, delta) = run.privacy.first().map_or((0, 0.0), |point| (point.lda.len(), point.delta));
    let _ = writeln!(
        out,
        "\n### Differential privacy\n\nTest accuracy of one round at δ = {delta:e} for one image added or removed: mean of {draws} draws of the noise, and the lowest. Noise by the \
         analytic Gaussian mechanism, split so that the honest sites of the smallest cohort suffice. LDA raises the diagonal by three times the noise's \
         spectral norm; the nearest mean spends the budget on the means. The factor three replaced \
         a factor of one after a first run, whose test figures for LDA on lung-histology were poor and had been seen: read LDA's columns as tuned on `test`.\n"
    );
    out.push_str("| ε | μ | LDA, mean | lowest | nearest mean, mean | lowest |\n|---|---|---|---|---|---|\n");
    let lowest = |all: &[f64]| all.iter().copied().fold(f64::MAX, f64::min);
    for point in &run.privacy {
        let of = |all: &[f64]| format!("{} | {}", percent(mean(all.iter().copied())), percent(lowest(all)));
        let _ = writeln!(out, "| {} | {:.3} | {} | {} |", point.epsilon, point.mu, of(&point.lda), of(&point.means));
    }
    let _ = writeln!(out, "| none | - | {} | | | |", percent(run.published.test.accuracy));
    let _ = writeln!(out, "\n![Accuracy by ε]({}-privacy.svg)", run.model);
}

fn charts(run: &FederateRecord) -> [Page; 2] {
    let low = |values: &[Line]| values.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::min);
    let draw = |title: &str, x: &str, name: &str, lines: Vec<Line>| {
        let floor = ((low(&lines) * 10.0).floor() / 10.0).min(0.9);
        let chart = Chart { title: title.into(), x: x.into(), range: (floor, 1.0) };
        Page { name: format!("{}-{name}.svg", run.model), text: svg(&chart, &lines) }
    };
    let curve = |comparison: &Comparison| {
        let points = comparison.fedavg_curve.iter().enumerate().map(|(i, accuracy)| ((i + 1) as f64, *accuracy)).collect();
        Line { name: format!("FedAvg, {}", comparison.split_by), points }
    };
    let firsts = run.comparisons.iter().filter(|c| c.seed == run.seed);
    let mut lines: Vec<Line> = firsts.map(curve).collect();
    let one_shot = run.published.test.accuracy;
    lines.push(Line { name: "one-shot".into(), points: vec![(1.0, one_shot), (f64::from(run.fedavg.rounds), one_shot)] });
    let fedavg = draw("Test accuracy by round", "round", "fedavg", lines);
    let line = |name: &str, of: &dyn Fn(&super::noisy::NoisyPoint) -> &Vec<f64>| {
        let points = run.privacy.iter().map(|point| (point.epsilon.log2(), mean(of(point).iter().copied()))).collect();
        Line { name: name.into(), points }
    };
    let lines = vec![line("LDA", &|point| &point.lda), line("nearest mean", &|point| &point.means)];
    [fedavg, draw("Test accuracy under differential privacy", "log2 of ε", "privacy", lines)]
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}

fn equals(equal: bool) -> &'static str {
    if equal { "=" } else { "is NOT" }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn with_interval(figures: &Figures) -> String {
    format!("{} [{:.1}, {:.1}]", percent(figures.accuracy), 100.0 * figures.ci_low, 100.0 * figures.ci_high)
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.1} KB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}
