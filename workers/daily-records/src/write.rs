//! A tally's one transaction: raw rows first (the inbox), then the records they move.
use std::collections::HashSet;

use referral::{
    domain::{Code, Email, EventKey, Micros},
    failpoint,
    store::{
        New, Rows, Store, StoreError, Tx,
        rows::Kind::{Int, Text},
    },
};
use uuid::Uuid;

use crate::tally::Tally;

/// Writes a tally; how many of its rows were new.
pub async fn write(store: &Store, tally: &Tally<'_>, now: Micros) -> Result<usize, StoreError> {
    let (clicks, signups) = (clicks(tally, now), signups(tally, now));
    let tx = store.begin().await?;
    let new_clicks = tx.insert_new("click", &clicks).await?;
    let new_signups = tx.insert_new("daily_signup", &signups).await?;
    let echoes = echoes(&tx, tally, &new_signups).await?;
    let mut records = Rows::new(&[
        ("domain_id", Int),
        ("day", Text),
        ("code", Text),
        ("id", Text),
        ("clicks", Int),
        ("now_us", Int),
    ]);
    for (key, clicks) in
        tally.records(&new_clicks, |key| new_signups.contains(key) && !echoes.contains(key))
    {
        records.push([
            key.domain_id.into(),
            key.day.to_string().into(),
            key.code.as_str().into(),
            Uuid::new_v4().to_string().into(),
            clicks.into(),
            now.0.into(),
        ]);
    }
    // Sorted by primary key, so that two workers lock in the same order. `mtime` moves also where
    // the clock of whoever changed the record last is ahead of this one's.
    const ADD: &str = "INSERT INTO daily_record (domain_id, day, code, id, clicks, ctime_us, mtime_us) \
        SELECT domain_id, day, code, id, clicks, now_us, now_us FROM {rows} WHERE true \
        {conflict domain_id, day, code} clicks = {old daily_record.clicks} + {new clicks}, \
        mtime_us = {greatest}({old daily_record.mtime_us} + 1, {new mtime_us})";
    tx.run(ADD, Some(&records), Vec::new()).await?;
    failpoint::reach("daily-records::before-commit")?;
    tx.commit().await?;
    Ok(new_clicks.count(tally.clicks.len()) + new_signups.count(tally.signups.len()))
}

/// The new signups whose address is on their record already, earlier and in its own spelling: they
/// change nothing that the record shows.
async fn echoes(tx: &Tx, tally: &Tally<'_>, new: &New) -> Result<HashSet<EventKey>, StoreError> {
    const FIND: &str = "SELECT DISTINCT r.event_key AS event_key FROM {rows} JOIN daily_signup s \
        ON s.domain_id = r.domain_id AND s.code = r.code AND s.day = r.day \
        AND s.email_key = r.email_key \
        WHERE s.time_us < r.time_us OR (s.time_us = r.time_us AND (s.email < r.email \
        OR (s.email = r.email AND s.event_key < r.event_key)))";
    let mut rows = Rows::new(&[
        ("event_key", Text),
        ("domain_id", Int),
        ("code", Text),
        ("day", Text),
        ("time_us", Int),
        ("email", Text),
        ("email_key", Text),
    ]);
    for row in tally.signups.iter().filter(|row| new.contains(&row.key)) {
        if let (Some(code), Some(email)) = (row.code, row.email) {
            rows.push([
                row.key.as_str().into(),
                row.domain_id.into(),
                code.as_str().into(),
                row.day.to_string().into(),
                row.time.0.into(),
                email.spelling().into(),
                email.key().into(),
            ]);
        }
    }
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let found = tx.all(FIND, Some(&rows), Vec::new()).await?;
    let mut echoes = HashSet::with_capacity(found.len());
    for row in found {
        echoes.extend(EventKey::from_stored(&row.text("event_key")?));
    }
    Ok(echoes)
}

fn clicks(tally: &Tally<'_>, now: Micros) -> Rows {
    let mut rows = Rows::new(&[
        ("event_key", Text),
        ("domain_id", Int),
        ("code", Text),
        ("time_us", Int),
        ("bot", Int),
        ("ip", Text),
        ("user_agent", Text),
        ("referrer", Text),
        ("user_hash", Text),
        ("query_string", Text),
        ("seen_us", Int),
    ]);
    for row in &tally.clicks {
        rows.push([
            row.key.as_str().into(),
            row.domain_id.into(),
            row.click.code.as_str().into(),
            row.time.0.into(),
            row.bot.into(),
            row.click.ip.as_deref().into(),
            row.click.user_agent.as_deref().into(),
            row.click.referrer.as_deref().into(),
            row.click.user_hash.as_deref().into(),
            row.click.query_string.as_deref().into(),
            now.0.into(),
        ]);
    }
    rows
}

fn signups(tally: &Tally<'_>, now: Micros) -> Rows {
    let mut rows = Rows::new(&[
        ("event_key", Text),
        ("domain_id", Int),
        ("code", Text),
        ("day", Text),
        ("time_us", Int),
        ("email", Text),
        ("email_key", Text),
        ("seen_us", Int),
    ]);
    for row in &tally.signups {
        rows.push([
            row.key.as_str().into(),
            row.domain_id.into(),
            row.code.map(Code::as_str).into(),
            row.day.to_string().into(),
            row.time.0.into(),
            row.email.map(Email::spelling).into(),
            row.email.map(Email::key).into(),
            now.0.into(),
        ]);
    }
    rows
}
