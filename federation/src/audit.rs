//! The relay's audit log: one JSON object a line, each holding the hash of the line before.
//!
//! Who keeps the hash of the last line can tell later whether any earlier line was changed, removed or put in between. The log holds
//! digests of messages and never their content.

use std::fmt;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::Role;

/// What the first entry of every log follows.
pub const GENESIS: [u8; 32] = [0; 32];

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase", deny_unknown_fields)]
pub enum Actor {
    /// The administrator.
    Admin,
    /// A site.
    Site {
        /// Its place in the roster.
        site: u16,
    },
    /// A viewer.
    Viewer,
    /// The relay itself, at a deadline or when everybody had answered.
    Relay,
}

impl Actor {
    /// The holder of a token; `site` is the place in the roster of a site.
    pub fn from_role(role: Role, site: Option<u16>) -> Self {
        match (role, site) {
            (Role::Admin, _) => Self::Admin,
            (Role::Site, site) => Self::Site { site: site.unwrap_or(u16::MAX) },
            (Role::Viewer, _) => Self::Viewer,
        }
    }

    /// Three bytes that differ for different actors.
    fn to_bytes(self) -> [u8; 3] {
        let (role, site) = match self {
            Self::Admin => (0, 0),
            Self::Site { site } => (1, site),
            Self::Viewer => (2, 0),
            Self::Relay => (3, 0),
        };
        let [low, high] = site.to_le_bytes();
        [role, low, high]
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counts from 1 without gaps.
    pub sequence: u64,
    /// Seconds since 1970.
    pub time: i64,
    /// Id of the consortium.
    pub consortium: String,
    /// What happened: a stable word such as `contribution-stored`.
    pub what: String,
    /// Who did it.
    pub actor: Actor,
    /// The round it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<u64>,
    /// SHA-256 of the message that was stored or made, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Hash of the entry before, in hexadecimal.
    pub previous: String,
    /// Hash of this entry, in hexadecimal.
    pub hash: String,
}

impl Entry {
    /// The entry that follows the one with the hash `previous`.
    #[expect(clippy::too_many_arguments, reason = "an entry is these fields, each needed once and here only")]
    pub fn derive(
        sequence: u64,
        time: i64,
        consortium: &str,
        what: &str,
        actor: Actor,
        round: Option<u64>,
        digest: Option<&[u8; 32]>,
        previous: &[u8; 32],
    ) -> Self {
        let mut entry = Self {
            sequence,
            time,
            consortium: consortium.to_owned(),
            what: what.to_owned(),
            actor,
            round,
            digest: digest.map(hex::encode),
            previous: hex::encode(previous),
            hash: String::new(),
        };
        entry.hash = hex::encode(entry.hash_bytes());
        entry
    }

    /// The line, without a line break.
    pub fn to_line(&self) -> String {
        // Numbers, texts and unit variants always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 over all fields but the hash itself. Every text goes in with its length, so no two entries hash the same bytes.
    pub fn hash_bytes(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"veilsight audit v1");
        hash.update(self.sequence.to_le_bytes());
        hash.update(self.time.to_le_bytes());
        hash.update(self.actor.to_bytes());
        hash.update([u8::from(self.round.is_some())]);
        hash.update(self.round.unwrap_or_default().to_le_bytes());
        for text in [&self.consortium, &self.what, self.digest.as_ref().unwrap_or(&String::new()), &self.previous] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

/// What a whole log is, once every line of it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose log it is.
    pub consortium: String,
    /// Number of entries.
    pub entries: u64,
    /// Hash of the last entry in hexadecimal: keep it, and a later log can be held against it.
    pub head: String,
    /// Hash of each entry that was asked for, and whether the log holds it.
    pub holds_kept: Option<bool>,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} entries, unbroken, last hash {}", self.consortium, self.entries, self.head)
    }
}

/// Why a log is not one unbroken chain. One sentence each, with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be read.
    #[error("The log cannot be read ({0}); name a readable file.")]
    Unreadable(#[from] std::io::Error),
    /// There is nothing to check.
    #[error("The log is empty; export it again with GET /v1/consortia/…/audit.")]
    Empty,
    /// A line is no entry.
    #[error(
        "Line {line} is no entry of an audit log ({reason}); export the log again, and if it says the same, treat it as tampered with."
    )]
    NoEntry {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A line's own hash does not fit its content.
    #[error("Line {line} was changed: its hash does not fit its content. Compare it with a site's own copy of the log.")]
    Changed {
        /// The line, from 1.
        line: u64,
    },
    /// A line does not follow the one before.
    #[error(
        "Line {line} does not follow the line before it: lines are missing, moved or put in. Compare with a site's own copy of the log."
    )]
    Broken {
        /// The line, from 1.
        line: u64,
    },
}

/// Checks a whole log, from its first entry. With `kept`, the hash of an earlier last entry, also whether the log still holds it.
///
/// # Errors
/// [`AuditError`] names the first line that is wrong.
pub fn verify(mut log: impl BufRead, kept: Option<&str>) -> Result<Verified, AuditError> {
    let mut last: Option<Entry> = None;
    let mut found = false;
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        if std::io::Read::take(&mut log, MAX_LINE).read_line(&mut text)? == 0 {
            break;
        }
        let entry = check(line, text.trim_end_matches('\n'), last.as_ref())?;
        found |= kept.is_some_and(|kept| kept.eq_ignore_ascii_case(&entry.hash));
        last = Some(entry);
    }
    let last = last.ok_or(AuditError::Empty)?;
    Ok(Verified { consortium: last.consortium, entries: last.sequence, head: last.hash, holds_kept: kept.map(|_| found) })
}

fn check(line: u64, text: &str, before: Option<&Entry>) -> Result<Entry, AuditError> {
    let entry: Entry = serde_json::from_str(text).map_err(|error| AuditError::NoEntry { line, reason: error.to_string() })?;
    if entry.hash != hex::encode(entry.hash_bytes()) || entry.to_line() != text {
        return Err(AuditError::Changed { line });
    }
    let follows = match before {
        Some(before) => entry.previous == before.hash && entry.consortium == before.consortium,
        None => entry.previous == hex::encode(GENESIS),
    };
    if follows && entry.sequence == line { Ok(entry) } else { Err(AuditError::Broken { line }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(length: u64) -> Vec<String> {
        let (mut previous, mut lines) = (GENESIS, Vec::new());
        for sequence in 1..=length {
            let actor = if sequence % 2 == 0 { Actor::Site { site: sequence as u16 } } else { Actor::Relay };
            let digest = [sequence as u8; 32];
            let round = (sequence > 2).then_some(1);
            let entry = Entry::derive(sequence, 1000, "lungs", "tested", actor, round, Some(&digest), &previous);
            previous = entry.hash_bytes();
            lines.push(entry.to_line());
        }
        lines
    }

    fn verdict(lines: &[String]) -> Result<Verified, AuditError> {
        verify(lines.join("\n").as_bytes(), None)
    }

    #[test]
    fn an_untouched_log_is_one_chain_and_says_its_last_hash() {
        let lines = log(7);
        let verified = verdict(&lines).unwrap();
        assert_eq!((verified.entries, verified.consortium.as_str()), (7, "lungs"));
        assert!(lines[6].contains(&verified.head));
        let with_break = lines.join("\n") + "\n";
        let kept = serde_json::from_str::<Entry>(&lines[3]).unwrap().hash;
        assert_eq!(verify(with_break.as_bytes(), Some(&kept)).unwrap().holds_kept, Some(true));
        assert_eq!(verify(with_break.as_bytes(), Some("00")).unwrap().holds_kept, Some(false));
    }

    #[test]
    fn any_changed_character_is_noticed_in_its_line() {
        let lines = log(3);
        for at in 0..lines[1].len() {
            let mut changed = lines.clone();
            let mut bytes = changed[1].clone().into_bytes();
            bytes[at] ^= 1;
            changed[1] = String::from_utf8(bytes).unwrap();
            let error = verdict(&changed).unwrap_err().to_string();
            assert!(error.starts_with("Line 2"), "{at}: {error}");
        }
    }

    #[test]
    fn removed_moved_repeated_and_rewritten_lines_are_noticed() {
        let lines = log(5);
        let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat();
        for at in 0..4 {
            assert!(matches!(verdict(&without(at)).unwrap_err(), AuditError::Broken { line } if line == at as u64 + 1));
        }
        let mut moved = lines.clone();
        moved.swap(2, 3);
        assert!(matches!(verdict(&moved).unwrap_err(), AuditError::Broken { line: 3 }));
        let mut repeated = lines.clone();
        repeated.insert(2, lines[1].clone());
        assert!(matches!(verdict(&repeated).unwrap_err(), AuditError::Broken { line: 3 }));
        // A line made anew with a right hash of its own does not fit the one after it.
        let mut rewritten = lines.clone();
        let old: Entry = serde_json::from_str(&lines[2]).unwrap();
        let previous = hex::decode(&old.previous).unwrap().try_into().unwrap();
        rewritten[2] = Entry::derive(3, old.time, "lungs", "invented", old.actor, old.round, None, &previous).to_line();
        assert!(matches!(verdict(&rewritten).unwrap_err(), AuditError::Broken { line: 4 }));
    }

    #[test]
    fn an_empty_or_foreign_file_is_no_log() {
        assert!(matches!(verify(&b""[..], None).unwrap_err(), AuditError::Empty));
        assert!(matches!(verify(&b"{}\n"[..], None).unwrap_err(), AuditError::NoEntry { line: 1, .. }));
        let endless = vec![b'x'; 100_000];
        assert!(matches!(verify(&endless[..], None).unwrap_err(), AuditError::NoEntry { line: 1, .. }));
        assert!(matches!(verify(&[0xFF, 0xFE][..], None).unwrap_err(), AuditError::Unreadable(_)));
    }
}
