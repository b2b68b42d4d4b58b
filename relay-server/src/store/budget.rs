//! The key that hashes addresses, and the budgets.

use sqlx::Row;

use super::Store;
use crate::client::ClientId;
use crate::error::RelayError;

/// A client's account with one model after a query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// The query was counted.
    Charged {
        /// Queries counted in this window, this one included.
        used: u32,
    },
    /// The window is full, and nothing was counted.
    Full {
        /// When the window began, in seconds since 1970.
        window_start: i64,
    },
}

impl Store {
    /// The key that hashes addresses, made at the first start.
    pub(crate) async fn client_key(&self) -> Result<[u8; 32], RelayError> {
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).map_err(RelayError::Randomness)?;
        sqlx::query("INSERT INTO secret (id, client_key) VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(&fresh[..])
            .execute(&self.pool)
            .await?;
        let row = sqlx::query("SELECT client_key FROM secret WHERE id = 1").fetch_one(&self.pool).await?;
        let key: Vec<u8> = row.try_get(0)?;
        key.try_into().map_err(|_| sqlx::Error::RowNotFound.into())
    }

    /// Counts one query in a single statement, so that no two requests can share the last one.
    pub(crate) async fn charge(
        &self,
        client: ClientId,
        model: &str,
        limit: u32,
        window_s: i64,
        now: i64,
    ) -> Result<Account, sqlx::Error> {
        const CHARGE: &str = "
            INSERT INTO budget (client, model, window_start, used) VALUES ($1, $2, $3, 1)
            ON CONFLICT (client, model) DO UPDATE SET
                used = CASE WHEN budget.window_start + $4 <= $3 THEN 1 ELSE budget.used + 1 END,
                window_start = CASE WHEN budget.window_start + $4 <= $3 THEN $3 ELSE budget.window_start END
            WHERE budget.used < $5 OR budget.window_start + $4 <= $3
            RETURNING used";
        let charged = sqlx::query(CHARGE)
            .bind(&client.0[..])
            .bind(model)
            .bind(now)
            .bind(window_s)
            .bind(i64::from(limit))
            .fetch_optional(&self.counts)
            .await?;
        if let Some(row) = charged {
            let used: i64 = row.try_get(0)?;
            return Ok(Account::Charged { used: u32::try_from(used).unwrap_or(u32::MAX) });
        }
        let row = sqlx::query("SELECT window_start FROM budget WHERE client = $1 AND model = $2")
            .bind(&client.0[..])
            .bind(model)
            .fetch_one(&self.counts)
            .await?;
        Ok(Account::Full { window_start: row.try_get(0)? })
    }

    /// Forgets the accounts whose window is over, so that no pseudonym stays longer than it is needed.
    pub(crate) async fn prune(&self, window_s: i64, now: i64) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM budget WHERE window_start + $1 <= $2").bind(window_s).bind(now).execute(&self.counts).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientId = ClientId([3; 16]);

    async fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), None).await.unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn a_window_fills_and_then_begins_anew() {
        let (_dir, store) = store().await;
        for used in 1..=3 {
            assert_eq!(store.charge(CLIENT, "m", 3, 100, 1000).await.unwrap(), Account::Charged { used });
        }
        assert_eq!(store.charge(CLIENT, "m", 3, 100, 1099).await.unwrap(), Account::Full { window_start: 1000 });
        assert_eq!(store.charge(CLIENT, "other", 3, 100, 1099).await.unwrap(), Account::Charged { used: 1 });
        assert_eq!(store.charge(ClientId([4; 16]), "m", 3, 100, 1099).await.unwrap(), Account::Charged { used: 1 });
        assert_eq!(store.charge(CLIENT, "m", 3, 100, 1100).await.unwrap(), Account::Charged { used: 1 });
    }

    #[tokio::test]
    async fn the_key_and_the_accounts_outlive_a_restart() {
        let (dir, store) = store().await;
        let key = store.client_key().await.unwrap();
        store.charge(CLIENT, "m", 3, 100, 1000).await.unwrap();
        store.close().await;
        let store = Store::open(&dir.path().join("data"), None).await.unwrap();
        assert_eq!(store.client_key().await.unwrap(), key);
        assert_ne!(key, [0; 32]);
        assert_eq!(store.charge(CLIENT, "m", 3, 100, 1001).await.unwrap(), Account::Charged { used: 2 });
    }

    #[tokio::test]
    async fn accounts_are_forgotten_when_their_window_is_over() {
        let (_dir, store) = store().await;
        store.charge(CLIENT, "m", 3, 100, 1000).await.unwrap();
        store.prune(100, 1099).await.unwrap();
        assert_eq!(store.charge(CLIENT, "m", 3, 100, 1099).await.unwrap(), Account::Charged { used: 2 });
        store.prune(100, 1100).await.unwrap();
        let rows = sqlx::query("SELECT 1 FROM budget").fetch_all(&store.pool).await.unwrap();
        assert!(rows.is_empty());
    }

    #[tokio::test]
    async fn two_requests_cannot_share_the_last_query() {
        let (_dir, store) = store().await;
        let charges = (0..20).map(|_| store.charge(CLIENT, "m", 7, 100, 1000));
        let mut charged = 0;
        for account in futures(charges).await {
            charged += u32::from(matches!(account, Account::Charged { .. }));
        }
        assert_eq!(charged, 7);
    }

    /// Runs all at once, as far as one connection allows.
    async fn futures<F: Future<Output = Result<Account, sqlx::Error>>>(charges: impl Iterator<Item = F>) -> Vec<Account> {
        let mut waiting: Vec<_> = charges.map(Box::pin).collect();
        let mut done = Vec::new();
        std::future::poll_fn(|context| {
            waiting.retain_mut(|charge| match charge.as_mut().poll(context) {
                std::task::Poll::Ready(account) => {
                    done.push(account.unwrap());
                    false
                }
                std::task::Poll::Pending => true,
            });
            if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        done
    }
}
