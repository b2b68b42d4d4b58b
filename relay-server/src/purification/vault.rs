//! How tiles and results lie on the disk: under a key that only the job's token gives. The relay keeps the token's hash, so that a stolen
//! disk holds nothing that can be read, and what is deleted stays lost even where a copy of the disk is kept.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::job::JobId;
use crate::error::RelayError;

/// Bytes of a nonce; with so many, random ones do not meet.
const NONCE: usize = 24;

/// What a sealed text holds. One is not taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The client's request, tiles and all.
    Tiles,
    /// The purified tiles.
    Result,
}

impl Content {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Tiles => b"tiles",
            Self::Result => b"result",
        }
    }
}

/// The key of one job, in memory only while somebody needs it.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct Vault([u8; 32]);

impl Vault {
    /// The key that belongs to a job's token (HKDF-SHA-256, RFC 5869). The hash that is stored of the token does not give it.
    pub(crate) fn derive(token: &str) -> Self {
        let mut key = [0; 32];
        // 32 bytes are far below what HKDF can give.
        let _ = Hkdf::<Sha256>::new(None, token.as_bytes()).expand(b"veilsight purification at rest v1", &mut key);
        Self(key)
    }

    /// Seals `plain` for one job and use: nonce, ciphertext, tag (XChaCha20-Poly1305).
    ///
    /// # Errors
    /// [`RelayError::Randomness`] when the system gives none, [`RelayError::Sealing`] for more than the cipher takes.
    pub(crate) fn seal(&self, job: &JobId, content: Content, plain: &[u8]) -> Result<Vec<u8>, RelayError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(RelayError::Randomness)?;
        let payload = Payload { msg: plain, aad: &purpose(job, content) };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| RelayError::Sealing)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What [`Self::seal`] sealed; nothing where it was changed, or sealed for another job, use or token.
    pub(crate) fn open(&self, job: &JobId, content: Content, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg, aad: &purpose(job, content) };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(&self.0))
    }
}

fn purpose(job: &JobId, content: Content) -> Vec<u8> {
    [&job.0[..], content.word()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId([1; 16]);

    #[test]
    fn what_is_sealed_opens_for_the_same_token_job_and_use_only() {
        let vault = Vault::derive("vsj_one");
        let sealed = vault.seal(&JOB, Content::Tiles, b"noised").unwrap();
        assert_eq!(vault.open(&JOB, Content::Tiles, &sealed).as_deref().map(Vec::as_slice), Some(&b"noised"[..]));
        assert!(vault.open(&JobId([2; 16]), Content::Tiles, &sealed).is_none());
        assert!(vault.open(&JOB, Content::Result, &sealed).is_none());
        assert!(Vault::derive("vsj_two").open(&JOB, Content::Tiles, &sealed).is_none());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(vault.open(&JOB, Content::Tiles, &changed).is_none(), "byte {place}");
        }
        assert!(vault.open(&JOB, Content::Tiles, &sealed[..10]).is_none());
    }

    #[test]
    fn equal_tiles_look_different_at_rest() {
        let vault = Vault::derive("vsj_one");
        let seal = || vault.seal(&JOB, Content::Tiles, &[7; 64]).unwrap();
        assert_ne!(seal(), seal());
    }
}
