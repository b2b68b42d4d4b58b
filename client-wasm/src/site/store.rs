//! Where the agent's journal goes: into the sealed record of the site, with its identity and token.

use std::cell::RefCell;
use std::rc::Rc;

use federation::api::Consortium;
use federation::site::{Journal, JournalStore};

use super::record::{self, Secrets, SiteRecordRef};
use super::vault::{Record, Vault};
use crate::error::ClientError;

/// A handle on the record; clones share it.
#[derive(Clone)]
pub struct Store(Rc<Inner>);

struct Inner {
    vault: Rc<Vault>,
    secrets: Rc<Secrets>,
    site: u16,
    consortium: RefCell<Consortium>,
}

impl Store {
    /// The record of a site.
    pub fn new(vault: Rc<Vault>, secrets: Rc<Secrets>, site: u16, consortium: Consortium) -> Self {
        Self(Rc::new(Inner { vault, secrets, site, consortium: RefCell::new(consortium) }))
    }

    /// This site's place in the roster.
    pub fn site(&self) -> u16 {
        self.0.site
    }

    /// The last that the relay said of the consortium.
    pub fn consortium(&self) -> Consortium {
        self.0.consortium.borrow().clone()
    }

    /// Takes what the relay says now; answers whether it is new.
    pub fn set_consortium(&self, consortium: Consortium) -> bool {
        let new = *self.0.consortium.borrow() != consortium;
        self.0.consortium.replace(consortium);
        new
    }
}

impl JournalStore for Store {
    type Error = ClientError;

    async fn save(&self, journal: &Journal) -> Result<(), ClientError> {
        let consortium = self.consortium();
        let Inner { vault, secrets, site, .. } = &*self.0;
        let record = SiteRecordRef { secrets, consortium: &consortium, site: *site, journal };
        vault.seal(Record::Site, &record::encode(&record)?).await
    }
}
