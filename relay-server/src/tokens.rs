//! Bearer tokens and invitations: 32 random bytes with a prefix that says what they are for. Only their SHA-256 is kept.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::RelayError;

/// SHA-256 of a token's text.
pub(crate) type TokenHash = [u8; 32];

/// What a token is for; its prefix lets a person, or a scanner for leaked secrets, tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Admin,
    Site,
    Viewer,
    Invitation,
    Job,
}

impl TokenKind {
    const ALL: [Self; 5] = [Self::Admin, Self::Site, Self::Viewer, Self::Invitation, Self::Job];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Admin => "vsa_",
            Self::Site => "vss_",
            Self::Viewer => "vsv_",
            Self::Invitation => "vsi_",
            Self::Job => "vsj_",
        }
    }

    /// A new random token: the prefix and 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`RelayError::Randomness`] when the system gives none.
    pub(crate) fn make(self) -> Result<Zeroizing<String>, RelayError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(RelayError::Randomness)?;
        let digits = Zeroizing::new(hex::encode(*secret));
        Ok(Zeroizing::new(format!("{}{}", self.prefix(), *digits)))
    }

    /// The kind of a text that has the form of a token.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let digits = |rest: &str| rest.len() == 64 && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Self::ALL.into_iter().find(|kind| text.strip_prefix(kind.prefix()).is_some_and(digits))
    }
}

/// What is kept of a token. A token has 256 random bits, so a plain hash cannot be searched.
pub(crate) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

/// Whether two hashes are equal, in a time that does not say where they differ.
pub(crate) fn same(left: &TokenHash, right: &TokenHash) -> bool {
    left.iter().zip(right).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// A new administrator's token and the line for the configuration that lets it in.
///
/// # Errors
/// [`RelayError::Randomness`] when the system gives none.
pub fn make_admin_token() -> Result<String, RelayError> {
    let token = TokenKind::Admin.make()?;
    let hash = hex::encode(hash(&token));
    Ok(format!(
        "Token, shown only here; give it to the administrator:\n  {}\nIts SHA-256, for the relay's configuration:\n  [federation]\n  \
         admin_token_sha256 = \"{hash}\"\n",
        *token
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_its_kind_and_no_two_are_alike() {
        for kind in TokenKind::ALL {
            let (one, two) = (kind.make().unwrap(), kind.make().unwrap());
            assert_eq!(TokenKind::of(&one), Some(kind));
            assert_ne!(one, two);
            assert!(!same(&hash(&one), &hash(&two)) && same(&hash(&one), &hash(&one)));
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_none() {
        let token = TokenKind::Site.make().unwrap();
        for text in ["", "vss_", &token[..67], &token.to_uppercase(), &format!("{}0", *token), &token.replace("vss_", "vsx_")] {
            assert_eq!(TokenKind::of(text), None, "{text}");
        }
    }
}
