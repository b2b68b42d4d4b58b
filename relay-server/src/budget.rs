//! How many answers a client may have: exact logits give a linear head away in `d + 1` of them.

use crate::client::ClientId;
use crate::config;
use crate::problem::Problem;
use crate::store::{Account, Store, unix_now};

/// The rule; the counts lie in the [`Store`] so that a restart does not refill them.
pub(crate) struct Budget {
    rule: config::Budget,
}

impl Budget {
    pub(crate) fn new(rule: config::Budget) -> Self {
        Self { rule }
    }

    /// Counts one answer of `model` to `client`; gives how many are left, nothing where none are counted.
    ///
    /// # Errors
    /// 429 when none is left, 503 when it cannot be told: without the count there is no answer.
    pub(crate) async fn charge(&self, store: &Store, client: ClientId, model: &str) -> Result<Option<u32>, Problem> {
        if !self.rule.enabled {
            return Ok(None);
        }
        let (queries, window_s, now) = (self.rule.queries, self.window_s(), unix_now());
        match store.charge(client, model, queries, window_s, now).await {
            Ok(Account::Charged { used }) => Ok(Some(queries.saturating_sub(used))),
            Ok(Account::Full { window_start }) => {
                let renews_in = window_start.saturating_add(window_s).saturating_sub(now).max(1);
                Err(Problem::budget_spent(queries, renews_in.unsigned_abs()))
            }
            Err(error) => {
                tracing::error!(%error, "the budget cannot be counted");
                Err(Problem::unavailable("The relay cannot count queries at the moment and so gives no answers."))
            }
        }
    }

    /// Forgets accounts whose window is over.
    pub(crate) async fn prune(&self, store: &Store) {
        if let Err(error) = store.prune(self.window_s(), unix_now()).await {
            tracing::warn!(%error, "old budgets cannot be removed");
        }
    }

    fn window_s(&self) -> i64 {
        i64::try_from(self.rule.window_s).unwrap_or(i64::MAX)
    }
}
