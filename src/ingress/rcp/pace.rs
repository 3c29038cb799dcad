//! How often one address may send forms that anybody may send: `REGISTER_PER_MINUTE`.
//!
//! `governor` counts by its own clock, which is never set back: a changed time of day shuts nobody
//! out.
use std::{
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::StatusCode;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::ingress::{problem::Refusal, throttle::Key};

/// Addresses that are remembered. Over it those are forgotten who may send as many again as
/// anybody; where that is not the half of them, all are.
const REMEMBERED_MAX: usize = 100_000;

type Limiter<C> =
    RateLimiter<Key, DashMapStateStore<Key>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// The pace of all addresses.
pub struct Pace<C: Clock = MonotonicClock> {
    quota: Option<Quota>,
    clock: C,
    limiter: RwLock<Arc<Limiter<C>>>,
    remembered_max: usize,
}

impl Pace {
    /// So many a minute, or any number where `RATE_LIMIT` is off.
    pub fn new(per_minute: NonZeroU32, on: bool) -> Self {
        Self::by(MonotonicClock, per_minute, on, REMEMBERED_MAX)
    }
}

impl<C: Clock + Clone> Pace<C> {
    fn by(clock: C, per_minute: NonZeroU32, on: bool, remembered_max: usize) -> Self {
        let quota = Quota::per_minute(per_minute);
        let limiter = RwLock::new(Arc::new(RateLimiter::dashmap_with_clock(quota, clock.clone())));
        Self { quota: on.then_some(quota), clock, limiter, remembered_max }
    }

    /// 429 with `Retry-After` when the address has sent too many.
    pub fn admit(&self, key: Key) -> Result<(), Refusal> {
        let Some(quota) = self.quota else { return Ok(()) };
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner).clone();
        let checked = limiter.check_key(&key);
        if limiter.len() > self.remembered_max {
            self.forget(&limiter, quota);
        }
        checked.map_err(|not_yet| {
            let wait = not_yet.wait_time_from(self.clock.now());
            Refusal {
                retry_after: Some(whole_seconds(wait)),
                ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many forms")
            }
        })
    }

    fn forget(&self, limiter: &Limiter<C>, quota: Quota) {
        limiter.retain_recent();
        if limiter.len() > self.remembered_max / 2 {
            let fresh = Arc::new(RateLimiter::dashmap_with_clock(quota, self.clock.clone()));
            *self.limiter.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }
}

/// Rounded up, so that whoever waits for so long is let in.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn pace(clock: &FakeRelativeClock, on: bool, remembered_max: usize) -> Pace<FakeRelativeClock> {
        Pace::by(clock.clone(), NonZeroU32::new(3).unwrap(), on, remembered_max)
    }

    fn address(n: u32) -> Key {
        Key::address(n.to_be_bytes().into())
    }

    #[test]
    fn so_many_a_minute_are_let_in_then_one_after_the_wait() {
        let clock = FakeRelativeClock::default();
        clock.advance(Duration::from_secs(1000));
        let pace = pace(&clock, true, 10);
        for n in 0..3 {
            assert_eq!(pace.admit(address(1)), Ok(()), "{n}");
        }
        clock.advance(Duration::from_millis(100));
        let refused = pace.admit(address(1)).unwrap_err();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.retry_after, Some(20), "19.9 s, rounded up");
        assert_eq!(pace.admit(address(2)), Ok(()), "another address");
        clock.advance(Duration::from_secs(20));
        assert_eq!(pace.admit(address(1)), Ok(()));
        assert!(pace.admit(address(1)).is_err());
    }

    #[test]
    fn off_is_off() {
        let pace = pace(&FakeRelativeClock::default(), false, 10);
        assert!((0..100).all(|_| pace.admit(address(1)).is_ok()));
    }

    #[test]
    fn memory_has_an_end_and_the_recent_are_kept_where_they_fit() {
        let clock = FakeRelativeClock::default();
        clock.advance(Duration::from_secs(1000));
        let pace = pace(&clock, true, 10);
        let remembered = || pace.limiter.read().unwrap().len();
        for n in 0..8 {
            pace.admit(address(n)).unwrap();
        }
        clock.advance(Duration::from_secs(60));
        for _ in 0..3 {
            pace.admit(address(100)).unwrap();
        }
        for n in 101..103 {
            pace.admit(address(n)).unwrap();
        }
        assert_eq!(remembered(), 3, "those of a minute ago are forgotten");
        assert!(pace.admit(address(100)).is_err(), "the recent are not");
        for n in 200..300 {
            pace.admit(address(n)).unwrap();
            assert!(remembered() <= 10, "{}", remembered());
        }
    }
}
