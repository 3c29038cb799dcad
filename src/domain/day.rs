//! Instants and the calendar days they fall on in a domain's time zone.
use chrono::{
    DateTime, LocalResult, Months, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta,
    TimeZone as _, Utc,
};
use chrono_tz::Tz;
use uuid::{ClockSequence, Timestamp, Uuid};

use super::ids::Invalid;

/// No clock was ever set forward by more.
const SET_FORWARD_MOST: TimeDelta = TimeDelta::hours(24);
/// Microseconds of 24 hours.
pub const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// An instant: microseconds since 1970-01-01T00:00:00Z, as the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Micros(pub i64);

impl Micros {
    /// The first instant of the year 1 in UTC: earlier ones would be days before RFC 3339's year 0 in some
    /// zone, and no database keeps them.
    pub const EARLIEST: Self = Self(-62_135_596_800_000_000);
    /// The last instant of the year 9999, after which RFC 3339 has no words.
    pub const LATEST: Self = Self(253_402_300_799_999_999);

    /// Reads RFC 3339, any offset, from [`EARLIEST`](Self::EARLIEST) to [`LATEST`](Self::LATEST): an offset
    /// can lead out of the years that it has words for.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self(time.timestamp_micros()))
            .ok()
            .filter(|time| (Self::EARLIEST..=Self::LATEST).contains(time))
            .ok_or(Invalid("must be an RFC 3339 time"))
    }

    /// Reads RFC 3339, or the same without an offset as what clocks in `zone` show.
    ///
    /// Where clocks are set back they show a time twice: then it is the later instant, unless that
    /// lies after `now`, so that what is read one after the other is seldom read the wrong way round.
    /// Where they are set forward, a time they never show is taken as if they had not been yet.
    pub fn parse_in(text: &str, zone: Tz, now: Self) -> Result<Self, Invalid> {
        let Ok(shown) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f") else {
            return Self::parse(text);
        };
        let instant = |time: DateTime<Tz>| Self(time.timestamp_micros());
        match zone.from_local_datetime(&shown) {
            LocalResult::Single(time) => Ok(instant(time)),
            LocalResult::Ambiguous(first, second) if instant(second) > now => Ok(instant(first)),
            LocalResult::Ambiguous(_, second) => Ok(instant(second)),
            LocalResult::None => {
                let before = shown.checked_sub_signed(SET_FORWARD_MOST);
                before
                    .and_then(|before| zone.from_local_datetime(&before).latest())
                    .map(|before| instant(before + SET_FORWARD_MOST))
                    .ok_or(Invalid("must be an RFC 3339 time"))
            }
        }
    }

    /// This instant, `ms` milliseconds later.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1000)))
    }

    /// This instant, so many calendar months later in UTC: of a month that has no such day, its last
    /// one. `None` beyond [`LATEST`](Self::LATEST).
    pub fn plus_months(self, months: u32) -> Option<Self> {
        let time = DateTime::from_timestamp_micros(self.0)?;
        time.checked_add_months(Months::new(months))
            .map(Self::from)
            .filter(|it| *it <= Self::LATEST)
    }

    /// This instant, so many times 24 hours later. `None` beyond [`LATEST`](Self::LATEST).
    pub fn plus_days(self, days: u32) -> Option<Self> {
        let later = i64::from(days).checked_mul(DAY_US)?.checked_add(self.0);
        later.map(Self).filter(|later| *later <= Self::LATEST)
    }

    /// This instant for a UUIDv7: ids that are made together lie together in an index.
    pub fn timestamp(self, counter: impl ClockSequence<Output = impl Into<u128>>) -> Timestamp {
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        Timestamp::from_unix(counter, seconds as u64, micros as u32 * 1000)
    }

    /// When this UUID says that it was made, to the millisecond; `None` where it says nothing.
    pub fn of_uuid(uuid: &Uuid) -> Option<Self> {
        let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
        let millis = i64::try_from(seconds).ok()?.checked_mul(1000)?;
        millis.checked_add((nanos / 1_000_000).into())?.checked_mul(1000).map(Self)
    }

    /// RFC 3339 with microseconds in the zone's offset at that instant (contract 2).
    pub fn rfc3339(self, zone: Tz) -> String {
        self.utc().with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Micros, false)
    }

    /// `YYYY-MM-DD HH:MM:SS` as clocks in `zone` show it (contract 4).
    pub fn date_time(self, zone: Tz) -> String {
        self.utc().with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `26 November 2027, 12:00` as clocks in `zone` show it: for people.
    pub fn for_people(self, zone: Tz) -> String {
        self.utc().with_timezone(&zone).format("%-d %B %Y, %H:%M").to_string()
    }

    /// Unix seconds, begun ones left out.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
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

    /// The first instant of the day in `zone`; of a day that was left out, of the one that came
    /// instead.
    pub fn begins(self, zone: Tz) -> Micros {
        let midnight = self.0.and_time(chrono::NaiveTime::MIN);
        let first = zone.from_local_datetime(&midnight).earliest();
        let first = first.map_or_else(
            // Clocks were set forward over midnight: it is as late as it would have been.
            || {
                zone.from_local_datetime(&(midnight - SET_FORWARD_MOST))
                    .latest()
                    .map(|before| before + SET_FORWARD_MOST)
            },
            Some,
        );
        first.map_or(Micros(midnight.and_utc().timestamp_micros()), |time| {
            Micros(time.timestamp_micros())
        })
    }

    /// The instants that lie on the day, each stretch without its end: one, or more where clocks were set
    /// back over midnight. To the minute, as clocks are set.
    pub fn stretches(self, zone: Tz) -> Vec<(Micros, Micros)> {
        const MINUTE_US: i64 = 60_000_000;
        const AROUND_US: i64 = 180 * MINUTE_US;
        let end = self.after().begins(zone).0 + AROUND_US;
        let mut at = self.begins(zone).0 - AROUND_US;
        let mut stretches: Vec<(Micros, Micros)> = Vec::new();
        while at < end {
            let until = at + MINUTE_US;
            if Micros(at).day(zone) == self {
                match stretches.last_mut() {
                    Some((_, last)) if last.0 == at => *last = Micros(until),
                    _ => stretches.push((Micros(at), Micros(until))),
                }
            }
            at = until;
        }
        stretches
    }

    /// The day after.
    #[must_use]
    pub fn after(self) -> Self {
        Self(self.0.succ_opt().unwrap_or(self.0))
    }

    /// The day before.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.pred_opt().unwrap_or(self.0))
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
    fn a_day_is_one_stretch_unless_clocks_were_set_back_over_midnight() {
        let minutes = |day: &str, zone: &str| -> Vec<i64> {
            let stretches = Day::parse(day).unwrap().stretches(zone.parse().unwrap());
            stretches.iter().map(|(from, until)| (until.0 - from.0) / 60_000_000).collect()
        };
        assert_eq!(minutes("2026-01-01", "UTC"), [1440]);
        assert_eq!(minutes("2026-03-29", "Europe/Berlin"), [1380]);
        assert_eq!(minutes("2026-10-25", "Europe/Berlin"), [1500]);
        assert_eq!(minutes("2026-01-01", "Asia/Kathmandu"), [1440]);
        // At 00:01 back to 23:01.
        assert_eq!(minutes("2009-10-31", "America/St_Johns"), [1440, 59]);
        assert_eq!(minutes("2009-11-01", "America/St_Johns"), [1, 1440]);
    }

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
    fn a_shift_of_half_an_hour_and_a_day_that_was_left_out_are_the_zones_own() {
        let cases = [
            // Lord Howe goes from +10:30 to +11:00 and back, at 2 in the morning.
            ("Australia/Lord_Howe", "2026-10-03T13:29:59Z", "2026-10-03", "23:59:59+10:30"),
            ("Australia/Lord_Howe", "2026-10-03T13:30:00Z", "2026-10-04", "00:00:00+10:30"),
            ("Australia/Lord_Howe", "2026-10-04T12:59:59Z", "2026-10-04", "23:59:59+11:00"), // 23.5 hours
            ("Australia/Lord_Howe", "2026-10-04T13:00:00Z", "2026-10-05", "00:00:00+11:00"),
            ("Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05", "00:00:00+11:00"),
            ("Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05", "01:45:00+11:00"),
            ("Australia/Lord_Howe", "2026-04-04T15:15:00Z", "2026-04-05", "01:45:00+10:30"), // once more
            ("Australia/Lord_Howe", "2026-04-05T13:29:59Z", "2026-04-05", "23:59:59+10:30"), // 24.5 hours
            ("Australia/Lord_Howe", "2026-04-05T13:30:00Z", "2026-04-06", "00:00:00+10:30"),
            // Samoa had no 30th of December 2011: it went to the other side of the date line.
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29", "23:59:59-10:00"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", "00:00:00+14:00"),
        ];
        for (zone, time, day, clock) in cases {
            let (zone, time): (Tz, _) = (zone.parse().unwrap(), Micros::parse(time).unwrap());
            let (hours, offset) = clock.split_at(8);
            let shown = (time.day(zone).to_string(), time.rfc3339(zone));
            let expected = (day.to_owned(), format!("{day}T{hours}.000000{offset}"));
            assert_eq!(shown, expected, "{zone}");
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
    fn a_time_without_an_offset_is_what_clocks_show() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let late = "2026-12-31T00:00:00Z";
        let cases = [
            ("an offset counts", "2026-07-01T12:00:00+03:00", late, "2026-07-01T09:00:00Z"),
            ("summer", "2026-07-01T12:00:00.5", late, "2026-07-01T10:00:00.5Z"),
            ("winter", "2026-01-01T12:00:00.426324", late, "2026-01-01T11:00:00.426324Z"),
            ("never shown", "2026-03-29T02:30:00", late, "2026-03-29T01:30:00Z"),
            ("shown twice", "2026-10-25T02:30:00", late, "2026-10-25T01:30:00Z"),
            (
                "not in the future",
                "2026-10-25T02:30:00",
                "2026-10-25T00:40:00Z",
                "2026-10-25T00:30:00Z",
            ),
        ];
        for (name, text, now, expected) in cases {
            let now = Micros::parse(now).unwrap();
            assert_eq!(Micros::parse_in(text, zone, now), Micros::parse(expected), "{name}");
        }
        for bad in ["", "2026-07-01", "2026-07-01T25:00:00", "12:00:00", "2026-07-01T12:00:00 MSK"]
        {
            assert!(Micros::parse_in(bad, zone, Micros(0)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_begins_where_the_one_before_ends() {
        for (zone, day, expected) in [
            ("UTC", "2026-03-29", "2026-03-29T00:00:00Z"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"),
            ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"),
            // Set forward at midnight, and back at midnight.
            ("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z"),
            ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
        ] {
            let (zone, day) = (zone.parse::<Tz>().unwrap(), Day::parse(day).unwrap());
            let begins = day.begins(zone);
            assert_eq!(Ok(begins), Micros::parse(expected), "{zone} {day}");
            assert_eq!((begins.day(zone), Micros(begins.0 - 1).day(zone) < day), (day, true));
        }
    }

    #[test]
    fn dates_and_seconds_of_partners_are_whole() {
        let time = Micros::parse("2020-05-24T21:37:44.999999Z").unwrap();
        assert_eq!(time.date_time("Europe/Moscow".parse().unwrap()), "2020-05-25 00:37:44");
        assert_eq!(time.for_people("Europe/Moscow".parse().unwrap()), "25 May 2020, 00:37");
        assert_eq!((time.seconds(), Micros(-1).seconds()), (1_590_356_264, -1));
    }

    #[test]
    fn months_are_the_calendars_and_days_have_24_hours() {
        let at = |text: &str| Micros::parse(text).unwrap();
        for (from, months, expected) in [
            ("2026-01-31T23:59:59.999999Z", 1, "2026-02-28T23:59:59.999999Z"),
            ("2028-01-31T00:00:00Z", 1, "2028-02-29T00:00:00Z"),
            ("2026-01-31T00:00:00Z", 2, "2026-03-31T00:00:00Z"),
            ("2028-02-29T12:00:00Z", 12, "2029-02-28T12:00:00Z"),
            ("2028-02-29T12:00:00Z", 48, "2032-02-29T12:00:00Z"),
            ("2026-12-31T00:00:00Z", 1, "2027-01-31T00:00:00Z"),
            ("2026-05-05T00:00:00Z", 0, "2026-05-05T00:00:00Z"),
        ] {
            assert_eq!(at(from).plus_months(months), Some(at(expected)), "{from} {months}");
        }
        let from = at("2026-03-28T12:00:00Z");
        assert_eq!(from.plus_days(4), Some(at("2026-04-01T12:00:00Z")));
        assert_eq!(Micros::LATEST, at("9999-12-31T23:59:59.999999Z"));
        let late = at("9999-12-01T00:00:00Z");
        assert_eq!((late.plus_months(1), late.plus_days(31)), (None, None));
        assert!(late.plus_days(30).is_some() && Micros(i64::MAX).plus_months(1).is_none());
    }

    #[test]
    fn instants_are_those_whose_days_have_ten_characters_in_every_zone() {
        for (text, expected) in [
            ("0001-01-01T00:00:00Z", Some(Micros::EARLIEST)),
            ("0001-01-01T00:00:00+00:01", None),
            ("0000-01-01T00:00:00+23:59", None),
            ("9999-12-31T23:59:59.999999Z", Some(Micros::LATEST)),
            ("9999-12-31T23:59:60-23:59", None),
        ] {
            assert_eq!(Micros::parse(text).ok(), expected, "{text}");
        }
        let day = Micros::EARLIEST.day(chrono_tz::America::New_York).to_string();
        assert_eq!(day, "0000-12-31");
    }

    #[test]
    fn days_follow_each_other() {
        let before = |day: &str| Day::parse(day).unwrap().before().to_string();
        assert_eq!(before("2024-03-01"), "2024-02-29");
        assert_eq!(before("2025-01-01"), "2024-12-31");
    }

    #[test]
    fn days_are_ten_characters() {
        assert!(Day::parse("2024-07-29").is_ok());
        for bad in ["2024-7-29", "2024-02-30", "20240729", "+2024-07-29", ""] {
            assert!(Day::parse(bad).is_err(), "{bad}");
        }
    }
}
