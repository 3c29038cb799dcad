//! What a batch amounts to, as a pure fold: which rows it has, and which records those move.
use std::collections::HashMap;

use referral::{
    domain::{Click, Code, Data, Day, Email, EventKey, Micros, bot::BotList},
    store::New,
    worker::Placed,
};

/// A click's row.
#[derive(Debug, Clone, Copy)]
pub struct ClickRow<'a> {
    /// Unique.
    pub key: EventKey,
    /// The tenant.
    pub domain_id: i64,
    /// When it happened.
    pub time: Micros,
    /// The day it counts on, in the tenant's zone.
    pub day: Day,
    /// Kept and marked, but not counted.
    pub bot: bool,
    /// The fact.
    pub click: &'a Click,
}

/// A signup's row. Only signups with a code and an address are on a record; the others are kept
/// too, so that their names are used up here as well.
#[derive(Debug, Clone, Copy)]
pub struct SignupRow<'a> {
    /// Unique.
    pub key: EventKey,
    /// The tenant.
    pub domain_id: i64,
    /// When it happened.
    pub time: Micros,
    /// The day it counts on, in the tenant's zone.
    pub day: Day,
    /// The code it came with.
    pub code: Option<&'a Code>,
    /// Who registered.
    pub email: Option<&'a Email>,
}

/// Names a record, in the order in which records are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey<'a> {
    /// The tenant.
    pub domain_id: i64,
    /// The day.
    pub day: Day,
    /// The code.
    pub code: &'a Code,
}

/// A batch's rows, each kind sorted by key.
#[derive(Debug, Default)]
pub struct Tally<'a> {
    /// All clicks, bots' too.
    pub clicks: Vec<ClickRow<'a>>,
    /// All signups.
    pub signups: Vec<SignupRow<'a>>,
}

impl<'a> Tally<'a> {
    /// Folds a batch. No key may occur twice.
    pub fn of(events: &'a [Placed], bots: &BotList) -> Self {
        let mut tally = Self::default();
        for Placed { event, domain } in events {
            let (key, domain_id, time) = (event.key, domain.id, event.time);
            let day = event.time.day(domain.zone);
            match &event.data {
                Data::Click(click) => {
                    let bot = bots.is_bot(click.user_agent.as_deref());
                    tally.clicks.push(ClickRow { key, domain_id, time, day, bot, click });
                }
                Data::Signup(signup) => {
                    let (code, email) = (signup.code.as_ref(), signup.email.as_ref());
                    tally.signups.push(SignupRow { key, domain_id, time, day, code, email });
                }
                Data::Payment(_) => {}
            }
        }
        tally.clicks.sort_unstable_by_key(|row| row.key);
        tally.signups.sort_unstable_by_key(|row| row.key);
        tally
    }

    /// The records that the new rows move, in their order, with the clicks to add to each; of the signups
    /// only some move theirs.
    pub fn records(
        &self,
        new_clicks: &New,
        moves: impl Fn(&EventKey) -> bool,
    ) -> Vec<(RecordKey<'a>, i64)> {
        let mut records: HashMap<RecordKey<'a>, i64> = HashMap::new();
        for row in self.clicks.iter().filter(|row| !row.bot && new_clicks.contains(&row.key)) {
            let key = RecordKey { domain_id: row.domain_id, day: row.day, code: &row.click.code };
            *records.entry(key).or_insert(0) += 1;
        }
        for row in self.signups.iter().filter(|row| moves(&row.key)) {
            if let (Some(code), Some(_)) = (row.code, row.email) {
                let key = RecordKey { domain_id: row.domain_id, day: row.day, code };
                records.entry(key).or_insert(0);
            }
        }
        let mut records: Vec<_> = records.into_iter().collect();
        records.sort_unstable_by_key(|(key, _)| *key);
        records
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use referral::{
        domain::{Currency, Event, Signup, Trace, UserHash},
        store::reference::Domain,
    };

    use super::*;

    const CODE: &str = "b4b9e071006f409d8e6d";

    fn placed(id: &str, time: &str, data: Data) -> Placed {
        let event = Event {
            key: EventKey::new("/t", id),
            id: id.into(),
            source: "/t".into(),
            time: Micros::parse(time).unwrap(),
            domain: "default".into(),
            trace: Trace::default(),
            data,
        };
        let zone = "Europe/Moscow".parse().unwrap();
        let currency = Currency::parse("USD").unwrap();
        let domain = Domain { id: 1, name: "default".into(), zone, currency };
        Placed { event, domain: domain.into() }
    }

    fn click(id: &str, time: &str, agent: Option<&str>) -> Placed {
        let data = Click {
            code: Code::parse(CODE).unwrap(),
            ip: None,
            user_agent: agent.map(str::to_owned),
            referrer: None,
            user_hash: None,
            query_string: None,
        };
        placed(id, time, Data::Click(data))
    }

    fn signup(id: &str, time: &str, code: Option<&str>, email: Option<&str>) -> Placed {
        let data = Signup {
            user_hash: UserHash::parse(id).unwrap(),
            code: code.map(|code| Code::parse(code).unwrap()),
            user_indicator: None,
            email: email.map(|email| Email::parse(email).unwrap()),
            program_id: None,
        };
        placed(id, time, Data::Signup(data))
    }

    #[test]
    fn only_new_rows_of_people_count_and_each_on_its_own_day() {
        let events = [
            click("1", "2026-01-01T20:59:59Z", None),
            click("2", "2026-01-01T21:00:00Z", None), // midnight in Moscow
            click("3", "2026-01-01T21:00:01Z", Some("Googlebot/2.1")),
            click("4", "2026-01-01T21:00:02Z", Some("Mozilla/5.0 Firefox/128.0")),
            click("5", "2026-01-01T21:00:03Z", None), // seen before
            signup("6", "2026-01-03T12:00:00Z", Some(CODE), Some("a@b.c")),
            signup("7", "2026-01-04T12:00:00Z", None, Some("a@b.c")),
            signup("8", "2026-01-04T12:00:00Z", Some(CODE), None),
        ];
        let tally = Tally::of(&events, &BotList::default());
        assert_eq!((tally.clicks.len(), tally.signups.len()), (5, 3));
        let keys =
            |ids: &[&str]| -> HashSet<_> { ids.iter().map(|id| EventKey::new("/t", id)).collect() };
        let (new, moving) = (New::Of(keys(&["1", "2", "3", "4"])), keys(&["6", "7", "8"]));
        let records = tally.records(&new, |key| moving.contains(key));
        let records: Vec<_> =
            records.iter().map(|(key, clicks)| (key.day.to_string(), *clicks)).collect();
        let expected = [("2026-01-01", 1), ("2026-01-02", 2), ("2026-01-03", 0)];
        assert_eq!(records, expected.map(|(day, clicks)| (day.to_owned(), clicks)));
    }
}
