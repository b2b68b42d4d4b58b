//! The state machine of a round, and nothing else: which messages a state takes, and when it ends in which.
//!
//! ```text
//! contributing ──► confirming ──► opening ──► opened
//!      │               │  └──► failed ◄──┘ │
//!      └──► expired ◄──┴───────────────────┘
//! ```

use federation::api::RoundState;
use he::aggregation::Rules;

use crate::store::Kind;

/// The state that takes a message of this kind from a site.
pub(crate) const fn taken_in(kind: Kind) -> Option<RoundState> {
    match kind {
        Kind::Contribution => Some(RoundState::Contributing),
        Kind::Confirmation => Some(RoundState::Confirming),
        Kind::Answer => Some(RoundState::Opening),
        Kind::Set | Kind::Delivery | Kind::Certificate | Kind::Sum => None,
    }
}

/// The kind of message that a state waits for; nothing in a final state.
pub(crate) const fn awaited(state: RoundState) -> Option<Kind> {
    match state {
        RoundState::Contributing => Some(Kind::Contribution),
        RoundState::Confirming => Some(Kind::Confirmation),
        RoundState::Opening => Some(Kind::Answer),
        RoundState::Opened | RoundState::Expired | RoundState::Failed => None,
    }
}

/// How far a state is on the way; the three final states are equally far.
pub(crate) const fn place(state: RoundState) -> u8 {
    match state {
        RoundState::Contributing => 0,
        RoundState::Confirming => 1,
        RoundState::Opening => 2,
        RoundState::Opened | RoundState::Expired | RoundState::Failed => 3,
    }
}

/// How many messages of the awaited kind a state needs before it may go on.
pub(crate) fn needed(state: RoundState, rules: &Rules) -> u16 {
    match state {
        RoundState::Contributing => rules.cohort(),
        RoundState::Confirming => rules.quorum(),
        RoundState::Opening => rules.threshold(),
        RoundState::Opened | RoundState::Expired | RoundState::Failed => 0,
    }
}

/// What a round has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Wait for messages or for the deadline.
    Nothing,
    /// Go on with what is there.
    GoOn,
    /// End: the deadline has passed and too little is there.
    Expire,
}

/// What is due in `state`, with `arrived` messages of the awaited kind. `over`: the deadline has passed, or the administrator waits no longer.
pub(crate) fn due(state: RoundState, arrived: usize, rules: &Rules, over: bool) -> Due {
    if state.is_final() {
        return Due::Nothing;
    }
    let everybody = arrived >= usize::from(rules.sites());
    match (everybody || over, arrived >= usize::from(needed(state, rules))) {
        (true, true) => Due::GoOn,
        (true, false) => Due::Expire,
        (false, _) => Due::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RoundState::*;

    const ALL: [RoundState; 6] = [Contributing, Confirming, Opening, Opened, Expired, Failed];

    #[test]
    fn each_message_is_taken_in_one_state_and_that_state_waits_for_it() {
        for kind in [Kind::Contribution, Kind::Confirmation, Kind::Answer] {
            assert_eq!(awaited(taken_in(kind).unwrap()), Some(kind));
        }
        for kind in [Kind::Set, Kind::Delivery, Kind::Certificate, Kind::Sum] {
            assert_eq!(taken_in(kind), None);
        }
    }

    #[test]
    fn a_final_state_takes_nothing_and_never_ends() {
        let rules = Rules::recommended(5).unwrap();
        for state in ALL.into_iter().filter(|state| state.is_final()) {
            assert_eq!(awaited(state), None);
            for arrived in 0..=5 {
                assert_eq!(due(state, arrived, &rules, true), Due::Nothing);
            }
        }
    }

    #[test]
    fn before_the_deadline_only_everybody_moves_a_round_and_after_it_enough_do() {
        for sites in [3, 5, 10, 50, 63] {
            let rules = Rules::recommended(sites).unwrap();
            for state in [Contributing, Confirming, Opening] {
                for arrived in 0..=usize::from(sites) {
                    let (enough, all) = (arrived >= usize::from(needed(state, &rules)), arrived == usize::from(sites));
                    let waiting = if all { Due::GoOn } else { Due::Nothing };
                    assert_eq!(due(state, arrived, &rules, false), waiting);
                    assert_eq!(due(state, arrived, &rules, true), if enough { Due::GoOn } else { Due::Expire });
                }
            }
        }
    }
}
