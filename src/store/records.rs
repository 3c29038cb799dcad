//! Daily records as the ingress shows them (contract 2). Read only: daily-records writes them.
use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Param, Row, Rows, Store, StoreError, rows::Kind};
use crate::domain::{Code, Day, Email, Micros};

/// One record per code and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// UUID.
    pub id: String,
    /// First event.
    pub ctime: Micros,
    /// Last change.
    pub mtime: Micros,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// The code.
    pub code: String,
    /// Who registered, each once.
    pub emails: Vec<String>,
    /// Link follows that count.
    pub clicks: i64,
}

/// Which records of a domain are wanted; they combine.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The referrer's.
    pub email: Option<Email>,
    /// The day.
    pub date: Option<Day>,
    /// The code.
    pub code: Option<Code>,
}

/// A page of records, newest day first, then by code, and how many there are in all.
///
/// Only codes that are registered in the domain, or are a user's own, are shown.
pub async fn page(
    store: &Store,
    domain_id: i64,
    filter: &Filter,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Record>, i64), StoreError> {
    let (condition, params) = condition(domain_id, filter);
    let count = format!("SELECT COUNT(*) AS total FROM daily_record r WHERE {condition}");
    let row = store.one(&count, params.clone()).await?;
    let total = row.map_or(Ok(0), |row| row.int("total"))?;
    let list = format!(
        "SELECT r.id AS id, r.ctime_us AS ctime_us, r.mtime_us AS mtime_us, r.day AS day, \
         r.code AS code, r.clicks AS clicks FROM daily_record r WHERE {condition} \
         ORDER BY r.day DESC, r.code LIMIT {{?}} OFFSET {{?}}"
    );
    let params = params.into_iter().chain([limit.into(), offset.into()]).collect();
    let mut records: Vec<Record> = store
        .all(&list, None, params)
        .await?
        .iter()
        .map(record)
        .collect::<Result<_, StoreError>>()?;
    fill_emails(store, domain_id, &mut records).await?;
    Ok((records, total))
}

fn record(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        id: row.text("id")?,
        ctime: Micros(row.int("ctime_us")?),
        mtime: Micros(row.int("mtime_us")?),
        date: row.text("day")?,
        code: row.text("code")?,
        emails: Vec::new(),
        clicks: row.int("clicks")?,
    })
}

fn condition(domain_id: i64, filter: &Filter) -> (String, Vec<Param<'_>>) {
    let mut params = vec![Param::from(domain_id)];
    let known = match &filter.email {
        None => {
            "EXISTS (SELECT 1 FROM code c WHERE c.code = r.code AND c.domain_id = r.domain_id) \
             OR EXISTS (SELECT 1 FROM account a WHERE a.code = r.code \
             AND a.domain_id = r.domain_id)"
        }
        Some(email) => {
            params.extend([Param::from(email.key()), Param::from(email.key())]);
            "EXISTS (SELECT 1 FROM code c WHERE c.code = r.code AND c.domain_id = r.domain_id \
             AND c.email_key = {?}) \
             OR EXISTS (SELECT 1 FROM account a JOIN account_email e \
             ON e.domain_id = a.domain_id AND e.user_hash = a.user_hash \
             WHERE a.code = r.code AND a.domain_id = r.domain_id AND e.email_key = {?})"
        }
    };
    let mut text = format!("r.domain_id = {{?}} AND ({known})");
    if let Some(date) = &filter.date {
        text.push_str(" AND r.day = {?}");
        params.push(date.to_string().into());
    }
    if let Some(code) = &filter.code {
        text.push_str(" AND r.code = {?}");
        params.push(code.as_str().into());
    }
    (text, params)
}

/// Addresses in order of time, then of the address; each once per record, compared without case,
/// in the spelling of the first.
async fn fill_emails(
    store: &Store,
    domain_id: i64,
    records: &mut [Record],
) -> Result<(), StoreError> {
    const COLUMNS: &[(&str, Kind)] = &[("day", Kind::Text), ("code", Kind::Text)];
    const FIND: &str = "SELECT s.day AS day, s.code AS code, s.email AS email, \
        s.email_key AS email_key FROM {rows} JOIN daily_signup s \
        ON s.domain_id = {?} AND s.code = r.code AND s.day = r.day \
        WHERE s.email IS NOT NULL \
        ORDER BY s.time_us, s.email_key, s.email";
    let mut rows = Rows::new(COLUMNS);
    for record in records.iter() {
        rows.push([record.date.as_str().into(), record.code.as_str().into()]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let mut of_record: HashMap<(String, String), Vec<String>> = HashMap::new();
    let mut seen = HashSet::new();
    for row in store.all(FIND, Some(&rows), vec![domain_id.into()]).await? {
        let place = (row.text("day")?, row.text("code")?);
        if seen.insert((place.clone(), row.text("email_key")?)) {
            of_record.entry(place).or_default().push(row.text("email")?);
        }
    }
    for record in records {
        let place = (record.date.clone(), record.code.clone());
        record.emails = of_record.remove(&place).unwrap_or_default();
    }
    Ok(())
}

/// All clicks of a code that count, of whichever day.
pub async fn clicks(store: &Store, domain_id: i64, code: &Code) -> Result<i64, StoreError> {
    const SUM: &str = "SELECT {as int COALESCE(SUM(clicks), 0)} AS clicks FROM daily_record \
        WHERE domain_id = {?} AND code = {?}";
    let row = store.one(SUM, vec![domain_id.into(), code.as_str().into()]).await?;
    row.map_or(Ok(0), |row| row.int("clicks"))
}

/// Clicks that count of each day from `first` to `last` that has any, of the records that [`page`] would
/// show.
pub async fn clicks_by_day(
    store: &Store,
    domain_id: i64,
    filter: &Filter,
    first: Day,
    last: Day,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let (condition, mut params) = condition(domain_id, filter);
    let sum = format!(
        "SELECT r.day AS day, {{as int COALESCE(SUM(r.clicks), 0)}} AS clicks \
         FROM daily_record r WHERE {condition} AND r.day >= {{?}} AND r.day <= {{?}} GROUP BY r.day"
    );
    params.extend([first.to_string().into(), last.to_string().into()]);
    let rows = store.all(&sum, None, params).await?;
    rows.iter().map(|row| Ok((row.text("day")?, row.int("clicks")?))).collect()
}
