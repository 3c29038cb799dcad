//! How long to wait between two tries to connect: the schedule, and how many have failed in a row.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::Counts;

/// The longest wait before the second try; it doubles with every further one.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(200);
/// The longest wait before any try.
pub const BACKOFF_MOST: Duration = Duration::from_secs(30);
/// A connection lost younger than this counts as a failed try, so that one which is accepted and
/// thrown out at once is not repeated in a tight loop.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The longest wait before try number `failures` + 1: none before the first, then 0.2 s doubling to
/// 30 s. The wait itself is uniform between nothing and that ("full jitter"), taken from the random
/// number, so that many programs do not come back in step.
pub fn backoff(failures: u32, random: u64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let most = BACKOFF_FIRST
        .saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX))
        .min(BACKOFF_MOST);
    // random / 2^64 of `most`, in whole nanoseconds.
    let nanos = (most.as_nanos() * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How many tries have failed in a row, shared between the one who tries and the one who notices
/// that a connection did not last.
#[derive(Debug, Clone, Default)]
pub(super) struct Streak {
    failures: Arc<AtomicU32>,
    counts: Counts,
}

impl Streak {
    /// None yet, whose ends are counted there.
    pub(super) fn counted(counts: Counts) -> Self {
        Self { failures: Arc::default(), counts }
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended after `age`, `lost` or by will.
    pub(super) fn ended(&self, lost: bool, age: Duration) {
        if lost {
            self.counts.connection("lost");
        }
        if lost && age < SETTLED_AFTER {
            self.failed();
        } else {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Waits as long as the failures so far say; false if shut down meanwhile.
    pub(super) async fn wait(&self, shutdown: &CancellationToken) -> bool {
        // Without randomness there is no jitter, which is no reason to stop.
        let random = getrandom::u64().unwrap_or(u64::MAX);
        let delay = backoff(self.failures.load(Ordering::Relaxed), random);
        tokio::select! {
            biased;
            () = shutdown.cancelled() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_is_full_jitter_from_nothing_to_thirty_seconds() {
        let most = u64::MAX;
        let cases = [
            ("first try at once", 0, most, 0..=0),
            ("lowest draw", 1, 0, 0..=0),
            ("highest draw", 1, most, 199..=200),
            ("half", 1, most / 2, 99..=100),
            ("doubled", 2, most, 399..=400),
            ("still under the cap", 8, most, 25_599..=25_600),
            ("capped", 9, most, 29_999..=30_000),
            ("no overflow", u32::MAX, most, 29_999..=30_000),
        ];
        for (name, failures, random, millis) in cases {
            let wait = backoff(failures, random).as_millis();
            assert!(millis.contains(&wait), "{name}: {wait} ms");
        }
    }

    #[test]
    fn only_a_connection_that_lasted_forgives() {
        let streak = Streak::default();
        let count = || streak.failures.load(Ordering::Relaxed);
        streak.failed();
        streak.ended(true, Duration::from_secs(1));
        assert_eq!(count(), 2, "thrown out at once");
        streak.ended(true, Duration::from_secs(11));
        assert_eq!(count(), 0, "lost after a while");
        streak.failed();
        streak.ended(false, Duration::ZERO);
        assert_eq!(count(), 0, "closed by will");
    }
}
