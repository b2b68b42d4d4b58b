//! Founding consortia, inviting and enrolling sites and viewers, beginning rounds.

use federation::api::{Enrolled, Enrolment, Invitation, NewConsortium, NewInvitation, NewRound, Purpose, Role};
use federation::audit::Actor;
use he::aggregation::SumParameters;
use sha2::{Digest, Sha256};

use crate::error::RelayError;
use crate::problem::Problem;
use crate::rounds::{protocol, sentence};
use crate::state::App;
use crate::store::{Change, Enrolling, Happening, Invited, RoundId, Store, TakenUp, deadline_in, unix_now};
use crate::tokens::{TokenHash, TokenKind, hash};

/// Longest title or name, in characters.
const MAX_NAME: usize = 200;
/// Longest time of a state of a round: 90 days.
const MAX_SECONDS: u32 = 90 * 24 * 3600;
/// Most values of all contributions of a round together: the relay holds them for a moment, 15 bytes each, when it fixes the set.
const MAX_VALUES: usize = 64 << 20;

impl App {
    /// Founds a consortium.
    ///
    /// # Errors
    /// 400 for a field that cannot be, 404 for an unknown model, 409 where the id is taken.
    pub(crate) async fn found(&self, mut founding: NewConsortium) -> Result<(), Problem> {
        check_id(&founding.id)?;
        check_name("title", &founding.title)?;
        let model = self.zoo.get(&founding.model).ok_or_else(Problem::unknown_model)?;
        let classes: Vec<&str> = model.shipped.classes.iter().map(|class| class.id.as_str()).collect();
        if founding.classes != classes {
            let detail = format!("`classes` must be those of the model, in its order: {}.", classes.join(", "));
            return Err(Problem::wrong_request(detail));
        }
        let rules = protocol::derive_rules(&founding).map_err(|error| Problem::wrong_request(sentence(error)))?;
        protocol::derive_shape(&founding, model.shipped.cls.dim).map_err(|error| Problem::wrong_request(sentence(error)))?;
        founding.threshold = Some(rules.threshold());
        founding.collusion = Some(rules.collusion());
        founding.cohort = Some(rules.cohort());
        let mut change = self.store.begin().await?;
        if !Store::found(&mut change, &founding).await? {
            return Err(Problem::consortium_exists());
        }
        log(&mut change, &founding.id, "consortium-founded", Actor::Admin, None).await?;
        Ok(change.commit().await?)
    }

    /// Makes a one-time invitation.
    ///
    /// # Errors
    /// 400 for a field that cannot be.
    pub(crate) async fn invite(&self, consortium: &str, new: &NewInvitation) -> Result<Invitation, Problem> {
        check_name("name", &new.name)?;
        if new.role == Role::Admin {
            let detail = "Sites and viewers are invited; the administrator's token stands in the relay's configuration.";
            return Err(Problem::wrong_request(detail));
        }
        let invitation = TokenKind::Invitation.make().map_err(|error| no_randomness(&error))?;
        let ttl = i64::try_from(self.config.federation.invitation_ttl_s).unwrap_or(i64::MAX);
        let expires_at = unix_now().saturating_add(ttl);
        let invited = Invited { consortium: consortium.to_owned(), role: new.role, name: new.name.clone(), expires_at };
        let mut change = self.store.begin().await?;
        Store::invite(&mut change, &hash(&invitation), &invited).await?;
        log(&mut change, consortium, "invitation-made", Actor::Admin, None).await?;
        change.commit().await?;
        Ok(Invitation { invitation: invitation.to_string(), expires_at })
    }

    /// Takes up an invitation. Whatever is refused leaves the invitation unused.
    ///
    /// # Errors
    /// 404, 409 or 410 for an invitation that is unknown, used or expired; 400 or 409 for an identity that cannot be.
    pub(crate) async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolled, Problem> {
        if TokenKind::of(&enrolment.invitation) != Some(TokenKind::Invitation) {
            return Err(Problem::unknown_invitation());
        }
        let invitation = hash(&enrolment.invitation);
        let mut change = self.store.begin().await?;
        let enrolled = match Store::take_up(&mut change, &invitation).await? {
            TakenUp::Accepted(invited) => enter(&mut change, &invited, &invitation, enrolment).await?,
            TakenUp::Used => enter_again(&mut change, &invitation, enrolment).await?,
            TakenUp::Unknown => return Err(Problem::unknown_invitation()),
            TakenUp::Expired => return Err(Problem::invitation_expired()),
        };
        change.commit().await?;
        Ok(enrolled)
    }

    /// Begins a round.
    ///
    /// # Errors
    /// 400 for a field that cannot be, 409 while sites are missing.
    pub(crate) async fn begin_round(&self, consortium: &str, mut new: NewRound) -> Result<RoundId, Problem> {
        let founded = self.founded(consortium).await?;
        if founded.sites.len() < usize::from(founded.founding.sites) {
            return Err(Problem::not_ready());
        }
        for (name, seconds) in [("contribute_s", new.contribute_s), ("confirm_s", new.confirm_s), ("open_s", new.open_s)] {
            if !(1..=MAX_SECONDS).contains(&seconds) {
                return Err(Problem::wrong_request(format!("`{name}` is {seconds}; write seconds between 1 and {MAX_SECONDS}.")));
            }
        }
        new.length = Some(self.length_of(&founded.founding, &new)?);
        let implied = protocol::implied(new.purpose).name();
        let parameters = new.parameters.get_or_insert_with(|| implied.to_owned());
        if SumParameters::by_name(parameters).is_none() {
            return Err(Problem::wrong_request(
                "`parameters` names no set; write SUM_2048_Q32 or SUM_2048_Q52, or leave it out.",
            ));
        }
        let mut change = self.store.begin().await?;
        let id = Store::begin_round(&mut change, consortium, &new, deadline_in(new.contribute_s)).await?;
        let happening = Happening { what: "round-begun", actor: Actor::Admin, round: Some(id.number), digest: None };
        Store::append(&mut change, consortium, happening).await?;
        change.commit().await?;
        Ok(id)
    }

    /// Values of a contribution: what the administrator says, or what statistics of the model have.
    fn length_of(&self, founding: &NewConsortium, new: &NewRound) -> Result<usize, Problem> {
        let model = self.zoo.get(&founding.model).ok_or_else(Problem::unknown_model)?;
        if new.purpose == Purpose::Update {
            if new.publish.is_some() {
                return Err(Problem::wrong_request("Only a round of statistics can publish a head; leave `publish` out."));
            }
            let length = new.length.filter(|length| (1..=MAX_VALUES).contains(length));
            return length
                .ok_or_else(|| Problem::wrong_request(format!("`length` must be between 1 and {MAX_VALUES} for an update.")));
        }
        let shape = protocol::derive_shape(founding, model.shipped.cls.dim);
        let length = shape.map_err(|error| Problem::wrong_request(sentence(error)))?.length();
        match new.length {
            Some(other) if other != length => {
                Err(Problem::wrong_request(format!("Statistics of this model have {length} values; leave `length` out.")))
            }
            _ => Ok(length),
        }
    }
}

/// Enters a site or viewer.
async fn enter(
    change: &mut Change,
    invited: &Invited,
    invitation: &TokenHash,
    enrolment: &Enrolment,
) -> Result<Enrolled, Problem> {
    let kind = if invited.role == Role::Site { TokenKind::Site } else { TokenKind::Viewer };
    let token = kind.make().map_err(|error| no_randomness(&error))?;
    let identity = if invited.role == Role::Site { Some(identity(enrolment)?) } else { None };
    let index = match &identity {
        Some(identity) => Some(next_place(change, invited, identity).await?),
        None => None,
    };
    let site = index.zip(identity.as_deref());
    Store::enrol(change, &Enrolling { invited, invitation, token: &hash(&token), site }).await?;
    let digest = identity.as_ref().map(|identity| Sha256::digest(identity).into());
    let (what, actor) = match index {
        Some(site) => ("site-enrolled", Actor::Site { site }),
        None => ("viewer-enrolled", Actor::Viewer),
    };
    log(change, &invited.consortium, what, actor, digest.as_ref()).await?;
    Ok(Enrolled { consortium: invited.consortium.clone(), site: index, role: invited.role, token: token.to_string() })
}

/// Gives a site whose answer was lost another token; the first was never used and is void from now on.
async fn enter_again(change: &mut Change, invitation: &TokenHash, enrolment: &Enrolment) -> Result<Enrolled, Problem> {
    let identity = identity(enrolment).map_err(|_| Problem::invitation_used())?;
    let token = TokenKind::Site.make().map_err(|error| no_randomness(&error))?;
    let again = Store::enrol_again(change, invitation, &identity, &hash(&token)).await?;
    let (consortium, site) = again.ok_or_else(Problem::invitation_used)?;
    log(change, &consortium, "token-renewed", Actor::Site { site }, None).await?;
    Ok(Enrolled { consortium, site: Some(site), role: Role::Site, token: token.to_string() })
}

/// The identity of a site that enrols, whose keys belong together.
fn identity(enrolment: &Enrolment) -> Result<Vec<u8>, Problem> {
    let missing = || Problem::wrong_identity("A site enrols with its identity, in hexadecimal; it is missing.");
    let text = enrolment.identity.as_ref().ok_or_else(missing)?;
    let bytes =
        hex::decode(text).map_err(|_| Problem::wrong_identity("The identity is not hexadecimal; send it as it was made."))?;
    protocol::read_identity(&bytes).map_err(|error| Problem::wrong_identity(sentence(error)))?;
    Ok(bytes)
}

/// The next place in a roster, for an identity that is not in it.
async fn next_place(change: &mut Change, invited: &Invited, identity: &[u8]) -> Result<u16, Problem> {
    let (founding, roster) = Store::roster(change, &invited.consortium).await?;
    let index = u16::try_from(roster.len()).unwrap_or(u16::MAX);
    if index >= founding.sites {
        return Err(Problem::consortium_full());
    }
    // Either key of an identity stands for the site; the rest is the site's own signature of both.
    let shares_a_key = |other: &Vec<u8>| (0..64).step_by(32).any(|at| other.get(at..at + 32) == identity.get(at..at + 32));
    if roster.iter().any(shares_a_key) { Err(Problem::identity_taken()) } else { Ok(index) }
}

async fn log(
    change: &mut Change,
    consortium: &str,
    what: &'static str,
    actor: Actor,
    digest: Option<&[u8; 32]>,
) -> Result<(), sqlx::Error> {
    Store::append(change, consortium, Happening { what, actor, round: None, digest }).await
}

fn check_id(id: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Problem::wrong_request("`id` must be 1 to 64 lower-case letters, digits and dashes."))
}

fn check_name(field: &str, name: &str) -> Result<(), Problem> {
    let length = name.chars().count();
    if (1..=MAX_NAME).contains(&length) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Problem::wrong_request(format!("`{field}` must have 1 to {MAX_NAME} characters on one line.")))
}

fn no_randomness(error: &RelayError) -> Problem {
    tracing::error!(%error, "no token can be made");
    Problem::internal()
}
