//! Recording: the SQL by which the outcomes of many attempts become durable in one transaction.
//!
//! Owns the tables of attempts and the moves of rows (contract 6, "States"). An outcome counts
//! only while its token stands in the lease: of a process that was stopped past its lease nothing
//! is written, neither the state nor the attempt.
use std::collections::HashSet;

use super::{Outbox, Outcome, Verdict};
use crate::{
    failpoint,
    store::{Param, Rows, Store, StoreError, Tx, rows::Kind},
};

/// An outcome with the token that it counts under.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What happened.
    pub outcome: &'a Outcome,
    /// What has to stand in the lease.
    pub token: &'a str,
}

/// Names differ from the table's columns, as `UPDATE … FROM` wants on some databases.
const MOVES: &[(&str, Kind)] = &[
    ("item", Kind::Text),
    ("token", Kind::Text),
    ("new_state", Kind::Text),
    ("new_attempts", Kind::Int),
    ("new_next", Kind::Int),
    ("new_delivered", Kind::Int),
];

const MOVE: &str = "
UPDATE {table}{, rows}
SET state = r.new_state, attempts = r.new_attempts, next_attempt_us = r.new_next,
    delivered_us = r.new_delivered, lease = NULL, lease_until_us = 0
{from rows} WHERE {table}.id = r.item AND {table}.lease = r.token";

const OURS: &str = "
SELECT id FROM {rows} JOIN {table} ON id = r.item AND lease = r.token {for update}";

const ATTEMPTS: &[(&str, Kind)] = &[
    ("item", Kind::Text),
    ("number", Kind::Int),
    ("time_us", Kind::Int),
    ("duration_us", Kind::Int),
    ("status", Kind::Int),
    ("error", Kind::Text),
    ("answer", Kind::Text),
];

const INSERT_ATTEMPTS: &str = "
INSERT INTO {attempts} ({attempt_of}, number, time_us, duration_us, status, error, answer)
SELECT item, number, time_us, duration_us, status, error, answer FROM {rows} WHERE true
{conflict {attempt_of}, number} time_us = {new time_us}, duration_us = {new duration_us},
    status = {new status}, error = {new error}, answer = {new answer}";

/// Writes all outcomes whose lease still holds, in one transaction; the ids of the others.
pub async fn record(
    outbox: &Outbox,
    store: &Store,
    entries: &[Entry<'_>],
) -> Result<HashSet<String>, StoreError> {
    let (move_rows, insert) = (outbox.sql(MOVE), outbox.sql(INSERT_ATTEMPTS));
    let tx = store.begin().await?;
    let moved = tx.run(&move_rows, Some(&moves(entries)), Vec::new()).await?;
    if moved == entries.len() as u64 {
        tx.run(&insert, Some(&attempts(entries)), Vec::new()).await?;
        commit(tx).await?;
        return Ok(HashSet::new());
    }
    // Rare: find out which, and begin anew with those that are ours.
    tx.rollback().await?;
    let tx = store.begin().await?;
    let mut ours = HashSet::new();
    for row in tx.all(&outbox.sql(OURS), Some(&moves(entries)), Vec::new()).await? {
        ours.insert(row.text("id")?);
    }
    let (kept, lost): (Vec<_>, Vec<_>) =
        entries.iter().partition(|entry| ours.contains(&entry.outcome.item_id));
    tx.run(&move_rows, Some(&moves(kept.iter().copied())), Vec::new()).await?;
    tx.run(&insert, Some(&attempts(kept.iter().copied())), Vec::new()).await?;
    commit(tx).await?;
    Ok(lost.iter().map(|entry| entry.outcome.item_id.clone()).collect())
}

async fn commit(tx: Tx) -> Result<(), StoreError> {
    failpoint::reach("outbox::before-outcome-commit")?;
    tx.commit().await
}

fn moves<'a>(entries: impl IntoIterator<Item = &'a Entry<'a>>) -> Rows {
    let mut rows = Rows::new(MOVES);
    for Entry { outcome, token } in entries {
        let (state, next, delivered) = match outcome.verdict {
            Verdict::Delivered(at) => ("delivered", at.0, Some(at.0)),
            Verdict::Again(at) => ("pending", at.0, None),
            Verdict::Dead(at) => ("dead", at.0, None),
        };
        rows.push([
            Param::from(outcome.item_id.as_str()),
            Param::from(*token),
            Param::from(state),
            Param::from(outcome.number),
            Param::from(next),
            Param::from(delivered),
        ]);
    }
    rows
}

fn attempts<'a>(entries: impl IntoIterator<Item = &'a Entry<'a>>) -> Rows {
    let mut rows = Rows::new(ATTEMPTS);
    for Entry { outcome, .. } in entries {
        rows.push([
            Param::from(outcome.item_id.as_str()),
            Param::from(outcome.number),
            Param::from(outcome.time_us),
            Param::from(outcome.duration_us),
            Param::from(outcome.status.map(i64::from)),
            Param::from(outcome.error.as_deref()),
            Param::from(outcome.answer.as_deref()),
        ]);
    }
    rows
}
