//! A site without a page: its state on disk, and its part in rounds.

use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use federation::{
    FederationError,
    api::{Enrolment, Purpose, Round, RoundResult},
    privacy::Ledger,
    site::{Journal, JournalStore, SiteAgent, SiteError, Step},
};
use he::aggregation::IdentityKey;
use models::ModelCard;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::link::{HttpLink, LinkError};

/// How often, and after how long, a relay that does not answer is asked again.
const RETRIES: u32 = 60;
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// What a site keeps between calls. It holds the site's secrets: no `Debug`, wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct State {
    /// The relay's address.
    pub relay: String,
    /// Id of the consortium.
    pub consortium: String,
    /// The relay's bearer token for this site.
    token: String,
    /// The identity's seed in hexadecimal.
    seed: String,
    /// What was done in rounds.
    #[zeroize(skip)]
    pub journal: Journal,
    /// What was spent of the privacy budget, where there is one.
    #[zeroize(skip)]
    pub ledger: Option<Ledger>,
}

impl State {
    /// Makes an identity, takes up the invitation and stores the state in a new file.
    ///
    /// # Errors
    /// Where the file exists, the relay refuses, or there is no randomness.
    pub async fn enrol(relay: &str, invitation: &Zeroizing<String>, path: &Path) -> Result<Self> {
        ensure!(!path.exists(), "{} exists; a site enrols once, so choose another file", path.display());
        let key = IdentityKey::make()?;
        let seed = hex::encode(key.expose_seed().as_slice());
        let mut state = Self {
            relay: relay.to_owned(),
            consortium: String::new(),
            token: String::new(),
            seed,
            journal: Journal::default(),
            ledger: None,
        };
        // The identity is on disk before the relay knows it.
        state.save(path)?;
        let identity = Some(hex::encode(key.identity().to_bytes()));
        let enrolment = Enrolment { invitation: invitation.to_string(), identity };
        let link = HttpLink::new(relay, Zeroizing::default())?;
        let enrolled = match link.enrol(&enrolment).await {
            Ok(enrolled) => enrolled,
            Err(error) => {
                fs::remove_file(path)?;
                return Err(error.into());
            }
        };
        state.consortium = enrolled.consortium;
        state.token = enrolled.token;
        state.save(path)?;
        Ok(state)
    }

    /// Reads a state.
    ///
    /// # Errors
    /// Where there is none, or it is damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("no state at {}; enrol first", path.display()))?;
        serde_json::from_slice(&Zeroizing::new(text)).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Writes beside the file and renames; only the owner may read it.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let beside = path.with_extension("part");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside).with_context(|| format!("cannot write {}", beside.display()))?;
        file.write_all(&Zeroizing::new(serde_json::to_vec_pretty(self)?))?;
        file.sync_all()?;
        fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn key(&self) -> Result<IdentityKey> {
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&self.seed, seed.as_mut_slice()).context("the state's seed is damaged")?;
        Ok(IdentityKey::derive(&seed))
    }
}

/// A state file, shared by the site's agent and its ledger.
#[derive(Clone)]
pub struct Keeper {
    path: PathBuf,
    state: Rc<RefCell<State>>,
}

impl Keeper {
    /// Enters a round of this μ in the ledger, before noise for it is used; `budget` is an empty ledger for the first time. Gives ε spent.
    /// A round that is in it already costs nothing more: only one contribution of a site can be in the set that members confirm.
    ///
    /// # Errors
    /// Where it would exceed the budget, or cannot be stored.
    pub fn spend(&self, round: &Round, mu: f64, budget: &Ledger) -> Result<f64> {
        let mut state = self.state.borrow_mut();
        let mut ledger = state.ledger.clone().unwrap_or_else(|| budget.clone());
        match ledger.spend(&format!("{}/{}", state.consortium, round.number), mu) {
            Ok(()) | Err(FederationError::AlreadySpent { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let spent = ledger.spent()?;
        state.ledger = Some(ledger);
        state.save(&self.path)?;
        Ok(spent)
    }
}

impl JournalStore for Keeper {
    type Error = LinkError;

    async fn save(&self, journal: &Journal) -> Result<(), LinkError> {
        let mut state = self.state.borrow_mut();
        state.journal = journal.clone();
        state.save(&self.path).map_err(|error| LinkError::State(error.to_string()))
    }
}

/// A journal that is kept in memory only, for simulations.
#[derive(Default)]
pub struct Forgetful;

impl JournalStore for Forgetful {
    type Error = LinkError;

    async fn save(&self, _: &Journal) -> Result<(), LinkError> {
        Ok(())
    }
}

/// A headless site.
pub struct Site {
    agent: SiteAgent<HttpLink, Keeper>,
    consortium: String,
    keeper: Keeper,
}

impl Site {
    /// The site whose state is in a file.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let state = State::load(path)?;
        ensure!(!state.token.is_empty(), "{} has not enrolled; remove it and enrol", path.display());
        let link = HttpLink::new(&state.relay, Zeroizing::new(state.token.clone()))?;
        let (key, journal, consortium) = (state.key()?, state.journal.clone(), state.consortium.clone());
        let keeper = Keeper { path: path.to_owned(), state: Rc::new(RefCell::new(state)) };
        let agent = SiteAgent::new(consortium.clone(), key, journal, link, keeper.clone());
        Ok(Self { agent, consortium, keeper })
    }

    /// Its state file.
    pub fn keeper(&self) -> Keeper {
        self.keeper.clone()
    }

    /// The relay's card of a model.
    ///
    /// # Errors
    /// Where the relay has no such model.
    pub async fn card(&self, model: &str) -> Result<ModelCard> {
        Ok(self.agent.link().get("card", &format!("/v1/models/{model}/card.json")).await?)
    }

    /// Waits until all sites have enrolled, and gives what the relay says of the consortium with the roster's fingerprint.
    ///
    /// # Errors
    /// Where the relay is not honest or the roster has changed.
    pub async fn ready(&self, pause: Duration) -> Result<federation::site::Roster> {
        loop {
            match self.agent.roster().await {
                Err(SiteError::Enrolling { enrolled, sites }) => {
                    println!("{enrolled} of {sites} sites have enrolled");
                    tokio::time::sleep(pause).await;
                }
                other => return Ok(other?),
            }
        }
    }

    /// Confirms the roster, if the fingerprint that a person compared is its own.
    ///
    /// # Errors
    /// Where it is another.
    pub async fn confirm(&mut self, fingerprint: &str, pause: Duration) -> Result<()> {
        let roster = self.ready(pause).await?;
        let own = roster.consortium.fingerprint();
        let plain = |text: &str| text.replace(' ', "").to_lowercase();
        ensure!(
            plain(&own) == plain(fingerprint),
            "the roster's fingerprint is {own}, not the one given: trust nothing, ask the others"
        );
        Ok(self.agent.confirm_roster(roster.consortium.digest()).await?)
    }

    /// Takes part in the next round that is not over, and gives its result. `values` makes this site's vector for a round.
    ///
    /// # Errors
    /// Where the round fails or expires, or a message breaks the protocol.
    pub async fn take_part(
        &mut self,
        pause: Duration,
        after: u64,
        values: impl Fn(&Round) -> Result<Vec<i64>>,
    ) -> Result<(Round, RoundResult)> {
        let number = self.next_round(pause, after).await?;
        let mut own = None;
        let mut failures = 0;
        loop {
            let step = match self.agent.step(number, own.as_deref()).await {
                // Every step can be tried again: the relay may be starting anew.
                Err(SiteError::Outside(error @ LinkError::Unreachable(_))) if failures < RETRIES => {
                    failures += 1;
                    println!("{error}; trying again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                    continue;
                }
                other => other?,
            };
            failures = 0;
            match step {
                Step::NeedsValues(round) => {
                    ensure!(
                        round.purpose == Purpose::Statistics,
                        "round {number} sums updates; this site contributes statistics"
                    );
                    own = Some(values(&round)?);
                }
                Step::Contributed(_, bytes) => println!("round {number}: contributed {bytes} bytes"),
                Step::Confirmed(round) => println!("round {number}: confirmed the set of {} sites", round.contributed.len()),
                Step::Answered(_) => println!("round {number}: answered"),
                Step::Waiting(_) => tokio::time::sleep(pause).await,
                Step::Opened(round, result) => return Ok((round, result)),
                Step::Over(round) => {
                    let failure = round.failure.map(|failure| failure.detail).unwrap_or_default();
                    bail!("round {number} is over without a sum: {failure}");
                }
            }
        }
    }

    /// The lowest round above `after` that is not over; waits for one.
    async fn next_round(&self, pause: Duration, after: u64) -> Result<u64> {
        loop {
            let rounds = self.agent.link().rounds(&self.consortium).await?;
            let open = rounds.iter().filter(|round| round.number > after && !round.state.is_final());
            if let Some(number) = open.map(|round| round.number).min() {
                return Ok(number);
            }
            tokio::time::sleep(pause).await;
        }
    }
}
