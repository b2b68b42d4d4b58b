//! The attacks by name: `pgd-linf-0.015` is PGD in L∞ with ε = 0.015 in the pixels' scale [0, 1].

use std::{fmt, str::FromStr};

use anyhow::{Result, bail, ensure};

use super::ball::Ball;

/// Kinds of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One step along the slope's signs.
    Fgsm,
    /// The paper's steps of a fixed size.
    Pgd,
    /// Steps that choose their size.
    Apgd,
    /// Queries only.
    Square,
    /// Made on another network.
    Transfer,
    /// Made against classifier and detector together.
    Adaptive,
    /// Made against classifier, detector and purifier together.
    Purified,
}

/// Kind, its name, restarts that it makes where none are asked for, and what it is.
const KINDS: [(Kind, &str, usize, &str); 7] = [
    (Kind::Fgsm, "fgsm", 1, "one step of size ε"),
    (Kind::Pgd, "pgd", 1, "projected gradient descent with the paper's steps"),
    (Kind::Apgd, "apgd", 2, "Auto-PGD on cross-entropy and on the margin"),
    (Kind::Square, "square", 1, "random squares, queries only"),
    (Kind::Transfer, "transfer", 1, "momentum PGD on a surrogate network"),
    (Kind::Adaptive, "adaptive", 6, "classifier and detector together, everything known"),
    (Kind::Purified, "purified", 4, "classifier, detector and purifier together, everything known but the noise"),
];

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|k| k.0 == self).map_or("", |k| k.1)
    }

    /// Attempts at each image where none are asked for.
    pub fn restarts(self) -> usize {
        KINDS.iter().find(|k| k.0 == self).map_or(1, |k| k.2)
    }

    /// What it is, in a few words.
    pub fn words(self) -> &'static str {
        KINDS.iter().find(|k| k.0 == self).map_or("", |k| k.3)
    }
}

/// An attack with its ball.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Kind.
    pub kind: Kind,
    /// How far it may go.
    pub ball: Ball,
}

impl Spec {
    /// The same attack in a ball of another radius.
    pub fn with_radius(self, radius: f64) -> Self {
        Self { ball: Ball { radius, ..self.ball }, ..self }
    }

    /// Name without ε: `pgd-linf`.
    pub fn family(&self) -> String {
        format!("{}-{}", self.kind.name(), self.ball.norm)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}-{}-{}", self.kind.name(), self.ball.norm, self.ball.radius)
    }
}

impl FromStr for Spec {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let mut parts = name.splitn(3, '-');
        let (Some(kind), Some(norm), Some(radius)) = (parts.next(), parts.next(), parts.next()) else {
            bail!("`{name}` names no attack: it is written KIND-NORM-EPSILON; {}", known());
        };
        let Some(kind) = KINDS.iter().find(|k| k.1 == kind).map(|k| k.0) else {
            bail!("`{kind}` is no attack known here; {}", known());
        };
        let Ok(radius) = radius.parse::<f64>() else {
            bail!("`{radius}` in `{name}` is no number; {}", known());
        };
        ensure!((0.0..=1000.0).contains(&radius), "ε of `{name}` lies outside 0 to 1000; {}", known());
        Ok(Self { kind, ball: Ball { norm: norm.parse()?, radius } })
    }
}

/// What can be named, for messages.
fn known() -> String {
    let kinds: Vec<&str> = KINDS.iter().map(|k| k.1).collect();
    format!("known are {} with linf or l2, for example pgd-linf-0.015 or pgd-l2-0.1", kinds.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_back() {
        for name in [
            "fgsm-linf-0.015",
            "pgd-l2-0.1",
            "apgd-linf-0.3",
            "square-l2-2",
            "transfer-linf-0.015",
            "adaptive-linf-0",
            "purified-linf-0.015",
        ] {
            assert_eq!(name.parse::<Spec>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        for name in ["pgd", "deepfool-linf-0.1", "pgd-l7-0.1", "pgd-linf-much", "pgd-linf--1", "pgd-linf-NaN"] {
            let error = name.parse::<Spec>().unwrap_err().to_string();
            assert!(error.contains("known are"), "{error}");
        }
    }
}
