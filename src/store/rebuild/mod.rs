//! Rebuilding (contract 7): daily records and the books held against the stored events, and repaired.
//!
//! Everything is gone through in pages by keys, unlocked, next to running workers. What looks wrong is
//! looked at once more, alone: records in one statement or behind their own row's lock, users behind the
//! lock of their `payer` row, as the workers lock them; only what is wrong there counts. Each repair is a
//! transaction of its own.
pub mod books;
mod lines;
pub mod orphans;
pub mod records;
mod repair;
mod stored;
pub mod users;

use super::{Row, Store, StoreError, reference::Domain};
use crate::domain::{Day, Micros};

/// Days of a domain that its last change of zone may have split otherwise: events may be from 24 h ahead,
/// and zones are 26 h apart.
const ZONE_CHANGE_DAYS: u32 = 3;

/// A domain whose records and books are looked at.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The domain.
    pub domain: Domain,
    /// The first day whose records are looked at: none of its clicks was pruned, and all were counted in the
    /// present zone. None: all days.
    pub first_day: Option<Day>,
}

/// What is not as the events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The kind of row.
    pub what: &'static str,
    /// Which one.
    pub name: String,
    /// What is there.
    pub found: String,
    /// What the events say.
    pub expected: String,
    /// What a person has to know, or do.
    pub note: Option<&'static str>,
    /// Whether a repair may touch it.
    pub is_repairable: bool,
}

/// Where no row is, or none should be.
pub const NOTHING: &str = "nothing";

/// What is known of the domain's days.
pub async fn tenant(store: &Store, domain: Domain) -> Result<Tenant, StoreError> {
    const FIND: &str = "SELECT pruned_us, zone_us FROM domain WHERE id = {?}";
    let row = store.one(FIND, vec![domain.id.into()]).await?;
    let (pruned, zoned) = match &row {
        Some(row) => (row.int_or_null("pruned_us")?, row.int_or_null("zone_us")?),
        None => (None, None),
    };
    let first_day = pruned.map(|at| first_day_from(Micros(at), &domain));
    let zoned = zoned.map(|at| Micros(at).plus_days(ZONE_CHANGE_DAYS).unwrap_or(Micros(at)));
    let first_day = first_day.max(zoned.map(|at| first_day_from(at, &domain)));
    Ok(Tenant { domain, first_day })
}

/// The first day that begins then or later.
fn first_day_from(at: Micros, domain: &Domain) -> Day {
    let day = at.day(domain.zone);
    if day.begins(domain.zone) >= at { day } else { day.after() }
}

impl Tenant {
    /// Whether records of this day are looked at.
    pub fn looks_at(&self, day: Day) -> bool {
        self.first_day.is_none_or(|first| day >= first)
    }

    /// Whether an event of this instant counts on a day that is looked at.
    pub fn looks_at_time(&self, time: Micros) -> bool {
        self.first_day.is_none_or(|first| time >= first.begins(self.domain.zone))
    }
}

/// How many rows a rebuild of everything looks at, about.
pub async fn size(store: &Store) -> Result<u64, StoreError> {
    let mut rows = 0;
    for table in ["daily_signup", "click", "daily_record", "payer", "delivery"] {
        let count = format!("SELECT COUNT(*) AS n FROM {table}");
        rows +=
            store.one(&count, Vec::new()).await?.map_or(Ok(0), |row| row.int("n"))?.unsigned_abs();
    }
    Ok(rows)
}

/// A day as it is stored; none where the text is no day.
fn day(row: &Row, column: &str) -> Result<Option<Day>, StoreError> {
    Ok(Day::parse(&row.text(column)?).ok())
}
