//! Daily records held against the clicks and signups that are stored.
//!
//! Three walks find what may be wrong: signups that lie on another day or whose record is missing, codes
//! whose clicks are not as many as their records say, records that nothing belongs to.
//!
//! A record is repaired behind its row's lock, which the worker takes after it has inserted what it adds:
//! what is not committed yet is not counted here, and is added by the worker after.
use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, NOTHING, Tenant, day};
use crate::{
    domain::{Day, Micros},
    store::{
        Param, Row, Rows, Store, StoreError,
        connection::Statements,
        rows::Kind::{Int, Text},
        transaction::Runs,
    },
};

/// Rows of one page.
const PAGE: usize = 5000;
/// Codes and domains whose records are compared at once.
const PAIRS: usize = 500;

/// Tenants by their key.
pub type Tenants = BTreeMap<i64, Tenant>;

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The tenant.
    pub domain_id: i64,
    /// The day.
    pub day: Day,
    /// The code.
    pub code: String,
}

/// Names a signup that lies on another day than its time says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The tenant.
    pub domain_id: i64,
    /// The event.
    pub event_key: String,
    /// On which day it lies.
    pub lies: String,
    /// On which day it belongs.
    pub belongs: Day,
    /// Whose record it is on.
    pub code: Option<String>,
}

/// What a page of signups came to.
#[derive(Debug, Default)]
pub struct SignupsPage {
    /// Rows looked at.
    pub rows: u64,
    /// After which the next page begins; none: that was the last.
    pub next: Option<String>,
    /// On the wrong day.
    pub misplaced: Vec<Misplaced>,
    /// Records that should be there.
    pub suspects: Vec<Record>,
}

/// Signups after this key.
pub async fn signups(
    store: &Store,
    tenants: &Tenants,
    after: &str,
) -> Result<SignupsPage, StoreError> {
    const FIND: &str = "SELECT s.event_key AS event_key, s.domain_id AS domain_id, s.code AS code, \
        s.day AS day, s.time_us AS time_us, s.email AS email, r.code AS record FROM (\
        SELECT event_key, domain_id, code, day, time_us, email FROM daily_signup \
        WHERE event_key > {?} ORDER BY event_key LIMIT {?}) s \
        LEFT JOIN daily_record r ON r.domain_id = s.domain_id AND r.day = s.day AND r.code = s.code \
        ORDER BY s.event_key";
    let rows = store.all(FIND, None, vec![after.into(), (PAGE as i64).into()]).await?;
    let mut page = SignupsPage { rows: rows.len() as u64, ..SignupsPage::default() };
    for row in &rows {
        let Some(tenant) = tenants.get(&row.int("domain_id")?) else { continue };
        let (time, domain_id) = (Micros(row.int("time_us")?), tenant.domain.id);
        if !tenant.looks_at_time(time) {
            continue;
        }
        let (belongs, code) = (time.day(tenant.domain.zone), row.text_or_null("code")?);
        if day(row, "day")? != Some(belongs) {
            let (event_key, lies) = (row.text("event_key")?, row.text("day")?);
            page.misplaced.push(Misplaced { domain_id, event_key, lies, belongs, code });
        } else if let (Some(code), Some(_), None) =
            (code, row.text_or_null("email")?, row.text_or_null("record")?)
        {
            page.suspects.push(Record { domain_id, day: belongs, code });
        }
    }
    if rows.len() == PAGE {
        page.next = rows.last().map(|row| row.text("event_key")).transpose()?;
    }
    Ok(page)
}

/// Puts a signup on the day where it belongs; the records of both days are to be looked at after.
pub async fn put_right(store: &Store, misplaced: &Misplaced) -> Result<(), StoreError> {
    const PUT: &str = "UPDATE daily_signup SET day = {?} WHERE event_key = {?}";
    let params = || vec![misplaced.belongs.to_string().into(), misplaced.event_key.as_str().into()];
    store.again(async || store.run(PUT, None, params()).await).await.map(|_| ())
}

/// How far the walk over the clicks has come, and what it has counted since it compared last.
#[derive(Debug, Default)]
pub struct Clicks {
    code: String,
    id: i64,
    counts: BTreeMap<(String, i64), BTreeMap<Day, i64>>,
}

/// What a page of clicks came to.
#[derive(Debug, Default)]
pub struct ClicksPage {
    /// Rows looked at.
    pub rows: u64,
    /// That was the last.
    pub is_last: bool,
    /// Records that say another number.
    pub suspects: Vec<Record>,
}

impl Clicks {
    /// Counts the next clicks, by code, and compares the codes that are complete.
    pub async fn next(
        &mut self,
        store: &Store,
        tenants: &Tenants,
    ) -> Result<ClicksPage, StoreError> {
        const COLUMNS: &str = "id, domain_id, code, time_us, bot";
        let rest = format!(
            "SELECT {COLUMNS} FROM click WHERE code = {{?}} AND {{after id}} \
             ORDER BY {{in order of id}} LIMIT {PAGE}"
        );
        let more = format!(
            "SELECT {COLUMNS} FROM click WHERE code > {{?}} \
             ORDER BY code, {{in order of id}} LIMIT {PAGE}"
        );
        let code = self.code.clone();
        let mut rows = store.all(&rest, None, vec![code.as_str().into(), self.id.into()]).await?;
        if rows.len() < PAGE {
            rows.extend(store.all(&more, None, vec![code.as_str().into()]).await?);
        }
        for row in &rows {
            self.code = row.text("code")?;
            self.id = row.int("id")?;
            self.count(row, tenants)?;
        }
        let is_last = rows.len() < PAGE;
        let mut suspects = Vec::new();
        if is_last || self.counts.len() > PAIRS {
            let mut complete = std::mem::take(&mut self.counts);
            if !is_last {
                // The last code may go on.
                let mut open = complete.split_off(&(self.code.clone(), i64::MIN));
                complete.append(&mut open.split_off(&(self.code.clone(), i64::MAX)));
                self.counts = open;
            }
            suspects = compare(store, tenants, complete).await?;
        }
        Ok(ClicksPage { rows: rows.len() as u64, is_last, suspects })
    }

    fn count(&mut self, row: &Row, tenants: &Tenants) -> Result<(), StoreError> {
        let Some(tenant) = tenants.get(&row.int("domain_id")?) else { return Ok(()) };
        // Robots' clicks count nothing, and the code is looked at all the same.
        let days = self.counts.entry((self.code.clone(), tenant.domain.id)).or_default();
        let day = Micros(row.int("time_us")?).day(tenant.domain.zone);
        if !row.truth("bot")? && tenant.looks_at(day) {
            *days.entry(day).or_default() += 1;
        }
        Ok(())
    }
}

/// The records of these codes that say another number than was counted.
async fn compare(
    store: &Store,
    tenants: &Tenants,
    mut counts: BTreeMap<(String, i64), BTreeMap<Day, i64>>,
) -> Result<Vec<Record>, StoreError> {
    const FIND: &str = "SELECT d.domain_id AS domain_id, d.code AS code, d.day AS day, \
        d.clicks AS clicks FROM {rows} \
        JOIN daily_record d ON d.domain_id = r.domain_id AND d.code = r.code";
    let mut suspects = Vec::new();
    let pairs: Vec<(String, i64)> = counts.keys().cloned().collect();
    for some in pairs.chunks(PAIRS) {
        let mut rows = Rows::new(&[("domain_id", Int), ("code", Text)]);
        for (code, domain_id) in some {
            rows.push([(*domain_id).into(), code.as_str().into()]);
        }
        for row in store.all(FIND, Some(&rows), Vec::new()).await? {
            let (domain_id, code) = (row.int("domain_id")?, row.text("code")?);
            let Some(day) = day(&row, "day")? else { continue };
            let counted =
                counts.get_mut(&(code.clone(), domain_id)).and_then(|days| days.remove(&day));
            let is_looked_at = tenants.get(&domain_id).is_some_and(|tenant| tenant.looks_at(day));
            if is_looked_at && counted.unwrap_or_default() != row.int("clicks")? {
                suspects.push(Record { domain_id, day, code });
            }
        }
    }
    // What is left has no record.
    for ((code, domain_id), days) in counts {
        suspects.extend(days.into_keys().map(|day| Record { domain_id, day, code: code.clone() }));
    }
    suspects.sort();
    Ok(suspects)
}

/// Records of a domain after this one (none: from the first on) to which nothing belongs, as far as a quick
/// look tells; with how many were looked at, and the last of the page.
pub async fn bare(
    store: &Store,
    tenant: &Tenant,
    after: Option<&Record>,
) -> Result<(u64, Option<Record>, Vec<Record>), StoreError> {
    const LOOK: &str = "SELECT d.day AS day, d.code AS code, d.clicks AS clicks, \
        {as int CASE WHEN EXISTS (SELECT 1 FROM click c WHERE c.code = d.code \
        AND c.domain_id = d.domain_id AND c.bot = 0) THEN 1 ELSE 0 END} AS clicked, \
        {as int CASE WHEN EXISTS (SELECT 1 FROM daily_signup s WHERE s.domain_id = d.domain_id \
        AND s.code = d.code AND s.day = d.day AND s.email IS NOT NULL) THEN 1 ELSE 0 END} AS signed \
        FROM daily_record d";
    let domain_id = tenant.domain.id;
    let (from, code) = match (after, tenant.first_day) {
        (Some(record), _) => (record.day.to_string(), record.code.as_str()),
        (None, Some(day)) => (day.to_string(), ""),
        (None, None) => (String::new(), ""),
    };
    let rest = format!(
        "{LOOK} WHERE d.domain_id = {{?}} AND d.day = {{?}} AND d.code > {{?}} ORDER BY d.code \
         LIMIT {PAGE}"
    );
    let more = format!(
        "{LOOK} WHERE d.domain_id = {{?}} AND d.day > {{?}} ORDER BY d.day, d.code LIMIT {PAGE}"
    );
    let params = || vec![Param::from(domain_id), from.as_str().into()];
    let with_code = params().into_iter().chain([code.into()]).collect();
    let mut rows = store.all(&rest, None, with_code).await?;
    if rows.len() < PAGE {
        rows.extend(store.all(&more, None, params()).await?);
    }
    let mut last = None;
    let mut suspects = Vec::new();
    for row in &rows {
        // The column is ours, so that it holds a day; whatever else stands there is passed over.
        let Some(day) = day(row, "day")? else { continue };
        let record = Record { domain_id, day, code: row.text("code")? };
        let belongs =
            if row.int("clicks")? == 0 { row.truth("signed")? } else { row.truth("clicked")? };
        if !belongs {
            suspects.push(record.clone());
        }
        last = Some(record);
    }
    Ok((rows.len() as u64, last.filter(|_| rows.len() >= PAGE), suspects))
}

/// Looks at one record, all at one moment: what is wrong with it, and with `now` repairs it.
pub async fn look(
    store: &Store,
    tenant: &Tenant,
    record: &Record,
    repair: Option<Micros>,
) -> Result<Option<Difference>, StoreError> {
    let (found, expected) = match repair {
        None => read(store, tenant, record).await?,
        Some(now) => store.again(async || mend(store, tenant, record, now).await).await?,
    };
    if found == expected {
        return Ok(None);
    }
    let shown = |clicks: Option<i64>| clicks.map_or(NOTHING.to_owned(), |n| format!("{n} clicks"));
    Ok(Some(Difference {
        what: "daily_record",
        name: format!("{} on {}", record.code, record.day),
        found: shown(found),
        expected: shown(expected),
        note: None,
        is_repairable: true,
    }))
}

/// How many clicks the record says, and how many it should say; none: no record.
async fn read<C: Runs>(
    on: &Statements<C>,
    tenant: &Tenant,
    record: &Record,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    const READ: &str = "SELECT r.clicks AS clicks, c.n AS counted, s.n AS signups FROM (\
        SELECT COUNT(*) AS n FROM {rows} JOIN click k \
        ON k.time_us >= r.from_us AND k.time_us < r.until_us \
        WHERE k.code = {?} AND k.domain_id = {?} AND k.bot = 0) c CROSS JOIN (\
        SELECT COUNT(*) AS n FROM {rows} JOIN daily_signup g \
        ON g.time_us >= r.from_us AND g.time_us < r.until_us \
        WHERE g.domain_id = {?} AND g.code = {?} AND g.email IS NOT NULL) s LEFT JOIN daily_record r \
        ON r.domain_id = {?} AND r.day = {?} AND r.code = {?}";
    let Record { domain_id, day, code } = record;
    let (code, text) = (Param::from(code.as_str()), Param::from(day.to_string()));
    let domain = Param::from(*domain_id);
    let params =
        vec![code.clone(), domain.clone(), domain.clone(), code.clone(), domain, text, code];
    let mut pieces = Rows::new(&[("from_us", Int), ("until_us", Int)]);
    for (from, until) in day.stretches(tenant.domain.zone) {
        pieces.push([from.0.into(), until.0.into()]);
    }
    let rows = on.all(READ, Some(&pieces), params).await?;
    let Some(row) = rows.first() else { return Ok((None, None)) };
    let (counted, signups) = (row.int("counted")?, row.int("signups")?);
    let expected = (counted > 0 || signups > 0).then_some(counted);
    Ok((row.int_or_null("clicks")?, expected))
}

async fn mend(
    store: &Store,
    tenant: &Tenant,
    record: &Record,
    now: Micros,
) -> Result<(Option<i64>, Option<i64>), StoreError> {
    // Locks the record, also one that is not there.
    const LOCK: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, mtime_us) \
        VALUES ({?}, {?}, {?}, {?}, 0, {?}, {?}) {conflict domain_id, day, code} \
        clicks = {old daily_record.clicks}";
    const OWN: &str =
        "SELECT id FROM daily_record WHERE domain_id = {?} AND day = {?} AND code = {?}";
    const SET: &str = "UPDATE daily_record SET clicks = {?}, mtime_us = {greatest}(mtime_us + 1, {?}) \
        WHERE domain_id = {?} AND day = {?} AND code = {?}";
    const REMOVE: &str =
        "DELETE FROM daily_record WHERE domain_id = {?} AND day = {?} AND code = {?}";
    let name = || {
        vec![
            Param::from(record.domain_id),
            record.day.to_string().into(),
            record.code.as_str().into(),
        ]
    };
    let with = |mut before: Vec<Param<'static>>| {
        before.extend([record.domain_id.into(), record.day.to_string().into()]);
        before.push(record.code.clone().into());
        before
    };
    let id = uuid::Uuid::new_v4().to_string();
    let tx = store.begin().await?;
    let mut made = name();
    made.extend([id.as_str().into(), now.0.into(), now.0.into()]);
    tx.run(LOCK, None, made).await?;
    let is_new = tx.one(OWN, name()).await?.map(|row| row.text("id")).transpose()? == Some(id);
    let (found, expected) = read(&tx, tenant, record).await?;
    let found = found.filter(|_| !is_new);
    match expected {
        _ if found == expected => {
            tx.rollback().await?;
            return Ok((found, expected));
        }
        Some(clicks) => tx.run(SET, None, with(vec![clicks.into(), now.0.into()])).await?,
        None => tx.run(REMOVE, None, name()).await?,
    };
    tx.commit().await?;
    Ok((found, expected))
}

/// The records to be looked at after a signup was put right.
pub fn touched(misplaced: &Misplaced) -> BTreeSet<Record> {
    let Some(code) = &misplaced.code else { return BTreeSet::new() };
    let record = |day| Record { domain_id: misplaced.domain_id, day, code: code.clone() };
    let lies = Day::parse(&misplaced.lies).ok();
    lies.into_iter().chain([misplaced.belongs]).map(record).collect()
}
