//! A consortium in one process.

use he::HeError;
use he::aggregation::member::{MemberRecord, derive_answer, derive_confirmation};
use he::aggregation::relay::{Opened, Tally, derive_delivery, open_sum};
use he::aggregation::site::make_contribution;
use he::aggregation::{
    Answer, Certificate, Confirmation, Consortium, Contribution, Delivery, IdentityKey, Round, Rules, Set, SumParameters,
};

pub struct Party {
    pub keys: Vec<IdentityKey>,
    pub consortium: Consortium,
    pub round: Round,
}

/// A round after its set was fixed.
pub struct Closed {
    pub tally: Tally,
    pub contributions: Vec<Contribution>,
    pub set: Set,
}

impl Party {
    pub fn new(rules: Rules, parameters: &'static SumParameters, length: usize) -> Self {
        let keys: Vec<IdentityKey> = (0..rules.sites()).map(|_| IdentityKey::make().unwrap()).collect();
        let identities = keys.iter().map(IdentityKey::identity).collect();
        let consortium = Consortium::derive("test", rules, identities).unwrap();
        let round = Round::derive(&consortium, 1, parameters, length, b"sums").unwrap();
        Self { keys, consortium, round }
    }

    /// The same consortium in another round.
    pub fn other_round(&self, number: u64) -> Round {
        Round::derive(&self.consortium, number, self.round.parameters(), self.round.length(), b"sums").unwrap()
    }

    pub fn contribute(&self, site: u16, values: &[i64]) -> Contribution {
        let made = make_contribution(&self.consortium, &self.round, &self.keys[usize::from(site)], values).unwrap();
        Contribution::from_bytes(&self.consortium, &self.round, made.to_bytes()).unwrap()
    }

    pub fn close(&self, contributions: Vec<Contribution>) -> Closed {
        let mut tally = Tally::new(&self.round);
        contributions.iter().for_each(|contribution| tally.add(contribution).unwrap());
        let set = tally.derive_set(&self.consortium).unwrap();
        Closed { tally, contributions, set }
    }

    /// A delivery as it arrives: through its bytes.
    pub fn delivery(&self, closed: &Closed, member: u16) -> Delivery {
        let contributions: Vec<&Contribution> = closed.contributions.iter().collect();
        let bytes = derive_delivery(&closed.set, &contributions, member).unwrap().to_bytes(&self.round);
        Delivery::from_bytes(&self.consortium, &self.round, &bytes).unwrap()
    }

    pub fn confirm(&self, closed: &Closed, member: u16) -> Result<(Confirmation, MemberRecord), HeError> {
        let mut record = MemberRecord::default();
        let delivery = self.delivery(closed, member);
        let key = &self.keys[usize::from(member)];
        let confirmation = derive_confirmation(&self.consortium, &self.round, key, &delivery, &mut record)?;
        let bytes = confirmation.to_bytes(&self.round);
        assert_eq!(bytes.len(), Confirmation::bytes(closed.set.sites().len()));
        Ok((Confirmation::from_bytes(&self.consortium, &self.round, &closed.set, &bytes)?, record))
    }

    pub fn certify(&self, closed: &Closed, members: &[u16]) -> Result<(Certificate, Vec<MemberRecord>), HeError> {
        let confirmed: Vec<_> = members.iter().map(|&member| self.confirm(closed, member)).collect::<Result<_, _>>()?;
        let (confirmations, records): (Vec<_>, Vec<_>) = confirmed.into_iter().unzip();
        Ok((Certificate::derive(&self.consortium, &closed.set, &confirmations)?, records))
    }

    pub fn answer(
        &self,
        closed: &Closed,
        member: u16,
        certificate: &Certificate,
        record: &MemberRecord,
    ) -> Result<Answer, HeError> {
        let key = &self.keys[usize::from(member)];
        let delivery = self.delivery(closed, member);
        let certificate = certificate.to_bytes(&self.round);
        let answer = derive_answer(&self.consortium, &self.round, key, &delivery, &certificate, record)?;
        let bytes = answer.to_bytes(&self.round);
        assert_eq!(bytes.len(), Answer::bytes(self.consortium.rules()));
        Answer::from_bytes(&self.consortium, &self.round, &closed.set, &bytes)
    }

    /// Confirms with `confirming` and opens with `opening`, which must be among them.
    pub fn open(&self, closed: &Closed, confirming: &[u16], opening: &[u16]) -> Result<Opened, HeError> {
        let (certificate, records) = self.certify(closed, confirming)?;
        let record = |member: &u16| &records[confirming.iter().position(|other| other == member).unwrap()];
        let answers: Vec<Answer> =
            opening.iter().map(|member| self.answer(closed, *member, &certificate, record(member))).collect::<Result<_, _>>()?;
        open_sum(&self.consortium, &closed.set, &closed.tally, &answers)
    }
}
