//! Claiming: the SQL by which an item that is due becomes this process's for a while.
//!
//! Owns the lease of a row (contract 6, "States"): whoever's token stands in it may write its
//! outcome, until `lease_until_us`, when anybody may claim it. Refuses to decide how many, and what
//! is done with them.
use super::{Item, Outbox};
use crate::{
    clock::Clock,
    domain::Micros,
    store::{Param, Rows, Store, StoreError, Tx, rows::Kind},
};

/// What one claim brought.
#[derive(Debug)]
pub struct Claim<I> {
    /// The token in the lease of each.
    pub token: String,
    /// From when the lease counts.
    pub at: Micros,
    /// The items, in no order.
    pub items: Vec<I>,
}

/// Which items to claim of those that are due.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Among these ids.
    Named(&'a [String]),
    /// Any, those longest due first, at most so many.
    Due(usize),
}

/// Named unlike the table's column, as `UPDATE … FROM` wants on some databases.
const ID: &[(&str, Kind)] = &[("named_id", Kind::Text)];

const NAMED: &str = "
SELECT id, attempts, first_attempt_us, {columns}
FROM {rows} JOIN {table} ON id = r.named_id
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?} {skip locked}";

const DUE: &str = "
SELECT id, attempts, first_attempt_us, {columns}
FROM {table}
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?}
ORDER BY next_attempt_us LIMIT {?} {skip locked}";

const TAKE: &str = "
UPDATE {table}{, rows}
SET lease = {?}, lease_until_us = {?}, first_attempt_us = COALESCE(first_attempt_us, {?})
{from rows} WHERE {table}.id = r.named_id";

const NEXT_DUE: &str = "
SELECT MIN(next_attempt_us) AS due FROM {table}
WHERE state = 'pending' AND next_attempt_us > {?}";

/// Claims in one transaction, for as long as `lease_us`. Rows that another process has in hand at
/// this moment are passed over, not waited for.
pub async fn claim<I: Item>(
    store: &Store,
    clock: &Clock,
    which: Which<'_>,
    lease_us: i64,
) -> Result<Claim<I>, StoreError> {
    let outbox = I::OUTBOX;
    let token = uuid::Uuid::new_v4().to_string();
    let tx = store.begin().await?;
    // Taken here, because on SQLite the transaction may have waited for another process's.
    let at = clock.now();
    let items = match which {
        Which::Named(ids) => {
            let ids = id_rows(ids.iter().map(String::as_str));
            tx.all(&outbox.sql(NAMED), Some(&ids), vec![at.0.into(), at.0.into()]).await?
        }
        Which::Due(most) => {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let params = vec![at.0.into(), at.0.into(), most.into()];
            tx.all(&outbox.sql(DUE), None, params).await?
        }
    };
    let items = items.iter().map(I::read).collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() {
        tx.rollback().await?;
    } else {
        take(tx, &items, &token, at, lease_us).await?;
    }
    Ok(Claim { token, at, items })
}

async fn take<I: Item>(
    tx: Tx,
    items: &[I],
    token: &str,
    at: Micros,
    lease_us: i64,
) -> Result<(), StoreError> {
    let ids = id_rows(items.iter().map(I::id));
    let until = at.0.saturating_add(lease_us);
    let params = vec![token.into(), until.into(), at.0.into()];
    tx.run(&I::OUTBOX.sql(TAKE), Some(&ids), params).await?;
    tx.commit().await
}

/// When the next item that is not due at `now` will be; `None`: none is waiting.
pub async fn next_due(
    outbox: &Outbox,
    store: &Store,
    now: Micros,
) -> Result<Option<Micros>, StoreError> {
    let row = store.one(&outbox.sql(NEXT_DUE), vec![now.0.into()]).await?;
    Ok(row.map(|row| row.int_or_null("due")).transpose()?.flatten().map(Micros))
}

fn id_rows<'a>(ids: impl Iterator<Item = &'a str>) -> Rows {
    let mut rows = Rows::new(ID);
    for id in ids {
        rows.push([Param::from(id)]);
    }
    rows
}
