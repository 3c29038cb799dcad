//! From what came back to what it means, pure.
//!
//! Owns the rules of contract 6 on success and failure: of the delivery, and of its destination.
use referral::{
    domain::{Micros, retry_after},
    outbox::{Attempt, Failure},
    webhook::Exchange,
};

/// Judges an exchange that ended at `now`.
pub fn judge(exchange: Exchange, now: Micros) -> Attempt {
    let failure = failure(&exchange, now);
    let Exchange { status, error, answer, .. } = exchange;
    Attempt { status, error, answer, failure }
}

/// Whether it says that its destination fails (contract 6, the circuit): no answer, or one by which the
/// destination says so itself (5xx), or that it has too much to do (429). Any other answer is one about
/// this delivery: there is somebody who takes or refuses it.
pub fn destination_fails(exchange: &Exchange) -> bool {
    matches!(exchange.status, None | Some(429 | 500..))
}

/// `None` for a success: any 2xx status, whatever became of the body after it.
fn failure(exchange: &Exchange, now: Micros) -> Option<Failure> {
    let asked = || exchange.retry_after.as_deref().and_then(|text| retry_after::parse(text, now));
    match exchange.status {
        Some(200..=299) => None,
        Some(410) => Some(Failure::Gone),
        Some(429 | 503) => Some(asked().map_or(Failure::Passing, Failure::Asked)),
        _ => Some(Failure::Passing),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use referral::outbox::{Policy, Verdict, outcome::conclude};

    use super::*;
    use crate::claim::{Delivery, tests::delivery};

    const POLICY: Policy = Policy {
        initial: Duration::from_secs(5),
        pause_max: Duration::from_secs(3600),
        retry_for: Duration::from_secs(86400),
    };

    #[test]
    fn what_an_exchange_means() {
        use Verdict::{Again, Dead, Delivered};
        let now = Micros(2_000_000);
        let again = |s: i64| Again(Micros(now.0 + s * 1_000_000));
        let broken = Some("timed out");
        let cases = [
            (Some(200), None, None, Delivered(now)),
            (Some(204), Some("60"), None, Delivered(now)),
            (Some(299), None, broken, Delivered(now)),
            (Some(199), None, None, again(5)),
            (Some(302), None, None, again(5)),
            (Some(400), Some("60"), None, again(5)),
            (Some(410), Some("60"), None, Dead(now)),
            (Some(429), Some("60"), None, again(60)),
            (Some(429), Some("1"), None, again(5)),
            (Some(429), Some("soon"), None, again(5)),
            (Some(503), Some("Thu, 01 Jan 1970 00:01:02 GMT"), None, again(60)),
            (Some(503), Some("999999999999"), None, again(3600)),
            (Some(500), Some("60"), None, again(5)),
            (None, None, broken, again(5)),
        ];
        for (status, retry_after, error, verdict) in cases {
            let exchange = Exchange {
                status,
                retry_after: retry_after.map(str::to_owned),
                error: error.map(str::to_owned),
                answer: None,
            };
            let took = Duration::from_secs(1);
            let began = Micros(1_000_000);
            let attempt = judge(exchange, now);
            let outcome = conclude(&POLICY, &delivery("d"), attempt, began, took, 0.0);
            assert_eq!(outcome.verdict, verdict, "{status:?} {retry_after:?}");
            assert_eq!(
                (outcome.number, outcome.time_us, outcome.duration_us),
                (1, 1_000_000, 1_000_000)
            );
        }
    }

    #[test]
    fn what_an_exchange_says_of_the_destination() {
        let answers = [200, 204, 301, 307, 400, 401, 404, 408, 410, 422, 428, 430, 499];
        let failures = [429, 500, 502, 503, 504, 599];
        for (statuses, fails) in [(&answers[..], false), (&failures, true)] {
            for status in statuses {
                let exchange = Exchange { status: Some(*status), ..Exchange::default() };
                assert_eq!(destination_fails(&exchange), fails, "{status}");
            }
        }
        let error = Some("no answer within 15000 ms".to_owned());
        assert!(destination_fails(&Exchange { error, ..Exchange::default() }));
    }

    #[test]
    fn the_window_counts_from_the_first_attempt() {
        let old = Micros(90_000_000_000);
        for (first_attempt_us, dead) in [(None, false), (Some(0), true)] {
            let delivery = Delivery { first_attempt_us, attempts: 3, ..delivery("d") };
            let took = Duration::ZERO;
            let attempt = judge(Exchange::default(), old);
            let outcome = conclude(&POLICY, &delivery, attempt, old, took, 0.0);
            assert_eq!(outcome.number, 4);
            assert_eq!(outcome.verdict == Verdict::Dead(old), dead, "{first_attempt_us:?}");
        }
    }
}
