//! The requests around a [`Mission`]: all relays at the same time, and what is done where one does not answer.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use js_sys::Array;
use purify::{Holder, Mission, Order, PurifyError};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal};
use wire::PurifyResult;

use crate::error::ClientError;
use crate::events::{Events, Step};
use crate::http::Http;
use crate::job::{self, Job};
use crate::pause;

/// Milliseconds after which an order that has not returned counts as lost, unless the page says otherwise.
pub const SLOW_MS: u32 = 30_000;

/// One relay and what is under way there.
struct Line {
    http: Http,
    /// Raised when the relay is given up.
    given_up: AbortController,
    jobs: RefCell<BTreeMap<usize, Job>>,
}

/// The relays of one mission. When it is dropped, what is still under way at any of them is deleted there.
pub struct Remote<'a> {
    lines: Vec<Line>,
    events: &'a Events,
    signal: &'a AbortSignal,
    slow_ms: u32,
    /// Tiles that are back, and tiles in all.
    home: Cell<[usize; 2]>,
    /// Tiles that are purified but not fetched, by order.
    ready: RefCell<BTreeMap<usize, usize>>,
}

impl Line {
    fn new(http: Http) -> Result<Self, ClientError> {
        let given_up = AbortController::new().map_err(|_| ClientError::internal("no abort controller"))?;
        Ok(Self { http, given_up, jobs: RefCell::default() })
    }

    /// Breaks off what is under way, and has the relay delete it.
    fn give_up(&self) {
        self.given_up.abort();
        for job in std::mem::take(&mut *self.jobs.borrow_mut()).into_values() {
            spawn_local(job::abandon(self.http.clone(), job));
        }
    }

    /// Has the tiles of an order purified.
    async fn purify(&self, order: &Order, signal: &AbortSignal, ready: impl Fn(usize)) -> Result<PurifyResult, String> {
        let job = job::submit(&self.http, &order.request, signal).await?;
        self.jobs.borrow_mut().insert(order.number, job.clone());
        job::wait(&self.http, &job, signal, ready).await?;
        let result = job::fetch(&self.http, &job, signal).await?;
        self.jobs.borrow_mut().remove(&order.number);
        Ok(result)
    }
}

impl<'a> Remote<'a> {
    /// Connections to relays. An order counts as lost after `slow_ms` milliseconds.
    ///
    /// # Errors
    /// `internal` where the browser has no abort controllers.
    pub fn new(
        relays: impl Iterator<Item = Http>,
        events: &'a Events,
        signal: &'a AbortSignal,
        slow_ms: u32,
    ) -> Result<Self, ClientError> {
        let lines = relays.map(Line::new).collect::<Result<_, _>>()?;
        Ok(Self { lines, events, signal, slow_ms, home: Cell::default(), ready: RefCell::default() })
    }

    /// Sends orders and takes results until no relay has work any more; answers the orders that are left to this device.
    ///
    /// # Errors
    /// `cancelled`. Relays that fail are no error.
    pub async fn run(&self, mission: &mut Mission) -> Result<Vec<Order>, ClientError> {
        let (mut at_work, mut left) = (FuturesUnordered::new(), Vec::new());
        loop {
            self.home.set([mission.done(), mission.total()]);
            self.tell();
            for order in mission.orders()? {
                match order.holder {
                    Holder::Relay(relay) => at_work.push(self.ask(relay, order)),
                    Holder::Device => left.push(order),
                }
            }
            let Some((relay, number, outcome)) = at_work.next().await else { return Ok(left) };
            pause::check(self.signal)?;
            self.ready.borrow_mut().remove(&number);
            self.take(mission, relay, number, outcome)?;
        }
    }

    fn take(
        &self,
        mission: &mut Mission,
        relay: usize,
        number: usize,
        outcome: Result<PurifyResult, String>,
    ) -> Result<(), ClientError> {
        let taken = match outcome {
            Ok(result) => mission.took(number, &result),
            Err(why) => {
                mission.lost(relay, why);
                self.lines[relay].give_up();
                Ok(())
            }
        };
        match taken {
            Err(PurifyError::BadResult { .. }) => self.lines[relay].give_up(),
            // Of a relay that was given up meanwhile: others have its tiles.
            Ok(()) | Err(PurifyError::UnknownOrder { .. }) => (),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What came of an order: the result, or why there is none.
    async fn ask(&self, relay: usize, order: Order) -> (usize, usize, Result<PurifyResult, String>) {
        let line = &self.lines[relay];
        let slow = AbortSignal::timeout_with_u32(self.slow_ms);
        let signal = AbortSignal::any(&Array::of3(self.signal, &line.given_up.signal(), &slow));
        let ready = |count| {
            self.ready.borrow_mut().insert(order.number, count);
            self.tell();
        };
        let too_slow = || format!("it has not answered within {} seconds", self.slow_ms / 1000);
        let outcome = line.purify(&order, &signal, ready).await;
        (relay, order.number, outcome.map_err(|why| if slow.aborted() { too_slow() } else { why }))
    }

    /// Tells the page how many tiles of how many are purified.
    fn tell(&self) {
        let [home, total] = self.home.get();
        let ready: usize = self.ready.borrow().values().sum();
        self.events.progress(Step::Purify, (home + ready) as f64, total as f64);
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        self.lines.iter().for_each(Line::give_up);
    }
}
