//! A site through a whole round against a relay in memory: in order, interrupted anywhere, and against a relay that cheats.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use federation::api::{self, ConsortiumState, Purpose, RoundResult, RoundState, purpose_bytes};
use federation::site::{Journal, JournalStore, RelayLink, SiteAgent, SiteError, Step};
use he::HeError;
use he::aggregation::relay::{Tally, derive_delivery, open_sum};
use he::aggregation::{
    Answer, Certificate, Confirmation, Consortium, Contribution, IdentityKey, Round, Rules, SUM_2048_Q52, Set,
};

const LENGTH: usize = 7;
const SITES: u16 = 3;

/// The relay's part, without HTTP or storage.
struct Relay {
    view: api::Consortium,
    consortium: Consortium,
    round: Round,
    status: api::Round,
    contributions: Vec<Contribution>,
    set: Option<Set>,
    confirmations: Vec<Confirmation>,
    certificate: Option<Certificate>,
    answers: Vec<Answer>,
    result: Option<RoundResult>,
    /// Messages that arrived, in order.
    log: Vec<String>,
}

type Shared = Rc<RefCell<Relay>>;

#[derive(Clone)]
struct Link(Shared);

impl RelayLink for Link {
    type Error = Infallible;

    async fn consortium(&self, _: &str) -> Result<api::Consortium, Infallible> {
        Ok(self.0.borrow().view.clone())
    }
    async fn round(&self, _: &str, _: u64) -> Result<api::Round, Infallible> {
        Ok(self.0.borrow().status.clone())
    }
    async fn send_contribution(&self, _: &str, _: u64, bytes: Vec<u8>) -> Result<(), Infallible> {
        let relay = &mut *self.0.borrow_mut();
        let contribution = Contribution::from_bytes(&relay.consortium, &relay.round, &bytes).unwrap();
        relay.log.push(format!("contribution {}", contribution.site()));
        relay.status.contributed.push(contribution.site());
        relay.contributions.push(contribution);
        if relay.contributions.len() == usize::from(SITES) {
            relay.close(SITES);
        }
        Ok(())
    }
    async fn delivery(&self, _: &str, _: u64) -> Result<Vec<u8>, Infallible> {
        let relay = self.0.borrow();
        let asking = relay.asking();
        let contributions: Vec<&Contribution> = relay.contributions.iter().collect();
        Ok(derive_delivery(relay.set.as_ref().unwrap(), &contributions, asking).unwrap().to_bytes(&relay.round))
    }
    async fn send_confirmation(&self, _: &str, _: u64, bytes: Vec<u8>) -> Result<(), Infallible> {
        let relay = &mut *self.0.borrow_mut();
        let set = relay.set.as_ref().unwrap();
        let confirmation = Confirmation::from_bytes(&relay.consortium, &relay.round, set, &bytes).unwrap();
        relay.log.push(format!("confirmation {}", confirmation.member()));
        relay.status.confirmed.push(confirmation.member());
        relay.confirmations.push(confirmation);
        if relay.confirmations.len() == usize::from(SITES) {
            relay.certificate = Some(Certificate::derive(&relay.consortium, set, &relay.confirmations).unwrap());
            relay.status.state = RoundState::Opening;
        }
        Ok(())
    }
    async fn certificate(&self, _: &str, _: u64) -> Result<Vec<u8>, Infallible> {
        let relay = self.0.borrow();
        Ok(relay.certificate.as_ref().unwrap().to_bytes(&relay.round))
    }
    async fn send_answer(&self, _: &str, _: u64, bytes: Vec<u8>) -> Result<(), Infallible> {
        let relay = &mut *self.0.borrow_mut();
        let set = relay.set.as_ref().unwrap();
        let answer = Answer::from_bytes(&relay.consortium, &relay.round, set, &bytes).unwrap();
        relay.log.push(format!("answer {}", answer.member()));
        relay.status.answered.push(answer.member());
        relay.answers.push(answer);
        if relay.answers.len() >= usize::from(relay.consortium.rules().threshold()) {
            let opened = open_sum(&relay.consortium, set, &relay.tally(SITES), &relay.answers).unwrap();
            relay.result = Some(RoundResult { cohort: set.sites(), sum: opened.sum });
            relay.status.state = RoundState::Opened;
        }
        Ok(())
    }
    async fn result(&self, _: &str, _: u64) -> Result<RoundResult, Infallible> {
        Ok(self.0.borrow().result.clone().unwrap())
    }
}

impl Relay {
    fn tally(&self, sites: u16) -> Tally {
        let mut tally = Tally::new(&self.round);
        self.contributions.iter().filter(|from| from.site() < sites).for_each(|from| tally.add(from).unwrap());
        tally
    }
    fn close(&mut self, sites: u16) {
        self.set = Some(self.tally(sites).derive_set(&self.consortium).unwrap());
        self.status.state = RoundState::Confirming;
    }
    /// The fake has no tokens: whoever has not done the present step asks.
    fn asking(&self) -> u16 {
        let done = if self.status.state == RoundState::Confirming { &self.status.confirmed } else { &self.status.answered };
        (0..SITES).find(|site| !done.contains(site)).unwrap()
    }
}

/// Journals as bytes on a disk.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<Vec<u8>>>);

impl JournalStore for Disk {
    type Error = Infallible;

    async fn save(&self, journal: &Journal) -> Result<(), Infallible> {
        *self.0.borrow_mut() = serde_json::to_vec(journal).unwrap();
        Ok(())
    }
}

/// Everything in memory is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the fake relay does not wait"),
    }
}

struct Site {
    seed: [u8; 32],
    disk: Disk,
}

impl Site {
    /// The site's program after a restart: only the seed and the disk are left.
    fn start(&self, relay: &Shared) -> SiteAgent<Link, Disk> {
        let journal = serde_json::from_slice(&self.disk.0.borrow()).unwrap_or_default();
        SiteAgent::new("lungs".into(), IdentityKey::derive(&self.seed), journal, Link(Rc::clone(relay)), self.disk.clone())
    }
    fn confirm_roster(&self, relay: &Shared) {
        let mut agent = self.start(relay);
        let digest = *now(agent.roster()).unwrap().consortium.digest();
        now(agent.confirm_roster(&digest)).unwrap();
    }
}

fn stage() -> (Shared, Vec<Site>) {
    let sites: Vec<Site> = (0..SITES).map(|i| Site { seed: [i as u8 + 1; 32], disk: Disk::default() }).collect();
    let rules = Rules::recommended(SITES).unwrap();
    let identities: Vec<_> = sites.iter().map(|site| IdentityKey::derive(&site.seed).identity()).collect();
    let roster = (0..).zip(&identities).map(|(index, identity)| api::Site {
        index,
        name: format!("site {index}"),
        identity: hex::encode(identity.to_bytes()),
    });
    let view = api::Consortium {
        id: "lungs".into(),
        title: "Lungs".into(),
        model: "lung-histology".into(),
        classes: vec!["a".into(), "b".into()],
        rules: api::Rules {
            sites: SITES,
            threshold: rules.threshold(),
            collusion: rules.collusion(),
            cohort: rules.cohort(),
            quorum: rules.quorum(),
        },
        clip_norm: 1000,
        state: ConsortiumState::Ready,
        sites: roster.collect(),
        digest: None,
    };
    let consortium = Consortium::derive("lungs", rules, identities).unwrap();
    let round = Round::derive(&consortium, 1, &SUM_2048_Q52, LENGTH, &purpose_bytes(Purpose::Statistics, &view)).unwrap();
    let status = api::Round {
        number: 1,
        purpose: Purpose::Statistics,
        parameters: SUM_2048_Q52.name().into(),
        length: LENGTH,
        state: RoundState::Contributing,
        deadline: 0,
        contributed: vec![],
        confirmed: vec![],
        answered: vec![],
        set_digest: None,
        failure: None,
        published: None,
    };
    let relay = Relay {
        view,
        consortium,
        round,
        status,
        contributions: vec![],
        set: None,
        confirmations: vec![],
        certificate: None,
        answers: vec![],
        result: None,
        log: vec![],
    };
    (Rc::new(RefCell::new(relay)), sites)
}

fn values(site: usize) -> Vec<i64> {
    (0..LENGTH).map(|i| (site * 100 + i) as i64).collect()
}

#[test]
fn sites_that_are_restarted_before_every_step_finish_the_round() {
    let (relay, sites) = stage();
    sites.iter().for_each(|site| site.confirm_roster(&relay));
    for _ in 0..4 {
        for (i, site) in sites.iter().enumerate() {
            now(site.start(&relay).step(1, Some(&values(i)))).unwrap();
        }
    }
    let Step::Opened(_, result) = now(sites[0].start(&relay).step(1, None)).unwrap() else { panic!("not opened") };
    assert_eq!(result.sum, (0..LENGTH as i64).map(|i| 300 + 3 * i).collect::<Vec<_>>());
    // Three contributions, three confirmations, and the two answers that were needed: nothing was sent twice.
    assert_eq!(relay.borrow().log.len(), 8, "{:?}", relay.borrow().log);
}

#[test]
fn a_site_says_when_it_needs_its_values_and_when_it_waits() {
    let (relay, sites) = stage();
    sites[0].confirm_roster(&relay);
    let mut agent = sites[0].start(&relay);
    assert!(matches!(now(agent.step(1, None)), Ok(Step::NeedsValues(_))));
    assert!(matches!(now(agent.step(1, Some(&values(0)))), Ok(Step::Contributed(_, bytes)) if bytes > 1_000));
    assert!(matches!(now(agent.step(1, Some(&values(0)))), Ok(Step::Waiting(_))));
    relay.borrow_mut().status.state = RoundState::Expired;
    assert!(matches!(now(agent.step(1, None)), Ok(Step::Over(_))));
}

#[test]
fn nothing_is_sent_before_a_person_has_confirmed_the_roster() {
    let (relay, sites) = stage();
    let refused = now(sites[0].start(&relay).step(1, Some(&values(0))));
    assert!(matches!(refused, Err(SiteError::RosterNotConfirmed)));
    let refused = now(sites[0].start(&relay).confirm_roster(&[0; 32]));
    assert!(matches!(refused, Err(SiteError::RosterChanged)));
    assert!(relay.borrow().log.is_empty());
}

#[test]
fn a_relay_that_changes_the_roster_gets_nothing() {
    let (relay, sites) = stage();
    sites[0].confirm_roster(&relay);
    let stranger = IdentityKey::make().unwrap().identity();
    relay.borrow_mut().view.sites[2].identity = hex::encode(stranger.to_bytes());
    let refused = now(sites[0].start(&relay).step(1, Some(&values(0))));
    assert!(matches!(refused, Err(SiteError::RosterChanged)));
    relay.borrow_mut().view.rules.collusion = 0;
    let refused = now(sites[0].start(&relay).step(1, Some(&values(0))));
    assert!(matches!(refused, Err(SiteError::Protocol(HeError::Rule { .. }))));
}

#[test]
fn a_relay_that_shows_a_second_set_gets_no_second_confirmation_even_after_a_restart() {
    let (relay, sites) = stage();
    sites.iter().for_each(|site| site.confirm_roster(&relay));
    for (i, site) in sites.iter().enumerate() {
        now(site.start(&relay).step(1, Some(&values(i)))).unwrap();
    }
    assert!(matches!(now(sites[0].start(&relay).step(1, None)), Ok(Step::Confirmed(_))));
    // The relay forgets the confirmation and swaps one contribution for another that the same site really made.
    let other = {
        let relay = relay.borrow();
        he::aggregation::site::make_contribution(
            &relay.consortium,
            &relay.round,
            &IdentityKey::derive(&sites[1].seed),
            &[5; LENGTH],
        )
        .unwrap()
    };
    relay.borrow_mut().status.confirmed.clear();
    relay.borrow_mut().contributions[1] = other;
    relay.borrow_mut().close(SITES);
    let refused = now(sites[0].start(&relay).step(1, None));
    assert!(matches!(refused, Err(SiteError::Protocol(HeError::SecondSet))));
}

#[test]
fn an_enrolling_consortium_is_waited_for() {
    let (relay, sites) = stage();
    relay.borrow_mut().view.state = ConsortiumState::Enrolling;
    relay.borrow_mut().view.sites.pop();
    assert!(matches!(now(sites[0].start(&relay).roster()), Err(SiteError::Enrolling { enrolled: 2, sites: 3 })));
}
