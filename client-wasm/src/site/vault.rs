//! Sealing with a key that the browser holds and hands to nobody: AES-256-GCM of WebCrypto.
//!
//! The key is made by the worker's TypeScript as not extractable and kept in IndexedDB. Records are sealed and opened here, so that
//! TypeScript sees sealed bytes only. Layout: nonce (12) ‖ ciphertext and tag. The record's name is authenticated with it.

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AesGcmParams, CryptoKey, SubtleCrypto, WorkerGlobalScope};
use zeroize::Zeroizing;

use crate::error::ClientError;

/// Bytes of a nonce. It is random: 2^32 records under one key would make a repetition likely, and a site writes some thousand.
const NONCE_BYTES: usize = 12;

/// The records of a site.
#[derive(Debug, Clone, Copy)]
pub enum Record {
    /// Identity, token, journal.
    Site,
    /// Statistics and hold-out.
    Data,
}

impl Record {
    /// The name by which the page stores it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Data => "data",
        }
    }
}

/// The browser's key, and the page's callback that stores sealed bytes: `(name, bytes) => Promise<void>`.
pub struct Vault {
    key: CryptoKey,
    save: Function,
}

impl Vault {
    /// A vault with this key.
    pub fn new(key: CryptoKey, save: Function) -> Self {
        Self { key, save }
    }

    /// Seals a record and has the page store it; returns when it is on disk.
    ///
    /// # Errors
    /// `no-vault` where the browser refuses, `internal` without randomness.
    pub async fn seal(&self, record: Record, plain: &[u8]) -> Result<(), ClientError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(ClientError::internal)?;
        let promise = subtle()?.encrypt_with_object_and_u8_array(&params(record, &nonce), &self.key, plain).map_err(refused)?;
        let sealed = Uint8Array::new(&JsFuture::from(promise).await.map_err(refused)?);
        let bytes = Uint8Array::new_with_length(NONCE_BYTES as u32 + sealed.length());
        bytes.set(&Uint8Array::from(&nonce[..]), 0);
        bytes.set(&sealed, NONCE_BYTES as u32);
        let stored: Promise = self.save.call2(&JsValue::NULL, &record.name().into(), &bytes).map_err(refused)?.unchecked_into();
        JsFuture::from(stored).await.map_err(refused)?;
        Ok(())
    }

    /// Opens a record.
    ///
    /// # Errors
    /// `no-vault` where it was sealed under another key or changed since.
    pub async fn open(&self, record: Record, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        let Some((nonce, body)) = sealed.split_first_chunk::<NONCE_BYTES>() else {
            return Err(ClientError::no_vault("what it kept of the site is damaged"));
        };
        let promise = subtle()?.decrypt_with_object_and_u8_array(&params(record, nonce), &self.key, body).map_err(refused)?;
        let opened =
            JsFuture::from(promise).await.map_err(|_| ClientError::no_vault("what it kept of the site does not open"))?;
        let opened = Uint8Array::new(&opened);
        let plain = Zeroizing::new(opened.to_vec());
        opened.fill(0, 0, opened.length());
        Ok(plain)
    }
}

fn params(record: Record, nonce: &[u8; NONCE_BYTES]) -> AesGcmParams {
    let params = AesGcmParams::new("AES-GCM", &Uint8Array::from(&nonce[..]));
    params.set_additional_data(&Uint8Array::from(record.name().as_bytes()));
    params
}

fn subtle() -> Result<SubtleCrypto, ClientError> {
    let scope: WorkerGlobalScope =
        js_sys::global().dyn_into().map_err(|_| ClientError::internal("the client runs in a worker only"))?;
    scope.crypto().map(|crypto| crypto.subtle()).map_err(refused)
}

/// The page's own faults pass through; the browser's become words.
fn refused(thrown: JsValue) -> ClientError {
    let words = js_sys::Reflect::get(&thrown, &"message".into()).ok().and_then(|message| message.as_string());
    ClientError::no_vault(words.unwrap_or_else(|| "it gave no reason".into()))
}
