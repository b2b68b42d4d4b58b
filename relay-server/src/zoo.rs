//! The model packs that this relay serves, loaded and checked once at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Bytes;
use models::card::HEAD_FILE;
use models::pack::sha256_hex;
use models::{DetectorCard, ModelCard, PurifierCard, QuantisedHead, RelayPack};

use crate::answer::{Head, PARAMETERS};
use crate::error::RelayError;
use crate::store::{Store, StoredHead};
use crate::weights::Weights;

/// A loaded pack: the public part as bytes, and the head that answers now.
pub(crate) struct Model {
    /// The card of the pack, which belongs to its own head.
    pub(crate) shipped: ModelCard,
    pub(crate) encoder: Weights,
    /// Nothing where the pack has no detector.
    detector: Option<Weights>,
    /// Nothing where the pack has no purifier.
    purifier: Option<Weights>,
    first: Arc<Served>,
    active: RwLock<Arc<Served>>,
}

/// What makes a file's address change with its content: the first 16 digits of its SHA-256.
pub(crate) fn file_version(sha256: &str) -> &str {
    // A card is checked to hold 64 digits.
    sha256.get(..16).unwrap_or_default()
}

/// A head with the card that calibrates it. A request takes both from one of these, so they always belong together.
pub(crate) struct Served {
    /// 0 is the head that the pack ships; rounds make further ones.
    pub(crate) version: u32,
    pub(crate) card: ModelCard,
    pub(crate) card_bytes: Bytes,
    pub(crate) card_sha256: String,
    pub(crate) head: Head,
}

impl Served {
    fn derive(version: u32, card: ModelCard, card_bytes: Vec<u8>, head: &QuantisedHead) -> Result<Self, String> {
        let head = Head::derive(head)?;
        Ok(Self { version, card_sha256: sha256_hex(&card_bytes), card_bytes: card_bytes.into(), card, head })
    }

    /// A head that a round made.
    ///
    /// # Errors
    /// A sentence where it is damaged or belongs to another encoder than the pack's.
    pub(crate) fn restore(model: &Model, stored: &StoredHead) -> Result<Self, String> {
        let (card, card_bytes) = Self::restore_card(model, stored)?;
        let head = QuantisedHead::from_safetensors(&stored.head).map_err(|error| error.to_string())?;
        Self::derive(stored.version, card, card_bytes, &head)
    }

    /// The card of a head that a round made, with the detector and the purifier that the pack has now: those that the relay serves.
    ///
    /// # Errors
    /// A sentence where it is damaged or belongs to another encoder than the pack's.
    pub(crate) fn restore_card(model: &Model, stored: &StoredHead) -> Result<(ModelCard, Vec<u8>), String> {
        let mut card = ModelCard::from_json(stored.card.as_bytes()).map_err(|error| error.to_string())?;
        if card.encoder.sha256 != model.shipped.encoder.sha256 {
            return Err("it was learned with another encoder than the pack's".to_owned());
        }
        if card.detector == model.shipped.detector && card.purifier == model.shipped.purifier {
            return Ok((card, stored.card.clone().into_bytes()));
        }
        card.detector.clone_from(&model.shipped.detector);
        card.purifier.clone_from(&model.shipped.purifier);
        let text = card.to_json().map_err(|error| error.to_string())?;
        Ok((card, text.into_bytes()))
    }
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
        let first = Arc::new(Served::derive(0, pack.card.clone(), pack.card_bytes, &pack.head)?);
        Ok(Self {
            shipped: pack.card,
            encoder: Weights::new(pack.encoder_bytes)?,
            detector: pack.detector_bytes.map(Weights::new).transpose()?,
            purifier: pack.purifier_bytes.map(Weights::new).transpose()?,
            active: RwLock::new(Arc::clone(&first)),
            first,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.shipped.id
    }

    /// The detector's card and file, where the pack has one.
    pub(crate) fn detector(&self) -> Option<(&DetectorCard, &Weights)> {
        self.shipped.detector.as_ref().zip(self.detector.as_ref())
    }

    /// The purifier's card and file, where the pack has one.
    pub(crate) fn purifier(&self) -> Option<(&PurifierCard, &Weights)> {
        self.shipped.purifier.as_ref().zip(self.purifier.as_ref())
    }

    /// The head that the pack ships.
    pub(crate) fn first(&self) -> Arc<Served> {
        Arc::clone(&self.first)
    }

    /// The head that answers now, with its card.
    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.active.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets a head answer from now on.
    fn serve(&self, head: Arc<Served>) {
        tracing::info!(model = self.id(), head = head.version, "another head answers");
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// Lets a head that a round made answer; the one before goes on where it cannot be used.
    fn serve_stored(&self, stored: &StoredHead) {
        match Served::restore(self, stored) {
            Ok(served) => self.serve(Arc::new(served)),
            Err(reason) => tracing::error!(model = self.id(), head = stored.version, reason, "a published head cannot be used"),
        }
    }
}

/// All packs by name.
pub(crate) struct Zoo {
    models: BTreeMap<String, Arc<Model>>,
    turn: tokio::sync::Mutex<()>,
}

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
            tracing::info!(model = model.id(), version = model.shipped.version, "model pack loaded");
            if models.insert(model.id().to_owned(), Arc::new(model)).is_some() {
                return Err(refuse("another pack has the same id; rename one of them".to_owned()));
            }
        }
        if models.is_empty() {
            tracing::warn!(dir = %dir.display(), "no model pack found; the relay starts but is not ready");
        }
        Ok(Self { models, turn: tokio::sync::Mutex::default() })
    }

    /// Lets those heads answer that are active in the store.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), sqlx::Error> {
        // One at a time, so that what was read first is never served last.
        let _alone = self.turn.lock().await;
        for model in self.models.values() {
            let active = store.active_head(model.id()).await?;
            if active == model.served().version {
                continue;
            }
            match store.heads(model.id()).await?.iter().find(|stored| stored.version == active) {
                Some(stored) => model.serve_stored(stored),
                None => model.serve(model.first()),
            }
        }
        Ok(())
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Model>> {
        self.models.get(id).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(Arc::as_ref)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.models.is_empty()
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
