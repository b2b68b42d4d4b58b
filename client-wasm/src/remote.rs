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
use crate::purifier::Purifier;

/// Milliseconds after which an order that has not returned counts as lost, unless the page says otherwise.
pub const SLOW_MS: u32 = 30_000;

/// Why there is no result of an order.
enum Failure {
    /// This relay is at fault: its tiles go to others.
    Lost(usize, String),
    /// Nothing can go on: the user has cancelled, or this device failed.
    Stop(ClientError),
}

/// One relay and what is under way there.
struct Line {
    http: Http,
    /// Raised when the relay is given up.
    given_up: AbortController,
    jobs: RefCell<BTreeMap<usize, Job>>,
}

/// The relays of one mission. When it is dropped, what is still under way at any of them is deleted there.
pub struct Remote<'a> {
    purifier: &'a Purifier,
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
    /// Connections to relays; `purifier` does what none of them may. An order counts as lost after `slow_ms` milliseconds.
    ///
    /// # Errors
    /// `internal` where the browser has no abort controllers.
    pub fn new(
        relays: impl Iterator<Item = Http>,
        purifier: &'a Purifier,
        events: &'a Events,
        signal: &'a AbortSignal,
        slow_ms: u32,
    ) -> Result<Self, ClientError> {
        let lines = relays.map(Line::new).collect::<Result<_, _>>()?;
        Ok(Self { purifier, lines, events, signal, slow_ms, home: Cell::default(), ready: RefCell::default() })
    }

    /// Sends orders and takes results until every tile is back.
    ///
    /// # Errors
    /// `cancelled`; `internal` where this device fails. Relays that fail are no error.
    pub async fn run(&self, mission: &mut Mission) -> Result<(), ClientError> {
        let mut at_work = FuturesUnordered::new();
        while mission.done() < mission.total() {
            self.home.set([mission.done(), mission.total()]);
            self.tell();
            at_work.extend(mission.orders()?.into_iter().map(|order| self.fulfil(order)));
            let Some((order, outcome)) = at_work.next().await else { break };
            self.ready.borrow_mut().remove(&order.number);
            match outcome {
                Ok(result) => self.take(mission, &order, &result)?,
                Err(Failure::Stop(error)) => return Err(error),
                Err(Failure::Lost(relay, why)) => {
                    mission.lost(relay, why);
                    self.lines[relay].give_up();
                }
            }
        }
        Ok(())
    }

    fn take(&self, mission: &mut Mission, order: &Order, result: &PurifyResult) -> Result<(), ClientError> {
        match (mission.took(order.number, result), order.holder) {
            (Err(PurifyError::BadResult { .. }), Holder::Relay(relay)) => self.lines[relay].give_up(),
            // Of a relay that was given up meanwhile: others have its tiles.
            (Ok(()) | Err(PurifyError::UnknownOrder { .. }), _) => (),
            (Err(error), _) => return Err(error.into()),
        }
        Ok(())
    }

    async fn fulfil(&self, order: Order) -> (Order, Result<PurifyResult, Failure>) {
        let result = match order.holder {
            Holder::Device => self.purifier.tiles(&order.request, self.signal).await.map_err(Failure::Stop),
            Holder::Relay(relay) => self.ask(relay, &order).await,
        };
        (order, result)
    }

    async fn ask(&self, relay: usize, order: &Order) -> Result<PurifyResult, Failure> {
        let line = &self.lines[relay];
        let slow = AbortSignal::timeout_with_u32(self.slow_ms);
        let signal = AbortSignal::any(&Array::of3(self.signal, &line.given_up.signal(), &slow));
        let ready = |count| {
            self.ready.borrow_mut().insert(order.number, count);
            self.tell();
        };
        line.purify(order, &signal, ready).await.map_err(|why| match (self.signal.aborted(), slow.aborted()) {
            (true, _) => Failure::Stop(ClientError::cancelled()),
            (false, true) => Failure::Lost(relay, format!("it has not answered within {} seconds", self.slow_ms / 1000)),
            (false, false) => Failure::Lost(relay, why),
        })
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
