//! What is exchanged with a remote RCP (contract 2, last paragraph): the codes that were put there,
//! and its records as they were read. Written by `referral rcp sync` alone.
use std::collections::HashMap;

use super::{Param, Row, Rows, Store, StoreError, Tx, rows::Kind};
use crate::domain::{Code, Day, Micros};

/// A local domain and the remote that it is synchronised with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The local domain.
    pub domain_id: i64,
    /// The remote's name: its URL and the domain there, at most 555 characters.
    pub remote: String,
}

impl Pair {
    fn params(&self) -> [Param<'_>; 2] {
        [self.domain_id.into(), self.remote.as_str().into()]
    }
}

/// A code that the remote does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The code.
    pub code: String,
    /// Its referrer's.
    pub email: String,
}

/// The codes with an e-mail, registered or a user's own, after the one given, that the remote has not taken.
const MISSING: &str = "FROM (SELECT c.code AS code, c.email AS email FROM code c \
    WHERE c.domain_id = {?} AND c.code > {?} \
    UNION ALL SELECT a.code AS code, a.email AS email FROM account a \
    WHERE a.domain_id = {?} AND a.code > {?} AND a.email IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM code c WHERE c.code = a.code)) m \
    WHERE NOT EXISTS (SELECT 1 FROM remote_code d WHERE d.domain_id = {?} AND d.remote = {?} \
    AND d.code = m.code AND d.state = 'done')";

fn missing_params<'a>(pair: &'a Pair, after: &'a str) -> Vec<Param<'a>> {
    let of_domain = || [Param::from(pair.domain_id), Param::from(after)];
    of_domain().into_iter().chain(of_domain()).chain(pair.params()).collect()
}

/// The first `limit` codes after `after` that the remote has not taken, in order. Those that it
/// refused are among them.
pub async fn missing(
    store: &Store,
    pair: &Pair,
    after: &str,
    limit: i64,
) -> Result<Vec<Missing>, StoreError> {
    let list =
        format!("SELECT m.code AS code, m.email AS email {MISSING} ORDER BY m.code LIMIT {{?}}");
    let mut params = missing_params(pair, after);
    params.push(limit.into());
    let rows = store.all(&list, None, params).await?;
    let read = |row: &Row| Ok(Missing { code: row.text("code")?, email: row.text("email")? });
    rows.iter().map(read).collect()
}

/// How many there are of them.
pub async fn count_missing(store: &Store, pair: &Pair) -> Result<i64, StoreError> {
    let count = format!("SELECT COUNT(*) AS codes {MISSING}");
    let row = store.one(&count, missing_params(pair, "")).await?;
    row.map_or(Ok(0), |row| row.int("codes"))
}

/// What the remote said to a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Taken, also where it was there already; else refused.
    pub is_done: bool,
    /// The HTTP status.
    pub status: u16,
    /// The remote's words.
    pub detail: Option<String>,
}

/// Remembers what the remote said to a code.
pub async fn mark(
    store: &Store,
    pair: &Pair,
    put: &Missing,
    said: &Said,
    now: Micros,
) -> Result<(), StoreError> {
    const UPSERT: &str = "INSERT INTO remote_code (domain_id, remote, code, email, state, status, \
        detail, put_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}) \
        {conflict domain_id, remote, code} email = {new email}, state = {new state}, \
        status = {new status}, detail = {new detail}, put_us = {new put_us}";
    let params: Vec<Param> = pair
        .params()
        .into_iter()
        .chain([
            put.code.as_str().into(),
            put.email.as_str().into(),
            if said.is_done { "done" } else { "refused" }.into(),
            i64::from(said.status).into(),
            said.detail.as_deref().into(),
            now.0.into(),
        ])
        .collect();
    store.again(async || store.run(UPSERT, None, params.clone()).await).await.map(|_| ())
}

/// A remote record. Which members may be missing is the seed's: `ctime` and `mtime`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The remote's day.
    pub day: Day,
    /// The code.
    pub code: Code,
    /// The remote's UUID for it.
    pub id: String,
    /// Link follows of that day.
    pub clicks: i64,
    /// Who registered that day.
    pub emails: Vec<String>,
    /// When the remote made it.
    pub ctime: Option<Micros>,
    /// When the remote changed it last.
    pub mtime: Option<Micros>,
}

/// What a row says: everything but its key and `synced_us`.
#[derive(PartialEq)]
struct Content {
    id: String,
    clicks: i64,
    emails: String,
    ctime: Option<i64>,
    mtime: Option<i64>,
}

impl Content {
    fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            clicks: record.clicks,
            emails: serde_json::Value::from(record.emails.clone()).to_string(),
            ctime: record.ctime.map(|time| time.0),
            mtime: record.mtime.map(|time| time.0),
        }
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("record_id")?,
            clicks: row.int("clicks")?,
            emails: row.text("emails")?,
            ctime: row.int_or_null("ctime_us")?,
            mtime: row.int_or_null("mtime_us")?,
        })
    }
}

/// Keeps what was read; how many rows that changed. A row only moves forward: what the remote
/// changed earlier than what is kept is left out.
pub async fn keep(
    store: &Store,
    pair: &Pair,
    records: &[Record],
    now: Micros,
) -> Result<u64, StoreError> {
    let work = async || {
        let tx = store.begin().await?;
        let mut kept = kept(&tx, pair, records).await?;
        // In the key's order, so that two who write do not wait for each other crosswise.
        let mut sorted: Vec<&Record> = records.iter().collect();
        sorted.sort_by_key(|record| (record.day, record.code.clone(), record.mtime));
        let mut changed = 0;
        for record in sorted {
            let key = (record.day.to_string(), record.code.as_str().to_owned());
            let content = Content::of(record);
            let is_older = |old: &Content| content.mtime < old.mtime;
            if kept.get(&key).is_some_and(|old| *old == content || is_older(old)) {
                continue;
            }
            write(&tx, pair, &key, &content, now).await?;
            kept.insert(key, content);
            changed += 1;
        }
        tx.commit().await?;
        Ok(changed)
    };
    store.again(work).await
}

async fn kept(
    tx: &Tx,
    pair: &Pair,
    records: &[Record],
) -> Result<HashMap<(String, String), Content>, StoreError> {
    const COLUMNS: &[(&str, Kind)] = &[("day", Kind::Text), ("code", Kind::Text)];
    const FIND: &str = "SELECT t.day AS day, t.code AS code, t.record_id AS record_id, \
        t.clicks AS clicks, t.emails AS emails, t.ctime_us AS ctime_us, t.mtime_us AS mtime_us \
        FROM {rows} JOIN remote_record t ON t.domain_id = {?} AND t.remote = {?} \
        AND t.day = r.day AND t.code = r.code";
    let mut rows = Rows::new(COLUMNS);
    for record in records {
        rows.push([record.day.to_string().into(), record.code.as_str().into()]);
    }
    let found = tx.all(FIND, Some(&rows), pair.params().into()).await?;
    let read = |row: &Row| Ok(((row.text("day")?, row.text("code")?), Content::read(row)?));
    found.iter().map(read).collect()
}

/// One row, as its addresses may be longer than what travels in [`Rows`]. Says once more that it
/// only moves forward: another run may have written it since it was read.
async fn write(
    tx: &Tx,
    pair: &Pair,
    key: &(String, String),
    content: &Content,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO remote_record (domain_id, remote, day, code, record_id, \
        clicks, emails, ctime_us, mtime_us, synced_us) \
        VALUES ({?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}, {?}) \
        {conflict domain_id, remote, day, code} ";
    const FORWARD: &str =
        "COALESCE({new mtime_us}, 0) >= COALESCE({old remote_record.mtime_us}, 0)";
    // MySQL sets them one after the other: what is compared comes last.
    const SET: [&str; 6] = ["record_id", "clicks", "emails", "ctime_us", "synced_us", "mtime_us"];
    let set = SET.map(|column| {
        let values = format!("{{new {column}}} ELSE {{old remote_record.{column}}}");
        format!("{column} = CASE WHEN {FORWARD} THEN {values} END")
    });
    let upsert = format!("{INSERT}{}", set.join(", "));
    let (day, code) = key;
    let params = pair
        .params()
        .into_iter()
        .chain([
            day.as_str().into(),
            code.as_str().into(),
            content.id.as_str().into(),
            content.clicks.into(),
            content.emails.as_str().into(),
            content.ctime.into(),
            content.mtime.into(),
            now.0.into(),
        ])
        .collect();
    tx.run(&upsert, None, params).await.map(|_| ())
}
