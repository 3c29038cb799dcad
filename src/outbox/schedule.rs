//! When what failed is tried again (contract 6, "Retries"): pure arithmetic, and the only
//! module that uses the `backoff` crate.
//!
//! Owns the schedule. Refuses to know the clock, the jitter's source and the row it is kept in.
use std::time::Duration;

use backoff::{ExponentialBackoff, backoff::Backoff as _};

use crate::domain::Micros;

/// Each pause is so many times as long as the one before.
const MULTIPLIER: f64 = 4.0;
/// The most that jitter adds, as a part of the pause. Contract 6 allows a half; the rest is for
/// the way from being due to being sent.
const JITTER_MOST: f64 = 0.4;
/// After so many pauses every schedule in reach has arrived at its longest one: 4^40 ms are ages.
const GROWING_MOST: u32 = 40;

/// The settings of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The pause before the first retry, about.
    pub initial: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long after the first attempt the last one may be.
    pub retry_for: Duration,
}

/// How an attempt failed, as far as the schedule cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Any failure that time may mend: a status, a time-out, a broken connection.
    Passing,
    /// Told not to come again before so long, from now on.
    Asked(Duration),
    /// Nobody will ever take it.
    Gone,
}

/// What comes after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, not before this instant.
    At(Micros),
    /// No more attempts.
    Dead,
}

/// What comes after attempt number `attempt` (from 1) failed at `now`.
///
/// The n-th retry comes 1 to 1.4 times min(`pause_max`, `initial` × 4^(n-1)) after the failure,
/// later where a `Retry-After` asks for it (of which no more than `pause_max` is believed). One
/// that would come later than `retry_for` after `first_attempt` does not come. `jitter` is 0 to 1.
pub fn next_attempt(
    policy: &Policy,
    attempt: i64,
    first_attempt: Micros,
    failure: Failure,
    now: Micros,
    jitter: f64,
) -> Next {
    let asked = match failure {
        Failure::Gone => return Next::Dead,
        Failure::Passing => Duration::ZERO,
        Failure::Asked(asked) => asked.min(policy.pause_max),
    };
    let pause = pause(policy, attempt);
    let scheduled = pause + pause.mul_f64(JITTER_MOST * jitter.clamp(0.0, 1.0));
    let at = later(now, scheduled.max(asked));
    if at > later(first_attempt, policy.retry_for) { Next::Dead } else { Next::At(at) }
}

/// The pause before retry number `n`, without jitter.
fn pause(policy: &Policy, n: i64) -> Duration {
    let mut schedule = ExponentialBackoff {
        current_interval: policy.initial,
        initial_interval: policy.initial,
        randomization_factor: 0.0,
        multiplier: MULTIPLIER,
        max_interval: policy.pause_max,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    let steps = u32::try_from(n).unwrap_or(1).clamp(1, GROWING_MOST);
    let reached = (0..steps).filter_map(|_| schedule.next_backoff()).last();
    // The crate throws dice for no jitter too, which can add a nanosecond; and it lets a first pause be
    // longer than the longest.
    let reached = reached.map(|pause| Duration::from_micros(pause.as_micros() as u64));
    reached.unwrap_or(policy.pause_max).min(policy.pause_max)
}

/// `after`, rounded up to whole microseconds, later than `from`.
fn later(from: Micros, after: Duration) -> Micros {
    let micros = after.as_nanos().div_ceil(1000);
    Micros(from.0.saturating_add(i64::try_from(micros).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const HOUR: i64 = 3600 * SECOND;
    const POLICY: Policy = Policy {
        initial: Duration::from_secs(5),
        pause_max: Duration::from_secs(6 * 3600),
        retry_for: Duration::from_secs(3 * 86400),
    };

    #[test]
    fn without_jitter_there_is_no_chance() {
        // A die of one in some hundred would be seen.
        let found = (0..5000).map(|_| pause(&POLICY, 7)).max();
        assert_eq!(found, Some(Duration::from_secs(20_480)));
    }

    #[test]
    fn the_schedule_of_contract_6() {
        struct Case {
            name: &'static str,
            attempt: i64,
            failure: Failure,
            /// Since the first attempt.
            now: i64,
            jitter: f64,
            expected: Option<i64>,
        }
        let passing = Failure::Passing;
        let asked = |s| Failure::Asked(Duration::from_secs(s));
        let case = |name, attempt, failure, now, jitter, expected| Case {
            name,
            attempt,
            failure,
            now,
            jitter,
            expected,
        };
        let cases = [
            case("first retry", 1, passing, 0, 0.0, Some(5 * SECOND)),
            case("most jitter", 1, passing, 0, 1.0, Some(7 * SECOND)),
            case("jitter out of range", 1, passing, 0, 9.0, Some(7 * SECOND)),
            case("second retry", 2, passing, 10 * SECOND, 0.0, Some(30 * SECOND)),
            case("third retry", 3, passing, 0, 0.0, Some(80 * SECOND)),
            case("seventh: 5 × 4^6 s", 7, passing, 0, 0.0, Some(20480 * SECOND)),
            case("capped", 8, passing, 0, 0.0, Some(6 * HOUR)),
            case("still capped", 1_000_000, passing, 0, 0.0, Some(6 * HOUR)),
            case("no number", 0, passing, 0, 0.0, Some(5 * SECOND)),
            case("asked for later", 1, asked(60), 0, 1.0, Some(60 * SECOND)),
            case("asked for sooner", 3, asked(60), 0, 0.0, Some(80 * SECOND)),
            case("asked for nothing", 1, asked(0), 0, 0.0, Some(5 * SECOND)),
            case("asked for ages", 1, asked(u64::MAX), 0, 0.0, Some(6 * HOUR)),
            case("gone", 1, Failure::Gone, 0, 0.0, None),
            case("just within 3 days", 20, passing, 66 * HOUR, 0.0, Some(72 * HOUR)),
            case("just out of 3 days", 20, passing, 66 * HOUR + 1, 0.0, None),
            case("asked for beyond 3 days", 20, asked(7 * 3600), 66 * HOUR + 1, 0.0, None),
        ];
        for Case { name, attempt, failure, now, jitter, expected } in cases {
            let first = Micros(1_700_000_000 * SECOND);
            let now = Micros(first.0 + now);
            let next = next_attempt(&POLICY, attempt, first, failure, now, jitter);
            let expected = expected.map_or(Next::Dead, |at| Next::At(Micros(first.0 + at)));
            match (failure, next, expected) {
                // The contract bounds it in both cases.
                (_, Next::At(at), Next::At(wanted)) => {
                    let off = at.0 - wanted.0;
                    assert!((0..=1).contains(&off), "{name}: {off} us off");
                }
                _ => assert_eq!(next, expected, "{name}"),
            }
        }
    }

    #[test]
    fn a_first_pause_over_the_longest_is_the_longest() {
        let policy = Policy { pause_max: Duration::from_secs(2), ..POLICY };
        let next = next_attempt(&policy, 1, Micros(0), Failure::Passing, Micros(0), 0.0);
        assert_eq!(next, Next::At(Micros(2 * SECOND)));
    }

    proptest! {
        #[test]
        fn never_early_and_never_later_than_half_as_long_again(
            initial_ms in 1_u64..100_000,
            max_ms in 1_u64..100_000_000,
            attempt in 1_i64..60,
            jitter in 0.0..=1.0_f64,
        ) {
            let policy = Policy {
                initial: Duration::from_millis(initial_ms),
                pause_max: Duration::from_millis(max_ms),
                retry_for: Duration::from_secs(1 << 40),
            };
            let grown = u128::from(initial_ms)
                .saturating_mul(4_u128.saturating_pow(attempt as u32 - 1))
                .min(u128::from(max_ms)) as i64 * 1000;
            let next = next_attempt(&policy, attempt, Micros(0), Failure::Passing, Micros(7), jitter);
            let Next::At(Micros(at)) = next else { panic!("dead") };
            prop_assert!(at - 7 >= grown, "{} before {grown}", at - 7);
            prop_assert!((at - 7) * 2 <= grown * 3 + 2, "{} after {grown}", at - 7);
        }
    }
}
