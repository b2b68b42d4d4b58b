//! A hospital's part in a federation: a thin shell over [`federation::site::SiteAgent`] and [`federation::statistics`].

mod evaluation;
mod images;
mod link;
mod noise;
mod record;
mod rounds;
mod store;
mod vault;
mod view;

use std::rc::Rc;

use federation::api::{self, ConsortiumState, Enrolled, Enrolment};
use federation::site::{Journal, JournalStore, Roster, SiteAgent};
use he::aggregation::{Identity, IdentityKey};
use js_sys::{Function, Uint8Array};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, AbortSignal, CryptoKey};

use self::images::Draft;
use self::link::Link;
use self::record::{Data, Secrets, SiteRecord, Wish};
use self::rounds::Rounds;
use self::store::Store;
use self::vault::{Record, Vault};
use self::view::Standing;
use crate::encoder::Encoder;
use crate::error::ClientError;
use crate::events::Events;
use crate::http::Http;
use crate::{pause, to_js};

#[derive(Deserialize)]
struct Invited {
    relay: String,
    invitation: String,
}

/// A site: its identity, its token, its statistics and its journal. One for each worker.
#[wasm_bindgen]
pub struct Site {
    relay: String,
    http: Rc<Http>,
    vault: Rc<Vault>,
    store: Store,
    agent: SiteAgent<Link, Store>,
    identity: Identity,
    rounds: Rounds,
    data: Option<Data>,
    encoder: Option<Encoder>,
    draft: Option<Draft>,
}

#[wasm_bindgen]
impl Site {
    /// Makes an identity, enrols with a one-time invitation, and seals identity and token before anything else happens.
    ///
    /// `options` is `{relay, invitation}`; `save` stores sealed bytes: `(name, bytes) => Promise<void>`.
    ///
    /// # Errors
    /// A `ClientError` object; `invitation` where the relay does not accept it.
    pub async fn enrol(
        options: JsValue,
        key: CryptoKey,
        save: Function,
        on_event: Function,
        signal: AbortSignal,
    ) -> Result<Site, JsValue> {
        let options: Invited = serde_wasm_bindgen::from_value(options)
            .map_err(|_| ClientError::internal("the options are not {relay, invitation}"))?;
        Ok(enrol(options, Vault::new(key, save), Events::new(on_event), signal).await?)
    }

    /// Opens what an earlier visit sealed. `options` is `{relay, records: {site, data?}}`.
    ///
    /// # Errors
    /// `no-vault` where the records do not open.
    pub async fn restore(options: JsValue, key: CryptoKey, save: Function, on_event: Function) -> Result<Site, JsValue> {
        let get = |object: &JsValue, name: &str| js_sys::Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let records = get(&options, "records");
        let sealed = |record: Record| get(&records, record.name()).dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec());
        let relay = get(&options, "relay").as_string().unwrap_or_default();
        let vault = Vault::new(key, save);
        Ok(restore(relay, sealed(Record::Site), sealed(Record::Data), vault, Events::new(on_event)).await?)
    }

    /// What the page shows of the site.
    ///
    /// # Errors
    /// None in practice.
    pub fn view(&self) -> Result<JsValue, JsValue> {
        Ok(self.shown()?)
    }

    /// Asks how things stand and does what this site owes: confirm, answer, read the result.
    ///
    /// # Errors
    /// A `ClientError` object; the next call goes on where this one stopped.
    pub async fn refresh(&mut self, on_event: Function, signal: AbortSignal) -> Result<JsValue, JsValue> {
        self.listen(on_event, &signal);
        self.follow().await?;
        Ok(self.shown()?)
    }

    /// Remembers that a person compared this fingerprint with the other sites.
    ///
    /// # Errors
    /// `refused` where the roster has another fingerprint.
    pub async fn trust(&mut self, fingerprint: String, on_event: Function, signal: AbortSignal) -> Result<JsValue, JsValue> {
        self.listen(on_event, &signal);
        self.compare(&fingerprint).await?;
        Ok(self.shown()?)
    }

    /// Loads the encoder and begins new statistics.
    ///
    /// # Errors
    /// `no-relay`, `no-model`, `corrupt-pack`, `cancelled`, `refused`.
    pub async fn begin(&mut self, on_event: Function, signal: AbortSignal) -> Result<(), JsValue> {
        let events = Events::new(on_event.clone());
        self.listen(on_event, &signal);
        let consortium = self.store.consortium();
        if self.encoder.is_none() {
            self.encoder = Some(Encoder::load(&self.http, &events, &consortium.model, &signal).await?);
        }
        self.draft = self.encoder.as_ref().map(|encoder| Draft::new(&consortium, encoder)).transpose()?;
        Ok(())
    }

    /// Encodes one image (PNG or JPEG) into the statistics, or into the hold-out.
    ///
    /// # Errors
    /// `wrong-file`, `too-large`, `cancelled`; the statistics are then as before.
    pub async fn add(
        &mut self,
        bytes: Vec<u8>,
        label: usize,
        held_out: bool,
        on_event: Function,
        signal: AbortSignal,
    ) -> Result<(), JsValue> {
        self.listen(on_event, &signal);
        let (Some(encoder), Some(draft)) = (&self.encoder, &mut self.draft) else {
            return Err(ClientError::internal("the statistics were not begun").into());
        };
        pause::turn(&signal).await?;
        let token = encoder.token(&bytes, &signal).await?;
        Ok(draft.add(label, token, held_out)?)
    }

    /// Ends the statistics and keeps them, sealed.
    ///
    /// # Errors
    /// `no-vault` where they cannot be stored.
    pub async fn finish(&mut self) -> Result<JsValue, JsValue> {
        self.keep_draft().await?;
        Ok(self.shown()?)
    }

    /// What noise for (ε, δ) would promise, and how much of it this site adds.
    ///
    /// # Errors
    /// `refused` for numbers out of range, or before there are statistics.
    pub fn offer_noise(&self, epsilon: f64, delta: f64) -> Result<JsValue, JsValue> {
        let data = self.data.as_ref().ok_or_else(|| ClientError::refused("encode images first"))?;
        let offer = noise::offer(Wish { epsilon, delta }, data.shape()?, self.store.consortium().rules)?;
        Ok(to_js(&offer)?)
    }

    /// Contributes the statistics to a round, with noise `{epsilon, delta}` or with none (`null`).
    ///
    /// # Errors
    /// `refused` where the round does not take them; `no-relay` and others, after which it can be tried again.
    pub async fn contribute(
        &mut self,
        round: u32,
        noise: JsValue,
        on_event: Function,
        signal: AbortSignal,
    ) -> Result<JsValue, JsValue> {
        self.listen(on_event, &signal);
        let wish: Option<Wish> =
            serde_wasm_bindgen::from_value(noise).map_err(|_| ClientError::internal("the noise is not {epsilon, delta}"))?;
        pause::turn(&signal).await?;
        self.contribute_to(u64::from(round), wish).await?;
        Ok(self.shown()?)
    }
}

async fn enrol(options: Invited, vault: Vault, events: Events, signal: AbortSignal) -> Result<Site, ClientError> {
    let http = Http::new(&options.relay, events);
    let key = IdentityKey::make()?;
    let identity = Some(hex::encode(key.identity().to_bytes()));
    let enrolment = Enrolment { invitation: options.invitation, identity };
    let Enrolled { consortium, site, token, .. } = link::enrol(&http, &enrolment, &signal).await?;
    let Some(index) = site else {
        let advice = "Ask the administrator of the consortium for an invitation for a site.";
        return Err(ClientError::new("invitation", "This invitation is for a viewer, not for a site.", advice));
    };
    let secrets = Secrets::new(&key, token);
    let record = SiteRecord { secrets, consortium: unheard(consortium), site: index, journal: Journal::default() };
    let mut site = Site::build(options.relay, http, vault, record, None, signal);
    site.store.save(site.agent.journal()).await?;
    // The roster is asked for again by the next refresh, should it fail here.
    let _heard = site.hear().await;
    Ok(site)
}

async fn restore(
    relay: String,
    site: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
    vault: Vault,
    events: Events,
) -> Result<Site, ClientError> {
    let site = site.ok_or_else(|| ClientError::no_vault("it keeps no site"))?;
    let record: SiteRecord = record::decode(&vault.open(Record::Site, &site).await?)?;
    let data = match data {
        Some(sealed) => Some(record::decode(&vault.open(Record::Data, &sealed).await?)?),
        None => None,
    };
    let signal = AbortController::new().map_err(|_| ClientError::internal("no abort controller"))?.signal();
    let http = Http::new(&relay, events);
    Ok(Site::build(relay, http, vault, record, data, signal))
}

/// A consortium of which nothing is known yet but its id.
fn unheard(id: String) -> api::Consortium {
    let rules = api::Rules { sites: 0, threshold: 0, collusion: 0, cohort: 0, quorum: 0 };
    api::Consortium {
        title: id.clone(),
        id,
        model: String::new(),
        classes: Vec::new(),
        rules,
        clip_norm: 0,
        state: ConsortiumState::Enrolling,
        sites: Vec::new(),
        digest: None,
    }
}

impl Site {
    fn build(relay: String, http: Http, vault: Vault, record: SiteRecord, data: Option<Data>, signal: AbortSignal) -> Self {
        let SiteRecord { secrets, consortium, site, journal } = record;
        let (http, vault, secrets) = (Rc::new(http), Rc::new(vault), Rc::new(secrets));
        let key = secrets.key();
        let identity = key.identity();
        let link = Link::new(Rc::clone(&http), Rc::clone(&secrets), signal);
        let store = Store::new(Rc::clone(&vault), secrets, site, consortium);
        let agent = SiteAgent::new(store.consortium().id, key, journal, link, store.clone());
        Self { relay, http, vault, store, agent, identity, rounds: Rounds::default(), data, encoder: None, draft: None }
    }

    /// Requests of this call go to its events and end with its signal.
    fn listen(&self, on_event: Function, signal: &AbortSignal) {
        self.http.set_events(Events::new(on_event));
        self.agent.link().set_signal(signal);
    }

    fn shown(&self) -> Result<JsValue, ClientError> {
        let consortium = self.store.consortium();
        let standing = Standing {
            relay: &self.relay,
            site: self.store.site(),
            identity: &self.identity,
            compared: self.agent.journal().roster.as_deref(),
            consortium: &consortium,
            rounds: &self.rounds,
            data: self.data.as_ref(),
        };
        to_js(&standing.view()?)
    }

    async fn compare(&mut self, fingerprint: &str) -> Result<(), ClientError> {
        let roster = Roster::check::<ClientError>(self.store.consortium(), &self.identity)?;
        if roster.consortium.fingerprint() != fingerprint {
            return Err(ClientError::refused("the roster has another fingerprint now; compare it again"));
        }
        Ok(self.agent.confirm_roster(roster.consortium.digest()).await?)
    }

    async fn keep_draft(&mut self) -> Result<(), ClientError> {
        let (Some(encoder), Some(draft)) = (&self.encoder, self.draft.take()) else {
            return Err(ClientError::internal("the statistics were not begun"));
        };
        let labels = encoder.card.classes.iter().map(|class| class.label.clone()).collect();
        let data = draft.finish(labels, self.data.as_ref());
        self.vault.seal(Record::Data, &record::encode(&data)?).await?;
        self.data = Some(data);
        Ok(())
    }
}
