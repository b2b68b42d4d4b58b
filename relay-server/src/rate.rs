//! A token bucket per client, in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::client::ClientId;

/// Buckets kept at most (about 6 MB); when so many clients are active at once, the count starts anew.
const MAX_BUCKETS: usize = 65_536;

/// Bounds how often a client may ask.
pub(crate) struct RateLimiter {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<ClientId, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RateLimiter {
    /// `per_minute` requests on average, `burst` at once. With `per_minute` 0 everything is let through.
    pub(crate) fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_second: f64::from(per_minute) / 60.0, burst: f64::from(burst), buckets: Mutex::default() }
    }

    /// Takes one token, or says after which time there will be one.
    pub(crate) fn take(&self, client: ClientId, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0.0 {
            return Ok(());
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&client) {
            self.make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: self.burst, filled: now });
        bucket.tokens = self.level(bucket, now);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second))
    }

    fn level(&self, bucket: &Bucket, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(bucket.filled).as_secs_f64();
        (bucket.tokens + seconds * self.per_second).min(self.burst)
    }

    /// A full bucket is the same as none.
    fn make_room(&self, buckets: &mut HashMap<ClientId, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| self.level(bucket, now) < self.burst);
        if buckets.len() >= MAX_BUCKETS {
            buckets.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds_and_each_client_has_its_own_bucket() {
        let limiter = RateLimiter::new(60, 3);
        let (one, two, start) = (ClientId([1; 16]), ClientId([2; 16]), Instant::now());
        assert!((0..3).all(|_| limiter.take(one, start).is_ok()));
        let wait = limiter.take(one, start).unwrap_err();
        assert!(wait <= Duration::from_secs(1) && wait > Duration::from_millis(900));
        assert!(limiter.take(two, start).is_ok());
        assert!(limiter.take(one, start + wait).is_ok());
        assert!(limiter.take(one, start + wait).is_err());
    }

    #[test]
    fn memory_stays_bounded_whatever_the_number_of_clients() {
        let limiter = RateLimiter::new(60, 1);
        let now = Instant::now();
        for number in 0..(MAX_BUCKETS as u128 + 10) {
            let _ = limiter.take(ClientId(number.to_le_bytes()), now);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MAX_BUCKETS);
    }
}
