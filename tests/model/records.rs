//! Daily records, naively: every click and every signup with code and e-mail, put on its day.
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    fact::{Click, Signup},
    state::Record,
    world::World,
};

/// What names a record of a domain.
pub type DayAndCode = (String, String);

/// Clicks and signups by day and code.
#[derive(Debug, Default)]
pub struct Days {
    /// All clicks, robots' too.
    pub clicks: i64,
    /// Robots' clicks.
    pub bots: i64,
    counted: BTreeMap<DayAndCode, i64>,
    came: BTreeMap<DayAndCode, Vec<(DateTime<Utc>, String)>>,
}

impl Days {
    /// Robots are kept, do not count and make no record.
    pub fn click(&mut self, world: &World, time: DateTime<Utc>, click: &Click) {
        self.clicks += 1;
        self.bots += i64::from(click.bot);
        if !click.bot {
            *self.counted.entry((day(world, time), click.code.clone())).or_default() += 1;
        }
    }

    /// Counts on the code it carries, whatever becomes of it in credits.
    pub fn signup(&mut self, world: &World, time: DateTime<Utc>, signup: &Signup) {
        if let (Some(code), Some(email)) = (&signup.code, &signup.email) {
            let record = (day(world, time), code.clone());
            self.came.entry(record).or_default().push((time, email.clone()));
        }
    }

    /// One record per code and day; addresses in order of time, each once.
    pub fn records(&self) -> BTreeMap<DayAndCode, Record> {
        let mut records = BTreeMap::<_, Record>::new();
        for (key, clicks) in &self.counted {
            records.entry(key.clone()).or_default().clicks = *clicks;
        }
        for (key, came) in &self.came {
            records.entry(key.clone()).or_default().emails = in_order(came.clone());
        }
        records
    }
}

/// Addresses in order of time, then of the address; without regard to case, as first spelt.
pub fn in_order<T: Ord>(mut came: Vec<(T, String)>) -> Vec<String> {
    came.sort();
    let mut emails: Vec<String> = Vec::new();
    for (_, email) in came {
        if !emails.iter().any(|known| known.to_lowercase() == email.to_lowercase()) {
            emails.push(email);
        }
    }
    emails
}

fn day(world: &World, time: DateTime<Utc>) -> String {
    time.with_timezone(&world.zone).format("%Y-%m-%d").to_string()
}
