//! What a `Retry-After` asks for (RFC 9110, 10.2.3): seconds or an HTTP date.
//!
//! Owns its two forms. Refuses to decide whether it is obeyed: who made the request does.
use std::time::{Duration, UNIX_EPOCH};

use super::Micros;

/// How long from `now` on it asks to wait: nothing for a date that has passed, `None` for what is
/// neither form. Seconds beyond `u64` are as many as it holds.
pub fn parse(text: &str, now: Micros) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.0).unwrap_or(0));
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_or_a_date() {
        let now = Micros::parse("1994-11-06T08:49:00.5Z").unwrap();
        let ms = Duration::from_millis;
        let cases = [
            ("0", Some(ms(0))),
            ("120", Some(ms(120_000))),
            (" 120 ", Some(ms(120_000))),
            ("99999999999999999999999", Some(Duration::from_secs(u64::MAX))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(ms(36_500))),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(ms(36_500))),
            ("Sun Nov  6 08:49:37 1994", Some(ms(36_500))),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(ms(0))),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(ms(0))),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("5s", None),
            ("soon", None),
            ("Sun, 06 Nov 1994", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, now), expected, "{text:?}");
        }
    }
}
