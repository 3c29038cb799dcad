//! `Retry-After` (contract 6): seconds, a date, or something absurd.
//!
//! Input: the header, the time in microseconds, the attempt's number, and how many microseconds ago the
//! first attempt was.
use std::time::{Duration, UNIX_EPOCH};

use referral::{
    domain::{Micros, retry_after::parse},
    outbox::schedule::{Failure, Next, Policy, next_attempt},
};

/// Contract 6's own.
const POLICY: Policy = Policy {
    initial: Duration::from_secs(5),
    pause_max: Duration::from_secs(6 * 3600),
    retry_for: Duration::from_secs(3 * 86400),
};

/// See the module.
pub fn retry_after(data: &[u8]) {
    let Some(mut lines) = super::lines(data) else { return };
    let text = lines.next().unwrap_or_default();
    let mut number = || lines.next().and_then(|line| line.parse::<i64>().ok()).unwrap_or_default();
    let (now, attempt) = (Micros(number()), number());
    let first = Micros(now.0.saturating_sub(number().saturating_abs()));
    let asked = parse(text, now);
    assert_eq!(parse(&format!(" \t{text} "), now), asked, "blanks around {text:?}");
    assert_eq!(asked, expected(text.trim(), now), "{text:?} at {now:?}");
    for jitter in [0.0, 1.0] {
        obeyed(asked.unwrap_or_default(), attempt, first, now, jitter);
    }
}

/// The two forms, read once more.
fn expected(text: &str, now: Micros) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u128>()
        && !text.starts_with('+')
    {
        return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(u64::MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let date = date.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let wait = date.saturating_sub(u128::from(now.0.max(0).unsigned_abs()));
    Some(Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX)))
}

/// Obeyed where it is later than the schedule, up to the maximum; never beyond the end of all attempts.
fn obeyed(asked: Duration, attempt: i64, first: Micros, now: Micros, jitter: f64) {
    let next = |first, failure| next_attempt(&POLICY, attempt, first, failure, now, jitter);
    let later = |from: Micros, by: Duration| from.plus_ms(by.as_millis() as i64);
    // Begun just now it does not end.
    let Next::At(scheduled) = next(now, Failure::Passing) else { panic!("ended at once") };
    let shortest = later(now, POLICY.initial.min(POLICY.pause_max));
    let longest = later(now, POLICY.pause_max.mul_f64(1.5));
    assert!((shortest..=longest).contains(&scheduled), "attempt {attempt}: {scheduled:?}");
    let at = scheduled.max(later(now, asked.min(POLICY.pause_max)));
    let Next::At(found) = next(now, Failure::Asked(asked)) else { panic!("ended by {asked:?}") };
    assert!(found >= at && found.0.saturating_sub(at.0) < 1000, "{asked:?}: {found:?} {at:?}");
    let ends = found > later(first, POLICY.retry_for);
    let end = if ends { Next::Dead } else { Next::At(found) };
    assert_eq!(next(first, Failure::Asked(asked)), end, "{asked:?}, first at {first:?}");
    assert_eq!(next(first, Failure::Gone), Next::Dead);
}
