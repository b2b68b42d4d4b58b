//! What relays can make of the tiles that they are sent, and how fast purification is.

use std::fmt::Write;

use super::{percent, short, show};
use crate::{
    attack::record::Estimate,
    bench::purify::record::PurifyBench,
    egress::record::{Collusion, Egress, Exposure, Rebuilt},
    plot::{Chart, Line},
    records::Record,
};

const TEXT: &str = "The attacker has the recorded requests of one relay or of several that collude, knows the purifier, how images are cut and dealt, and the training split. \
    It solves the jigsaw of its tiles, denoises them, fills the places that it has no tile of, and tells the class from what it has. The best of its attacks by SSIM is shown; *places told* is \
    a bound, not an attack: an oracle says where each tile lies and how it is turned. The image that needs no traffic at all is the yardstick: whatever is not above it was not learnt from tiles.\n";

/// Every audit of egress.
pub fn egress(out: &mut String, records: &[Record], files: &mut Vec<(String, String)>) {
    let audits = records.iter().filter_map(|record| match record {
        Record::Egress(audit) => Some(&**audit),
        _ => None,
    });
    audits.for_each(|audit| one(out, audit, files));
}

fn one(out: &mut String, audit: &Egress, files: &mut Vec<(String, String)>) {
    let _ = writeln!(
        out,
        "\n## What relays can rebuild: {} on {}, `{}`\n\n{TEXT}\n{} images in {} groups; attackers learnt from {}. The pack answers {} of the images themselves rightly. Made by `{}`.\n",
        audit.model,
        audit.data,
        audit.split,
        audit.images,
        audit.groups,
        audit.trained_on,
        percent(audit.untouched),
        audit.command
    );
    out.push_str("| without traffic | SSIM | PSNR | NMI | answered rightly |\n|---|---|---|---|---|\n");
    for guess in &audit.baselines {
        let _ = writeln!(out, "| {} | {} |", guess.fill, figures(guess));
    }
    out.push_str(
        "\n| tile, stride | t | relays | turned | decoys | images | colluding | area seen | placed | best attack | SSIM | PSNR | NMI | answered rightly | class from the bag | SSIM, places told |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (place, exposure) in audit.settings.iter().enumerate() {
        exposure.colluders.iter().for_each(|c| row(out, place == 0, exposure, c));
    }
    out.push_str("\nThe first setting, in bold, is the pack's own.\n");
    let chart = Chart {
        title: format!("{}: best SSIM of one relay's reconstruction, by noise level", audit.model),
        x: "t".into(),
        range: (0.0, 1.0),
    };
    show(out, files, format!("purifier-egress-level-{}.svg", audit.model), &chart, &by_level(audit));
    let chart = Chart {
        title: format!("{}: best SSIM of a reconstruction, by colluding relays", audit.model),
        x: "relays".into(),
        range: (0.0, 1.0),
    };
    show(out, files, format!("purifier-egress-relays-{}.svg", audit.model), &chart, &by_relays(audit));
}

fn row(out: &mut String, own: bool, exposure: &Exposure, c: &Collusion) {
    let Some(best) = c.best(false) else { return };
    let (remote, mark) = (exposure.setting.remote, if own { "**" } else { "" });
    let told = c.best(true).map_or("-".into(), |bound| number(bound.ssim));
    let denoised = if best.denoised.is_empty() { String::new() } else { format!(", denoised by {}", best.denoised) };
    let _ = writeln!(
        out,
        "| {mark}{}, {}{mark} | {} | {} | {} | {} | {} | {} | {} | {} | {}{denoised} | {} | {} | {told} |",
        remote.tile,
        remote.stride,
        remote.min_t,
        remote.relays,
        if exposure.setting.turned { "yes" } else { "no" },
        exposure.setting.decoys,
        exposure.images,
        c.relays,
        short(c.share),
        short(c.placed.mean),
        best.fill,
        figures(best),
        percent(c.bag)
    );
}

fn figures(rebuilt: &Rebuilt) -> String {
    let Rebuilt { ssim, psnr, nmi, answers, .. } = rebuilt;
    format!("{} | {:.1} dB | {:.3} | {}", number(*ssim), psnr.mean, nmi.mean, percent(*answers))
}

fn number(e: Estimate) -> String {
    format!("{:.3} [{:.3}, {:.3}]", e.mean, e.low, e.high)
}

/// One relay's best, where nothing but the noise level differs from the pack's own setting.
fn by_level(audit: &Egress) -> Vec<Line> {
    let Some(own) = audit.settings.first().map(|exposure| &exposure.setting) else { return Vec::new() };
    let alike = |exposure: &&Exposure| {
        let (a, b) = (exposure.setting.remote, own.remote);
        (a.tile, a.stride, a.relays, exposure.setting.turned, exposure.setting.decoys)
            == (b.tile, b.stride, b.relays, own.turned, own.decoys)
    };
    let line = |name: &str, oracle: bool| {
        let point = |exposure: &Exposure| {
            let best = exposure.colluders.first()?.best(oracle)?;
            Some((f64::from(exposure.setting.remote.min_t), best.ssim.mean))
        };
        let mut points: Vec<(f64, f64)> = audit.settings.iter().filter(alike).filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Line { name: name.into(), points }
    };
    let attacked = line("best attack", false);
    let guess = audit.baselines.iter().map(|guess| guess.ssim.mean).fold(0.0, f64::max);
    let flat = attacked.points.iter().map(|(t, _)| (*t, guess)).collect();
    vec![attacked, line("places told", true), Line { name: "without traffic".into(), points: flat }]
}

/// The best of colluding relays under the pack's own setting.
fn by_relays(audit: &Egress) -> Vec<Line> {
    let line = |name: &str, oracle: bool| {
        let point = |c: &Collusion| Some((c.relays as f64, c.best(oracle)?.ssim.mean));
        let own = audit.settings.iter().take(1).flat_map(|exposure| &exposure.colluders);
        Line { name: name.into(), points: own.filter_map(point).collect() }
    };
    vec![line("best attack", false), line("places told", true)]
}

/// Every benchmark.
pub fn benches(out: &mut String, records: &[Record]) {
    let runs = records.iter().filter_map(|record| match record {
        Record::PurifyBench(run) => Some(&**run),
        _ => None,
    });
    runs.for_each(|run| bench(out, run));
}

fn bench(out: &mut String, run: &PurifyBench) {
    let _ = writeln!(out, "\n## How fast it is: {}\n\nMade by `{}`; medians.\n", run.model, run.command);
    if let Some(b) = &run.browser {
        let _ = writeln!(
            out,
            "In Chromium {} on the CPU engine, one whole image, {} runs: one step {:.0} ms, ten steps {:.0} ms; the pack's encoder {:.0} ms.\n",
            b.version, b.runs, b.one_step_ms, b.ten_steps_ms, b.encoder_ms
        );
    }
    let r = &run.relay;
    let _ = writeln!(
        out,
        "On a relay over HTTP ({}, {} threads), tiles of {} pixels in {} steps, {} tiles a round, {} rounds: one by one {:.2} tiles a second, {} such jobs in flight {:.2}, batched \
         ({} jobs of {} tiles at once) {:.2}: {:.1} times as many. The network alone takes {:.1} ms for a tile on one thread.",
        r.device,
        r.threads,
        r.tile,
        r.steps,
        r.tiles,
        r.rounds,
        r.one_by_one_per_second,
        r.in_flight,
        r.in_flight_per_second,
        r.jobs,
        r.tiles_per_job,
        r.batched_per_second,
        r.ratio,
        r.network_ms
    );
}
