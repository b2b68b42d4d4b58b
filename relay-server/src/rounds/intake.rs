//! What a site sends: received within bounds, checked on a worker, committed, and only then answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use federation::audit::Actor;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sha2::{Digest, Sha256};

use super::protocol::Setting;
use super::state::{self, taken_in};
use crate::problem::Problem;
use crate::state::App;
use crate::store::{Happening, Kind, RoundId, RoundRow, Store, WHOLE_ROUND, unix_now};

/// How much of a refused message is read on, and how long.
const DRAIN_BYTES: usize = 32 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    /// It is kept now.
    Stored,
    /// The very same bytes were there already.
    Known,
}

/// A message that was received whole, with its SHA-256.
struct Received {
    bytes: Vec<u8>,
    digest: [u8; 32],
}

impl App {
    /// Takes a message of `site` into a round.
    ///
    /// # Errors
    /// A refusal with its own word for each reason; nothing is kept then.
    pub(crate) async fn take(
        self: &Arc<Self>,
        id: &RoundId,
        kind: Kind,
        site: u16,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<Intake, Problem> {
        let taken = self.take_from(id, kind, site, headers, &mut body).await;
        if taken.is_err() {
            // A client that is still sending would see a broken connection in place of the reason.
            let _ = tokio::time::timeout(DRAIN_TIME, drain(body)).await;
        }
        taken
    }

    async fn take_from(
        self: &Arc<Self>,
        id: &RoundId,
        kind: Kind,
        site: u16,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<Intake, Problem> {
        self.settle_if_due(id).await?;
        let row = self.round_row(id).await?;
        let known = self.known(id, kind, site).await?;
        if known.is_none() {
            check_state(&row, kind)?;
        }
        let setting = self.setting(&row).await?;
        let cohort = self.store.senders(id, Kind::Contribution).await?.len();
        let expected = setting.expected_bytes(kind, site, cohort);
        check_announced(headers, expected)?;
        // One whole message in memory for each permit, however many are on their way.
        let (received, _permit) = self.receive(kind, body, expected).await?;
        if let Some(known) = known {
            return compare(&known, &received.digest, kind);
        }
        let received = self.check(&row, setting, kind, site, received).await?;
        let intake = self.keep(id, kind, site, &received).await?;
        let (app, id) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            app.announce(&id).await;
            // A step that fails is logged, and tried again in a while.
            let _ = app.settle(&id, false).await;
        });
        Ok(intake)
    }

    async fn known(&self, id: &RoundId, kind: Kind, site: u16) -> Result<Option<Vec<u8>>, Problem> {
        let mut change = self.store.begin().await?;
        let known = Store::message_digest(&mut change, id, kind, i64::from(site)).await?;
        change.rollback().await?;
        Ok(known)
    }

    async fn receive(
        &self,
        kind: Kind,
        body: &mut Body,
        expected: usize,
    ) -> Result<(Received, tokio::sync::SemaphorePermit<'_>), Problem> {
        if kind == Kind::Contribution {
            let limit = Duration::from_millis(self.config.federation.upload_timeout_ms);
            let upload = self.rounds.uploads.receive(body, expected, limit).await?;
            let permit = self.permit().await?;
            return Ok((Received { bytes: upload.read().await?, digest: upload.digest }, permit));
        }
        let limit = Duration::from_millis(self.config.limits.body_timeout_ms);
        let bytes = tokio::time::timeout(limit, read_small(body, expected)).await.map_err(|_| Problem::body_timeout())??;
        let digest = Sha256::digest(&bytes).into();
        Ok((Received { bytes, digest }, self.permit().await?))
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Problem> {
        self.rounds.checks.acquire().await.map_err(|_| Problem::internal())
    }

    async fn check(
        &self,
        row: &RoundRow,
        setting: Setting,
        kind: Kind,
        site: u16,
        received: Received,
    ) -> Result<Received, Problem> {
        let set = self.store.message(&row.id, Kind::Set, WHOLE_ROUND).await?;
        let job = move || setting.check(kind, site, set.as_deref(), &received.bytes).map(|()| received);
        let checked = self.workers.place()?.run(job).await?;
        checked.map_err(|refusal| Problem::refused(&refusal))
    }

    /// Commits a message, unless the round has moved on or the site has sent another in the meantime.
    async fn keep(&self, id: &RoundId, kind: Kind, site: u16, received: &Received) -> Result<Intake, Problem> {
        let mut change = self.store.begin().await?;
        let row = Store::lock_round(&mut change, id).await?.ok_or_else(Problem::unknown_round)?;
        if let Some(known) = Store::message_digest(&mut change, id, kind, i64::from(site)).await? {
            return compare(&known, &received.digest, kind);
        }
        check_state(&row, kind)?;
        Store::put_message(&mut change, id, kind, i64::from(site), &received.digest, &received.bytes).await?;
        Store::touch_round(&mut change, id).await?;
        let what = match kind {
            Kind::Confirmation => "confirmation-stored",
            Kind::Answer => "answer-stored",
            _ => "contribution-stored",
        };
        let happening = Happening { what, actor: Actor::Site { site }, round: Some(id.number), digest: Some(&received.digest) };
        Store::append(&mut change, &id.consortium, happening).await?;
        change.commit().await?;
        Ok(Intake::Stored)
    }
}

fn compare(known: &[u8], digest: &[u8; 32], kind: Kind) -> Result<Intake, Problem> {
    if known == digest { Ok(Intake::Known) } else { Err(Problem::second(kind)) }
}

/// Whether the round takes a new message of this kind now.
fn check_state(row: &RoundRow, kind: Kind) -> Result<(), Problem> {
    let wanted = taken_in(kind).ok_or_else(Problem::internal)?;
    if row.state == wanted {
        let open = unix_now() < row.deadline;
        return if open { Ok(()) } else { Err(Problem::stale_round(row.state)) };
    }
    let early = state::place(row.state) < state::place(wanted);
    Err(if early { Problem::too_early(row.state) } else { Problem::stale_round(row.state) })
}

/// A length that is announced wrong is refused before a byte is read.
fn check_announced(headers: &HeaderMap, expected: usize) -> Result<(), Problem> {
    let announced = headers.get(axum::http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.and_then(|value| value.parse::<usize>().ok()) {
        Some(found) if found > expected => Err(Problem::too_large(expected)),
        Some(found) if found < expected => Err(Problem::wrong_size(found, expected)),
        _ => Ok(()),
    }
}

/// Reads on and forgets, within bounds.
async fn drain(mut body: Body) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |bytes| bytes.len()));
        if left == 0 {
            return;
        }
    }
}

async fn read_small(body: &mut Body, expected: usize) -> Result<Vec<u8>, Problem> {
    let bytes = match Limited::new(body, expected).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Problem::too_large(expected)),
        Err(_) => return Err(Problem::wrong_size(0, expected)),
    };
    if bytes.len() == expected { Ok(bytes.into()) } else { Err(Problem::wrong_size(bytes.len(), expected)) }
}
