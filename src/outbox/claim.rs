//! Claiming: the SQL by which an item that is due becomes this process's for a while.
//!
//! Owns the lease of a row (contract 6, "States"): whoever's token stands in it may write its
//! outcome, until `lease_until_us`, when anybody may claim it. Refuses to decide how many, which of
//! them may leave now, and what is done with them.
use super::{Courier, Item, Outbox};
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
/// Values of a column of the table.
const VALUE: &[(&str, Kind)] = &[("one_of", Kind::Text)];

const NAMED: &str = "
SELECT id, attempts, first_attempt_us, {columns}
FROM {rows} JOIN {table} ON id = r.named_id
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?} {skip locked}";

const DUE: &str = "
SELECT id, attempts, first_attempt_us, {columns}
FROM {table}
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?}
ORDER BY next_attempt_us LIMIT {?} {skip locked}";

const DUE_BUT: &str = "
SELECT id, attempts, first_attempt_us, {columns}
FROM {table}
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?}
    AND NOT EXISTS (SELECT 1 FROM {rows} WHERE r.one_of = {table}.{column})
ORDER BY next_attempt_us LIMIT {?} {skip locked}";

const DUE_VALUES: &str = "
SELECT DISTINCT {column} AS found FROM {table}
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?}
    AND EXISTS (SELECT 1 FROM {rows} WHERE r.one_of = {table}.{column})";

const OLDEST: &str = "
SELECT id FROM {table}
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?}
ORDER BY created_us, id LIMIT 1";

const OLDEST_AMONG: &str = "
SELECT id FROM {table}
WHERE state = 'pending' AND next_attempt_us <= {?} AND lease_until_us <= {?}
    AND EXISTS (SELECT 1 FROM {rows} WHERE r.one_of = {table}.{column})
ORDER BY created_us, id LIMIT 1";

const TAKE: &str = "
UPDATE {table}{, rows}
SET lease = {?}, lease_until_us = {?}, first_attempt_us = COALESCE(first_attempt_us, {?})
{from rows} WHERE {table}.id = r.named_id";

const NEXT_DUE: &str = "
SELECT MIN(next_attempt_us) AS due FROM {table}
WHERE state = 'pending' AND next_attempt_us > {?}";

/// What is due, in the transaction of a claim.
pub struct Due<'a> {
    /// The transaction.
    pub tx: &'a Tx,
    /// Whose items.
    pub outbox: &'static Outbox,
    /// The instant of the claim.
    pub at: Micros,
    /// The token that its leases will have.
    pub token: &'a str,
    /// When they will end.
    pub until: Micros,
}

impl Due<'_> {
    /// Locks and reads items. Those that another process has in hand at this moment are passed
    /// over, not waited for.
    pub async fn lock<I: Item>(&self, which: Which<'_>) -> Result<Vec<I>, StoreError> {
        let now = Param::from(self.at.0);
        match which {
            Which::Named(ids) => {
                let ids = texts(ID, ids.iter().map(String::as_str));
                self.read(&self.outbox.sql(NAMED), Some(&ids), vec![now.clone(), now]).await
            }
            Which::Due(most) => {
                let most = i64::try_from(most).unwrap_or(i64::MAX);
                self.read(&self.outbox.sql(DUE), None, vec![now.clone(), now, most.into()]).await
            }
        }
    }

    /// The same of those longest due, but for those that have one of these values in `column`.
    pub async fn lock_but<I: Item>(
        &self,
        most: usize,
        column: &str,
        values: &[&str],
    ) -> Result<Vec<I>, StoreError> {
        if values.is_empty() {
            return self.lock(Which::Due(most)).await;
        }
        let now = Param::from(self.at.0);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let sql = self.outbox.sql(DUE_BUT).replace("{column}", column);
        let values = texts(VALUE, values.iter().copied());
        self.read(&sql, Some(&values), vec![now.clone(), now, most.into()]).await
    }

    /// Which of these values items that are due have in `column`.
    pub async fn values(&self, column: &str, values: &[&str]) -> Result<Vec<String>, StoreError> {
        let sql = self.outbox.sql(DUE_VALUES).replace("{column}", column);
        let params = vec![Param::from(self.at.0), Param::from(self.at.0)];
        let values = texts(VALUE, values.iter().copied());
        let found = self.tx.all(&sql, Some(&values), params).await?;
        found.iter().map(|row| row.text("found")).collect()
    }

    /// Locks the oldest of those that are due and, where it is said, have one of these values in
    /// a column. `None`: there is none, or another process has it in hand.
    pub async fn oldest<I: Item>(
        &self,
        among: Option<(&str, &[&str])>,
    ) -> Result<Option<I>, StoreError> {
        let params = vec![Param::from(self.at.0), Param::from(self.at.0)];
        // Found first and locked then: some databases lock all that they look at.
        let found = match among {
            None => self.tx.all(&self.outbox.sql(OLDEST), None, params).await?,
            Some((column, values)) => {
                let sql = self.outbox.sql(OLDEST_AMONG).replace("{column}", column);
                self.tx.all(&sql, Some(&texts(VALUE, values.iter().copied())), params).await?
            }
        };
        let Some(row) = found.first() else { return Ok(None) };
        Ok(self.lock(Which::Named(&[row.text("id")?])).await?.pop())
    }

    async fn read<I: Item>(
        &self,
        sql: &str,
        rows: Option<&Rows>,
        params: Vec<Param<'_>>,
    ) -> Result<Vec<I>, StoreError> {
        self.tx.all(sql, rows, params).await?.iter().map(I::read).collect()
    }
}

/// Claims what the courier picks in one transaction, for as long as `lease_us`.
pub async fn claim<C: Courier>(
    courier: &C,
    store: &Store,
    clock: &Clock,
    which: Which<'_>,
    lease_us: i64,
) -> Result<Claim<C::Item>, StoreError> {
    let token = uuid::Uuid::new_v4().to_string();
    let tx = store.begin().await?;
    // Taken here, because on SQLite the transaction may have waited for another process's.
    let at = clock.now();
    let until = Micros(at.0.saturating_add(lease_us));
    let due = Due { tx: &tx, outbox: C::Item::OUTBOX, at, token: &token, until };
    let items = courier.pick(&due, which).await?;
    if items.is_empty() {
        tx.rollback().await?;
    } else {
        let ids = texts(ID, items.iter().map(Item::id));
        let params = vec![token.as_str().into(), until.0.into(), at.0.into()];
        tx.run(&C::Item::OUTBOX.sql(TAKE), Some(&ids), params).await?;
        tx.commit().await?;
    }
    Ok(Claim { token, at, items })
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

fn texts<'a>(
    column: &'static [(&'static str, Kind)],
    texts: impl Iterator<Item = &'a str>,
) -> Rows {
    let mut rows = Rows::new(column);
    for text in texts {
        rows.push([Param::from(text)]);
    }
    rows
}
