//! How long a good pays for: so many days, calendar months or years, or for ever.
use std::fmt;

use crate::domain::{Micros, ids::Invalid};

/// Longest spans, about a hundred years each.
const DAYS_MAX: u32 = 36_500;
const MONTHS_MAX: u32 = 1200;
const YEARS_MAX: u32 = 100;

const SHAPE: Invalid =
    Invalid("must be \"forever\" or a number of days, months or years such as \"1 month\"");
const RANGE: Invalid = Invalid("must be from 1 day to 36500 days, 1200 months or 100 years");

/// How long a good pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So long.
    Time(Span),
    /// Without an end.
    Forever,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Of 24 hours.
    Days(u32),
    /// Of the calendar.
    Months(u32),
    /// Of the calendar.
    Years(u32),
}

impl Period {
    /// Reads `14 days`, `1 month`, `2 years` or `forever`; a number may have either form of the word.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let (count, unit) = text.split_once(' ').ok_or(SHAPE)?;
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(SHAPE);
        }
        let (span, max): (fn(u32) -> Span, u32) = match unit.strip_suffix('s').unwrap_or(unit) {
            "day" => (Span::Days, DAYS_MAX),
            "month" => (Span::Months, MONTHS_MAX),
            "year" => (Span::Years, YEARS_MAX),
            _ => return Err(SHAPE),
        };
        let count = count.parse().ok().filter(|count| (1..=max).contains(count)).ok_or(RANGE)?;
        Ok(Self::Time(span(count)))
    }
}

impl Span {
    /// The instant so much later; calendar months and years in UTC. `None` beyond the year 9999.
    pub fn after(self, from: Micros) -> Option<Micros> {
        match self {
            Self::Days(days) => from.plus_days(days),
            Self::Months(months) => from.plus_months(months),
            Self::Years(years) => from.plus_months(years.saturating_mul(12)),
        }
    }
}

/// As it is read.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self {
            Self::Forever => return f.write_str("forever"),
            Self::Time(Span::Days(days)) => (days, "day"),
            Self::Time(Span::Months(months)) => (months, "month"),
            Self::Time(Span::Years(years)) => (years, "year"),
        };
        write!(f, "{count} {unit}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written_or_refused() {
        for (text, expected) in [
            ("forever", Ok("forever")),
            ("1 day", Ok("1 day")),
            ("14 days", Ok("14 days")),
            ("1 months", Ok("1 month")),
            ("2 month", Ok("2 months")),
            ("012 months", Ok("12 months")),
            ("100 years", Ok("100 years")),
            ("101 years", Err(RANGE)),
            ("1201 months", Err(RANGE)),
            ("36501 days", Err(RANGE)),
            ("0 days", Err(RANGE)),
            ("99999999999 days", Err(RANGE)),
            ("", Err(SHAPE)),
            ("month", Err(SHAPE)),
            (" month", Err(SHAPE)),
            ("+1 month", Err(SHAPE)),
            ("-1 month", Err(SHAPE)),
            ("1.5 months", Err(SHAPE)),
            ("1  month", Err(SHAPE)),
            ("1 Month", Err(SHAPE)),
            ("1 monthss", Err(SHAPE)),
            ("1 week", Err(SHAPE)),
            ("1 s", Err(SHAPE)),
            ("Forever", Err(SHAPE)),
        ] {
            let read = Period::parse(text);
            assert_eq!(read.map(|it| it.to_string()), expected.map(str::to_owned), "{text:?}");
            if let Ok(period) = read {
                assert_eq!(Period::parse(&period.to_string()), Ok(period));
            }
        }
    }

    #[test]
    fn a_span_ends_by_the_calendar() {
        let at = |text: &str| Micros::parse(text).unwrap();
        for (span, expected) in [
            (Span::Days(30), Some(at("2028-03-30T06:00:00Z"))),
            (Span::Months(1), Some(at("2028-03-29T06:00:00Z"))),
            (Span::Years(1), Some(at("2029-02-28T06:00:00Z"))),
            (Span::Years(4), Some(at("2032-02-29T06:00:00Z"))),
            (Span::Years(8000), None),
            (Span::Years(u32::MAX), None),
        ] {
            assert_eq!(span.after(at("2028-02-29T06:00:00Z")), expected, "{span:?}");
        }
    }
}
