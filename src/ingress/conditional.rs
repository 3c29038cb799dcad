//! Conditional requests (RFC 9110, section 13): whether what a client has is still what there is.
//!
//! Pure: headers in, a decision out. For `GET` and `HEAD` only.
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, header};

use crate::domain::Micros;

/// The validators of a representation.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// Its strong entity tag, with its quotes.
    pub etag: &'a str,
    /// When it came into force.
    pub changed: Micros,
}

impl Validators<'_> {
    /// Whether the client has it already: 304. `If-Modified-Since` counts only where there is no
    /// `If-None-Match`, and only if it is a date.
    pub fn match_request(&self, headers: &HeaderMap) -> bool {
        let mut tags = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
        if tags.peek().is_some() {
            return tags.filter_map(|tags| tags.to_str().ok()).any(|tags| names(tags, self.etag));
        }
        let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
        let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
        since.is_some_and(|since| since >= second(self.changed))
    }

    /// `Last-Modified`: never later than `now`, as RFC 9110 (8.8.2.1) wants it.
    pub fn last_modified(&self, now: Micros) -> String {
        httpdate::fmt_http_date(second(self.changed.min(now)))
    }
}

/// The second that an instant lies in.
fn second(instant: Micros) -> SystemTime {
    let seconds = u64::try_from(instant.0.div_euclid(1_000_000)).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Whether a list of entity tags is `*` or has this one; weak ones compare like strong ones.
fn names(tags: &str, etag: &str) -> bool {
    if tags.trim() == "*" {
        return true;
    }
    let mut rest = tags;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        // What stands between quotes may have commas in it.
        let Some(end) = rest.strip_prefix('"').and_then(|opaque| opaque.find('"')) else {
            return false;
        };
        let (tag, after) = rest.split_at(end + 2);
        if tag == etag {
            return true;
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const OURS: Validators = Validators { etag: "\"abc\"", changed: Micros(1_500_000) };
    const BEFORE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
    const THEN: &str = "Thu, 01 Jan 1970 00:00:01 GMT";
    const AFTER: &str = "Fri, 02 Jan 1970 00:00:00 GMT";

    fn holds(headers: &[(HeaderName, &str)]) -> bool {
        let value = |value: &str| HeaderValue::from_str(value).unwrap();
        let headers = headers.iter().map(|(name, text)| (name.clone(), value(text)));
        OURS.match_request(&headers.fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        }))
    }

    #[test]
    fn if_none_match_is_a_list_of_tags_or_a_star() {
        for (tags, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("*", true),
            (" * ", true),
            ("\"x\", \"abc\"", true),
            ("\"x\",W/\"y\" ,W/\"abc\"", true),
            (",, \"abc\"", true),
            ("\"a,b\", \"abc\"", true),
            ("\"x\"", false),
            ("\"abc", false),
            ("abc", false),
            ("\"ABC\"", false),
            ("\"x,\\\"abc\\\"\"", false),
            ("\"*\"", false),
            ("", false),
        ] {
            assert_eq!(holds(&[(header::IF_NONE_MATCH, tags)]), expected, "{tags}");
        }
        let twice = [(header::IF_NONE_MATCH, "\"x\""), (header::IF_NONE_MATCH, "\"abc\"")];
        assert!(holds(&twice), "two headers are one list");
    }

    #[test]
    fn if_modified_since_counts_only_without_if_none_match() {
        for (date, expected) in [
            (BEFORE, false),
            (THEN, true),
            (AFTER, true),
            ("Thursday, 01-Jan-70 00:00:01 GMT", true),
            ("1970-01-01T00:00:01Z", false),
            ("", false),
        ] {
            assert_eq!(holds(&[(header::IF_MODIFIED_SINCE, date)]), expected, "{date}");
        }
        let both = |tag| holds(&[(header::IF_NONE_MATCH, tag), (header::IF_MODIFIED_SINCE, AFTER)]);
        assert!(!both("\"x\"") && both("\"abc\""));
        assert!(!holds(&[]));
    }

    #[test]
    fn last_modified_is_a_date_that_is_not_to_come() {
        assert_eq!(OURS.last_modified(Micros(9_000_000)), THEN);
        assert_eq!(OURS.last_modified(Micros(999_999)), BEFORE);
    }
}
