//! Skipping a step whose inputs have not changed since it last succeeded.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::target;

/// A step's inputs as one hash, remembered in the target folder.
pub struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    /// Hashes the names and contents of all files at and below `inputs`.
    pub fn of(step: &str, inputs: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for input in inputs {
            collect(input, &mut files)?;
        }
        files.sort();
        let mut hasher = Sha256::new();
        for file in &files {
            let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            hasher.update(file.to_string_lossy().as_bytes());
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        }
        Ok(Self { file: target().join("xtask").join(step), hash: hex::encode(hasher.finalize()) })
    }

    /// Whether the step last succeeded with the same inputs and its outputs are still there.
    pub fn is_fresh(&self, outputs: &[PathBuf]) -> bool {
        let same = fs::read_to_string(&self.file).is_ok_and(|hash| hash == self.hash);
        same && outputs.iter().all(|output| output.exists())
    }

    /// Notes that the step has succeeded.
    pub fn set(&self) -> Result<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(Path::new(".")))?;
        fs::write(&self.file, &self.hash).context("the note of a finished step cannot be written")
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.exists() {
        files.push(path.to_owned());
    }
    Ok(())
}
