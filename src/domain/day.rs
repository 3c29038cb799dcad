//! Instants and the calendar days they fall on in a domain's time zone.
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;

use super::ids::Invalid;

/// An instant: microseconds since 1970-01-01T00:00:00Z, as the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Micros(pub i64);

impl Micros {
    /// Reads RFC 3339, any offset.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self(time.timestamp_micros()))
            .map_err(|_| Invalid("must be an RFC 3339 time"))
    }

    /// This instant, `ms` milliseconds later.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1000)))
    }

    /// RFC 3339 with microseconds in the zone's offset at that instant (contract 2).
    pub fn rfc3339(self, zone: Tz) -> String {
        self.utc().with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Micros, false)
    }

    /// The calendar day of this instant in `zone`.
    pub fn day(self, zone: Tz) -> Day {
        Day(self.utc().with_timezone(&zone).date_naive())
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Micros {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros())
    }
}

/// A calendar day, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(NaiveDate);

impl Day {
    /// Reads exactly `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .filter(|_| text.len() == 10)
            .map(Self)
            .ok_or(Invalid("must be a date as YYYY-MM-DD"))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_zones_own_also_when_it_has_23_or_25_hours() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let cases = [
            ("2026-03-28T22:59:59.999999Z", "2026-03-28"),
            ("2026-03-28T23:00:00Z", "2026-03-29"),
            ("2026-03-29T21:59:59Z", "2026-03-29"), // 23 hours later
            ("2026-03-29T22:00:00Z", "2026-03-30"),
            ("2026-10-24T22:00:00Z", "2026-10-25"),
            ("2026-10-25T22:59:59Z", "2026-10-25"), // 25 hours later
            ("2026-10-25T23:00:00Z", "2026-10-26"),
        ];
        for (time, day) in cases {
            assert_eq!(Micros::parse(time).unwrap().day(zone).to_string(), day, "{time}");
        }
    }

    #[test]
    fn times_show_microseconds_and_the_offset() {
        let time = Micros::parse("2024-07-29T11:52:25.426324Z").unwrap();
        assert_eq!(
            time.rfc3339("Europe/Moscow".parse().unwrap()),
            "2024-07-29T14:52:25.426324+03:00"
        );
        assert_eq!(time.rfc3339(Tz::UTC), "2024-07-29T11:52:25.426324+00:00");
    }

    #[test]
    fn days_are_ten_characters() {
        assert!(Day::parse("2024-07-29").is_ok());
        for bad in ["2024-7-29", "2024-02-30", "20240729", "+2024-07-29", ""] {
            assert!(Day::parse(bad).is_err(), "{bad}");
        }
    }
}
