//! Attacks behind the purifier, with the same model undefended and the two-line filters beside every figure.

use std::{collections::BTreeMap, fmt::Write};

use super::{percent, short};
use crate::{
    evasion::record::{Evasion, Row},
    purify::{
        defence::Place,
        record::{Purified, Who},
    },
    records::Record,
};

const TEXT: &str = "\n## Attacks\n\n\
    *Undefended* is the same model on the same attacked images. *Flagged* purifies what the detector flags and counts the answer in the end: of the purified image, or of the \
    image as it is where it was not flagged. *Accepted* counts right answers only from images that are not, or no longer, flagged. *All* purifies every image, at the lowest level where the detector \
    finds nothing. *Clean* is the same before the attack, and *loss* what it costs there. The paper's figures (MedFedPure: 87.33 % under its PGD, clean loss 0.66 points, Br35H, random split) are of \
    another model.\n\n\
    `purified` is the adaptive attack: everything is known but the noise that is drawn. Attempts, each from its own random start: the full gradient through every step of the walk; passing the detector with a wrong answer, \
    by a joint loss and by selective steps, so that nothing is purified; the purifier taken for the identity on the way back (BPDA, Athalye et al. 2018). Slopes through the purifier are \
    means over several draws of the noise (EOT). An attempt is judged by the whole pipeline under noise of the attacker's own, and the best one of an image counts; the figures are of fresh draws. *Every draw* counts an image as right only where no draw \
    of the noise gives a wrong answer.\n";

/// Every attack that was measured behind a purifier.
pub fn attacks(out: &mut String, records: &[Record]) {
    let mut parts: BTreeMap<[&str; 3], Vec<&Evasion>> = BTreeMap::new();
    for record in records {
        if let Record::Evasion(e) = record
            && e.rows.iter().any(|row| !row.purified.is_empty())
        {
            parts.entry([&e.subject.model, &e.subject.data, &e.subject.split]).or_default().push(e);
        }
    }
    if parts.is_empty() {
        return;
    }
    out.push_str(TEXT);
    for ([model, data, split], attacks) in &parts {
        let _ = writeln!(out, "\n### {model} on {data}, `{split}`");
        if data.contains("@random") {
            out.push_str(
                "\nRandom 70/30 split, image by image: the papers' protocol. Near-copies of most test images lie in train, so read the grouped split first.\n",
            );
        }
        if let Some((sha, trained)) = attacks.iter().find_map(|attack| attack.subject.purifier.as_ref()) {
            let _ =
                write!(out, "\nPurifier `{}…`, trained on clean images of: {trained} (`train`).", sha.get(..12).unwrap_or(sha));
            if data.contains('@') && !trained.contains(data) {
                out.push_str(" Its own split was another one, so it has seen most of these images, clean; the encoder has not.");
            }
            out.push('\n');
        }
        one(out, attacks);
    }
}

fn one(out: &mut String, attacks: &[&Evasion]) {
    out.push_str(
        "\n| attack | images | undefended | purified | where, steps | accuracy | accepted | every draw | clean | loss | mean t |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (attack, row) in rows(attacks) {
        let images = attack.subject.n;
        let clean = percent(attack.clean.accuracy);
        let _ =
            writeln!(out, "| **`{}`** | {images} | {} | - | | | | | {clean} | | |", row.attack, percent(row.undefended_accuracy));
        row.purified.iter().for_each(|p| purified(out, p));
        for f in &row.filters {
            let _ = writeln!(
                out,
                "| | | | all, by {} | | {} | | | {} | {} | |",
                f.filter,
                percent(f.accuracy),
                percent(f.clean_accuracy),
                points(attack.clean.accuracy.mean - f.clean_accuracy.mean)
            );
        }
    }
    out.push('\n');
    for attack in attacks {
        let purified = attack.headline().and_then(|row| row.purified.first());
        let draws = purified.map_or(1, |p| p.draws);
        let _ = writeln!(
            out,
            "- {}: attempts {}, draws of the defender's noise {draws}, {:.0} s, `{}`",
            attack.family, attack.restarts, attack.seconds, attack.subject.command
        );
    }
}

fn rows<'a>(attacks: &[&'a Evasion]) -> Vec<(&'a Evasion, &'a Row)> {
    let all = attacks.iter().flat_map(|attack| attack.rows.iter().map(move |row| (*attack, row)));
    all.filter(|(_, row)| !row.purified.is_empty()).collect()
}

fn purified(out: &mut String, p: &Purified) {
    let who = match p.who {
        Who::Flagged => "flagged",
        Who::All => "all",
    };
    let place = match p.place {
        Place::Device => "device",
        Place::Relays => "relays, tiles",
    };
    let _ = writeln!(
        out,
        "| | | | {who} | {place}, {} | {} | {} | {} | {} | {} | {:.0} |",
        p.steps,
        percent(p.accuracy),
        short(p.accepted.mean),
        p.every_draw.map_or("-".into(), percent),
        percent(p.clean_accuracy),
        points(p.clean_loss.mean),
        p.mean_level
    );
}

fn points(share: f64) -> String {
    format!("{:+.1}", 100.0 * share)
}
