//! Where rounds meet `he::aggregation`: every check of a message, and everything that the relay computes from messages. CPU-bound:
//! run it on a worker.

use std::sync::Arc;

use federation::api::{self, Purpose};
use federation::statistics::Shape;
use he::HeError;
use he::aggregation::relay::{Opened, Tally, derive_delivery, open_sum};
use he::aggregation::{
    Answer, Certificate, Confirmation, Consortium, Contribution, Identity, Round, Rules, SUM_2048_Q32, SUM_2048_Q52, Set,
    SumParameters,
};

use crate::store::{Founded, Kind};

/// Why a message is not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is not what it should be.
    Bad(HeError),
    /// It was made by another site than the one that sent it.
    OtherSender,
}

impl From<HeError> for Refusal {
    fn from(error: HeError) -> Self {
        Self::Bad(error)
    }
}

/// The rules of a consortium, recommended ones where none are given.
///
/// # Errors
/// [`HeError::Rule`] names the number that is out of range.
pub(crate) fn derive_rules(founding: &api::NewConsortium) -> Result<Rules, HeError> {
    let usual = Rules::recommended(founding.sites)?;
    let collusion = founding.collusion.unwrap_or(usual.collusion());
    let threshold = founding.threshold.unwrap_or_else(|| founding.sites.saturating_sub(collusion));
    Rules::new(founding.sites, threshold, collusion, founding.cohort.unwrap_or(collusion.saturating_add(2)))
}

/// The rules as the API shows them.
pub(crate) fn shown(rules: &Rules) -> api::Rules {
    api::Rules {
        sites: rules.sites(),
        threshold: rules.threshold(),
        collusion: rules.collusion(),
        cohort: rules.cohort(),
        quorum: rules.quorum(),
    }
}

/// Reads a site's identity and checks that its keys belong together.
pub(crate) fn read_identity(bytes: &[u8]) -> Result<Identity, HeError> {
    Identity::from_bytes(bytes)
}

/// The roster of a consortium whose sites have all enrolled.
///
/// # Errors
/// Sites are missing, or what is stored is damaged.
pub(crate) fn derive_consortium(founded: &Founded) -> Result<Consortium, HeError> {
    let identities = founded.sites.iter().map(|site| Identity::from_bytes(&site.identity)).collect::<Result<_, _>>()?;
    Consortium::derive(&founded.founding.id, derive_rules(&founded.founding)?, identities)
}

/// Parameters and number of values of a round for a purpose, where the administrator did not say.
pub(crate) fn implied(purpose: Purpose) -> &'static SumParameters {
    match purpose {
        Purpose::Statistics => &SUM_2048_Q52,
        Purpose::Update => &SUM_2048_Q32,
    }
}

/// The shape of the statistics of a consortium's model, whose tokens have `dim` values.
pub(crate) fn derive_shape(founding: &api::NewConsortium, dim: usize) -> Result<Shape, federation::FederationError> {
    Shape::new(founding.classes.len(), dim, founding.clip_norm)
}

/// A round as the protocol knows it.
#[derive(Clone)]
pub(crate) struct Setting {
    consortium: Arc<Consortium>,
    round: Round,
}

/// The set, fixed for good, and what each member is to confirm.
pub(crate) struct FixedSet {
    pub(crate) digest: [u8; 32],
    pub(crate) bytes: Vec<u8>,
    /// For each member by index.
    pub(crate) deliveries: Vec<Vec<u8>>,
}

impl Setting {
    /// # Errors
    /// A round of an impossible length.
    pub(crate) fn derive(
        consortium: Arc<Consortium>,
        shown: &api::Consortium,
        settings: &api::NewRound,
        number: u64,
    ) -> Result<Self, HeError> {
        let parameters = settings.parameters.as_deref().and_then(SumParameters::by_name).unwrap_or(implied(settings.purpose));
        let purpose = api::purpose_bytes(settings.purpose, shown);
        let round = Round::derive(&consortium, number, parameters, settings.length.unwrap_or(0), &purpose)?;
        Ok(Self { consortium, round })
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.consortium.rules()
    }

    /// Exact size of a site's message of this kind; `cohort` is the number of contributions in the set.
    pub(crate) fn expected_bytes(&self, kind: Kind, site: u16, cohort: usize) -> usize {
        match kind {
            Kind::Contribution => Contribution::bytes(self.rules(), &self.round, site),
            Kind::Confirmation => Confirmation::bytes(cohort),
            Kind::Answer => Answer::bytes(self.rules()),
            Kind::Set | Kind::Delivery | Kind::Certificate | Kind::Sum => 0,
        }
    }

    /// Checks a message that `site` sent. `set` is the round's set, once there is one.
    pub(crate) fn check(&self, kind: Kind, site: u16, set: Option<&[u8]>, bytes: &[u8]) -> Result<(), Refusal> {
        let found = match kind {
            Kind::Confirmation => Confirmation::from_bytes(&self.consortium, &self.round, &self.set(set)?, bytes)?.member(),
            Kind::Answer => Answer::from_bytes(&self.consortium, &self.round, &self.set(set)?, bytes)?.member(),
            _ => Contribution::from_bytes(&self.consortium, &self.round, bytes)?.site(),
        };
        if found == site { Ok(()) } else { Err(Refusal::OtherSender) }
    }

    fn set(&self, bytes: Option<&[u8]>) -> Result<Set, HeError> {
        Set::from_bytes(&self.consortium, &self.round, bytes.unwrap_or_default())
    }

    /// A sum of nothing.
    pub(crate) fn tally(&self) -> Tally {
        Tally::new(&self.round)
    }

    /// Adds a stored contribution to a sum, and gives it back for the set.
    pub(crate) fn add(&self, tally: &mut Tally, bytes: &[u8]) -> Result<Contribution, HeError> {
        let contribution = Contribution::from_bytes(&self.consortium, &self.round, bytes)?;
        tally.add(&contribution)?;
        Ok(contribution)
    }

    /// Fixes the set.
    pub(crate) fn derive_set(&self, tally: &Tally, contributions: &[Contribution]) -> Result<FixedSet, HeError> {
        let set = tally.derive_set(&self.consortium)?;
        let all: Vec<&Contribution> = contributions.iter().collect();
        let delivery = |member| derive_delivery(&set, &all, member).map(|delivery| delivery.to_bytes(&self.round));
        let deliveries = (0..self.rules().sites()).map(delivery).collect::<Result<_, _>>()?;
        Ok(FixedSet { digest: *set.digest(), bytes: set.to_bytes(&self.round), deliveries })
    }

    /// The certificate that confirmations make.
    pub(crate) fn derive_certificate(&self, set: &[u8], confirmations: &[Vec<u8>]) -> Result<Vec<u8>, HeError> {
        let set = self.set(Some(set))?;
        let read = |bytes: &Vec<u8>| Confirmation::from_bytes(&self.consortium, &self.round, &set, bytes);
        let confirmations = confirmations.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Certificate::derive(&self.consortium, &set, &confirmations)?.to_bytes(&self.round))
    }

    /// Opens the sum.
    pub(crate) fn open(&self, set: &[u8], tally: &Tally, answers: &[Vec<u8>]) -> Result<Opened, HeError> {
        let set = self.set(Some(set))?;
        let read = |bytes: &Vec<u8>| Answer::from_bytes(&self.consortium, &self.round, &set, bytes);
        let answers = answers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        open_sum(&self.consortium, &set, tally, &answers)
    }

    /// The sites in a set.
    pub(crate) fn sites(&self, set: &[u8]) -> Result<Vec<u16>, HeError> {
        Ok(self.set(Some(set))?.sites())
    }
}
