//! Sessions in memory: a prepared public key under a random name, for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client::ClientId;
use crate::config;
use crate::error::RelayError;

/// The random name of a session; who knows it may use it, which gives nothing without the secret key.
pub(crate) type SessionId = [u8; 16];

/// Bounded in time and in number, in all and per client; the least recently used session gives way.
pub(crate) struct Sessions<K> {
    ttl: Duration,
    max: usize,
    max_per_client: usize,
    inner: Mutex<Inner<K>>,
}

struct Inner<K> {
    entries: HashMap<SessionId, Entry<K>>,
    /// Oldest use first; the values are exactly the keys of `entries`.
    by_use: BTreeMap<u64, SessionId>,
    clock: u64,
}

struct Entry<K> {
    key: Arc<K>,
    owner: ClientId,
    expires: Instant,
    used: u64,
}

impl<K> Sessions<K> {
    pub(crate) fn new(config: &config::Sessions) -> Self {
        let inner = Inner { entries: HashMap::new(), by_use: BTreeMap::new(), clock: 0 };
        Self {
            ttl: Duration::from_secs(config.ttl_s),
            max: config.max,
            max_per_client: config.max_per_client,
            inner: Mutex::new(inner),
        }
    }

    /// Keeps a key under a new random name.
    ///
    /// # Errors
    /// [`RelayError::Randomness`] when the system gives none.
    pub(crate) fn make(&self, owner: ClientId, key: K, now: Instant) -> Result<SessionId, RelayError> {
        let mut id = SessionId::default();
        getrandom::fill(&mut id).map_err(RelayError::Randomness)?;
        let mut inner = self.lock();
        inner.drop_expired(now);
        inner.drop_oldest_beyond(self.max_per_client, Some(owner));
        inner.drop_oldest_beyond(self.max, None);
        inner.insert(id, Entry { key: Arc::new(key), owner, expires: now + self.ttl, used: 0 });
        Ok(id)
    }

    /// The key of a live session, which counts as used.
    pub(crate) fn get(&self, id: &SessionId, now: Instant) -> Option<Arc<K>> {
        let mut inner = self.lock();
        let entry = inner.remove(id)?;
        if entry.expires <= now {
            return None;
        }
        let key = Arc::clone(&entry.key);
        inner.insert(*id, entry);
        Some(key)
    }

    /// Forgets what has expired and says how many sessions remain.
    pub(crate) fn sweep(&self, now: Instant) -> usize {
        let mut inner = self.lock();
        inner.drop_expired(now);
        inner.entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Inner<K> {
    fn insert(&mut self, id: SessionId, mut entry: Entry<K>) {
        self.clock += 1;
        entry.used = self.clock;
        self.by_use.insert(entry.used, id);
        self.entries.insert(id, entry);
    }

    fn remove(&mut self, id: &SessionId) -> Option<Entry<K>> {
        let entry = self.entries.remove(id)?;
        self.by_use.remove(&entry.used);
        Some(entry)
    }

    fn drop_expired(&mut self, now: Instant) {
        let expired = |(id, entry): (&SessionId, &Entry<K>)| (entry.expires <= now).then_some(*id);
        let ids: Vec<SessionId> = self.entries.iter().filter_map(expired).collect();
        for id in ids {
            self.remove(&id);
        }
    }

    /// Makes room for one more of `owner`'s sessions, or of anybody's.
    fn drop_oldest_beyond(&mut self, max: usize, owner: Option<ClientId>) {
        let owned = |id: &&SessionId| owner.is_none_or(|owner| self.entries.get(*id).is_some_and(|entry| entry.owner == owner));
        let ids: Vec<SessionId> = self.by_use.values().filter(owned).copied().collect();
        let excess = (ids.len() + 1).saturating_sub(max);
        for id in &ids[..excess] {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ClientId = ClientId([1; 16]);
    const TWO: ClientId = ClientId([2; 16]);

    fn sessions(max: usize, max_per_client: usize) -> Sessions<u32> {
        Sessions::new(&config::Sessions { ttl_s: 60, max, max_per_client })
    }

    #[test]
    fn a_session_lives_for_its_time_and_no_longer() {
        let (sessions, start) = (sessions(4, 4), Instant::now());
        let id = sessions.make(ONE, 7, start).unwrap();
        assert_eq!(sessions.get(&id, start + Duration::from_secs(59)).as_deref(), Some(&7));
        assert!(sessions.get(&id, start + Duration::from_secs(60)).is_none());
        assert_eq!(sessions.sweep(start), 0);
    }

    #[test]
    fn the_least_recently_used_session_gives_way() {
        let (sessions, now) = (sessions(2, 2), Instant::now());
        let first = sessions.make(ONE, 1, now).unwrap();
        let second = sessions.make(TWO, 2, now).unwrap();
        assert!(sessions.get(&first, now).is_some());
        let third = sessions.make(TWO, 3, now).unwrap();
        assert!(sessions.get(&second, now).is_none());
        assert!(sessions.get(&first, now).is_some() && sessions.get(&third, now).is_some());
    }

    #[test]
    fn a_greedy_client_pushes_out_only_its_own_sessions() {
        let (sessions, now) = (sessions(10, 2), Instant::now());
        let modest = sessions.make(TWO, 0, now).unwrap();
        for number in 0..20 {
            sessions.make(ONE, number, now).unwrap();
        }
        assert!(sessions.get(&modest, now).is_some());
        assert_eq!(sessions.sweep(now), 3);
    }

    #[test]
    fn expired_sessions_are_swept() {
        let (sessions, start) = (sessions(10, 10), Instant::now());
        sessions.make(ONE, 1, start).unwrap();
        sessions.make(ONE, 2, start + Duration::from_secs(30)).unwrap();
        assert_eq!(sessions.sweep(start + Duration::from_secs(61)), 1);
    }
}
