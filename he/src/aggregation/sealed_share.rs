//! A share on its way from site to member: X25519 from the contribution's ephemeral key and from the site's own, HKDF, ChaCha20-Poly1305.
//!
//! The key depends on both sites' identities and on the contribution (its id is in the context), and encrypts one message only, so the
//! nonce is constant. The static exchange authenticates the sender to the member, as HPKE's mode Auth does.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::codec::Hash;
use super::field::{ELEMENT_BITS, PRIME};
use super::parameters::Rules;
use super::sharing::{Dealt, Share, derive_share, is_seeded};
use crate::HeError;
use crate::packing::{pack, unpack};
use crate::parameters::SEED_BYTES;

const TAG_BYTES: usize = 16;

/// Bytes of the sealed share from `site` to `member`.
pub(crate) fn sealed_bytes(rules: &Rules, site: u16, member: u16) -> usize {
    let plain = if is_seeded(rules, site, member) { SEED_BYTES } else { element_bytes(rules.share_length()) };
    plain + TAG_BYTES
}

/// Bytes of packed field elements.
pub(crate) fn element_bytes(count: usize) -> usize {
    (count * ELEMENT_BITS as usize).div_ceil(8)
}

/// Field elements from exactly their packed bytes.
pub(crate) fn unpack_elements(what: &'static str, bytes: &[u8], count: usize) -> Result<Vec<u16>, HeError> {
    let elements = unpack(what, bytes, count, ELEMENT_BITS)?;
    if elements.iter().any(|&x| x >= u64::from(PRIME)) {
        return Err(HeError::NotAnElement { what });
    }
    Ok(elements.into_iter().map(|x| x as u16).collect())
}

/// Packs field elements.
pub(crate) fn pack_elements(elements: &[u16], bytes: &mut Vec<u8>) {
    pack(elements.iter().map(|&x| u64::from(x)), ELEMENT_BITS, bytes);
}

/// Between whom, and within which contribution, a share travels.
pub(crate) struct Passage<'a> {
    pub contribution: &'a Hash,
    pub ephemeral: &'a PublicKey,
    pub site: &'a PublicKey,
    pub member: &'a PublicKey,
    pub member_index: u16,
}

impl Passage<'_> {
    fn derive_cipher(&self, exchanged: [[u8; 32]; 2]) -> ChaCha20Poly1305 {
        let secret = Zeroizing::new(exchanged.concat());
        let salt = [self.ephemeral.as_bytes(), self.site.as_bytes(), self.member.as_bytes()].map(|key| &key[..]).concat();
        let context = [&b"veilsight share v1"[..], self.contribution, &self.member_index.to_le_bytes()].concat();
        let mut key = Zeroizing::new([0; 32]);
        // 32 bytes are far below HKDF's limit of 255 hashes.
        Hkdf::<Sha256>::new(Some(&salt), &secret).expand(&context, key.as_mut_slice()).expect("32 bytes can be expanded");
        ChaCha20Poly1305::new(key.as_ref().into())
    }

    /// Seals on the site's side.
    pub fn derive_sealed(&self, ephemeral: &StaticSecret, own: &StaticSecret, dealt: &Dealt) -> Result<Vec<u8>, HeError> {
        let exchanged = exchange([(ephemeral, self.member), (own, self.member)]).ok_or(HeError::BadIdentity)?;
        let plain = match dealt {
            Dealt::Seed(seed) => Zeroizing::new(seed.to_vec()),
            Dealt::Share(share) => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(element_bytes(share.len())));
                pack_elements(share, &mut bytes);
                bytes
            }
        };
        // Encryption fails for messages of 2^38 bytes only.
        Ok(self.derive_cipher(exchanged).encrypt(&Nonce::default(), &plain[..]).expect("a share is short"))
    }

    /// Opens on the member's side. Nothing but the site itself could have sealed what opens.
    pub fn open(&self, rules: &Rules, own: &StaticSecret, sealed: &[u8]) -> Option<Share> {
        let exchanged = exchange([(own, self.ephemeral), (own, self.site)])?;
        let plain = Zeroizing::new(self.derive_cipher(exchanged).decrypt(&Nonce::default(), sealed).ok()?);
        if let Ok(seed) = <[u8; SEED_BYTES]>::try_from(&plain[..]) {
            return Some(derive_share(rules, &Zeroizing::new(seed)));
        }
        unpack_elements("a share", &plain, rules.share_length()).ok().map(Zeroizing::new)
    }
}

/// Both Diffie-Hellman secrets; nothing if a public key is of small order and would make one constant.
fn exchange(pairs: [(&StaticSecret, &PublicKey); 2]) -> Option<[[u8; 32]; 2]> {
    let [a, b] = pairs.map(|(secret, public)| secret.diffie_hellman(public));
    (a.was_contributory() && b.was_contributory()).then(|| [a.to_bytes(), b.to_bytes()])
}
