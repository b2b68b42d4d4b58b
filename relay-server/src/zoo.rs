//! The model packs that this relay serves, loaded and checked once at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use models::pack::sha256_hex;
use models::{ModelCard, RelayPack};

use crate::answer::{Head, PARAMETERS};
use crate::error::RelayError;

/// The relay's own part of a pack, which no address gives out.
const HEAD_FILE: &str = "head.safetensors";

/// A loaded pack: the public part as bytes, the head ready to compute.
pub(crate) struct Model {
    pub(crate) card: ModelCard,
    pub(crate) card_bytes: Bytes,
    pub(crate) card_sha256: String,
    pub(crate) encoder_bytes: Bytes,
    pub(crate) head: Head,
}

impl Model {
    fn load(folder: &Path) -> Result<Self, String> {
        let pack = RelayPack::load_dir(folder).map_err(|error| error.to_string())?;
        if pack.card.encoder.file.eq_ignore_ascii_case(HEAD_FILE) {
            return Err(format!("its card names {HEAD_FILE} as the encoder; the head must not be served"));
        }
        if pack.card.he_parameters != PARAMETERS.name() {
            return Err(format!("its card asks for {}; this relay has {}", pack.card.he_parameters, PARAMETERS.name()));
        }
        Ok(Self {
            head: Head::derive(&pack.head)?,
            card_sha256: sha256_hex(&pack.card_bytes),
            card_bytes: pack.card_bytes.into(),
            encoder_bytes: pack.encoder_bytes.into(),
            card: pack.card,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.card.id
    }

    /// What makes the encoder's address change with its content.
    pub(crate) fn encoder_version(&self) -> &str {
        // The card was checked to hold 64 digits.
        self.card.encoder.sha256.get(..16).unwrap_or_default()
    }
}

/// All packs by name.
pub(crate) struct Zoo(BTreeMap<String, Arc<Model>>);

impl Zoo {
    /// Loads every folder in `dir` that holds a `card.json`. A folder that does not exist is an empty zoo.
    ///
    /// # Errors
    /// [`RelayError::Pack`] for the first pack that cannot be used: better no start than a model silently missing.
    pub(crate) fn load(dir: &Path) -> Result<Self, RelayError> {
        let mut models = BTreeMap::new();
        for path in folders(dir)? {
            let refuse = |reason: String| RelayError::Pack { path: path.clone(), reason };
            let model = Model::load(&path).map_err(refuse)?;
            tracing::info!(model = model.id(), version = model.card.version, "model pack loaded");
            if models.insert(model.id().to_owned(), Arc::new(model)).is_some() {
                return Err(refuse("another pack has the same id; rename one of them".to_owned()));
            }
        }
        if models.is_empty() {
            tracing::warn!(dir = %dir.display(), "no model pack found; the relay starts but is not ready");
        }
        Ok(Self(models))
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Model>> {
        self.0.get(id).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Model> {
        self.0.values().map(Arc::as_ref)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, RelayError> {
    let refuse = |error: std::io::Error| RelayError::Pack { path: dir.to_path_buf(), reason: error.to_string() };
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(dir).map_err(refuse)?.collect();
    let paths = entries.map_err(refuse)?.into_iter().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.join("card.json").is_file()).collect();
    paths.sort();
    Ok(paths)
}
