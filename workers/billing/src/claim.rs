//! Claiming: the SQL by which a delivery that is due becomes this process's for a while.
//!
//! Owns the lease of a `delivery` row (contract 6, "States"): whoever's token stands in it may
//! write its outcome, until `lease_until_us`, when anybody may claim it. Refuses to decide how
//! many, and what is done with them.
use referral::{
    clock::Clock,
    domain::Micros,
    store::{Param, Row, Rows, Store, StoreError, Tx, rows::Kind},
    webhook::Credit,
};

/// A delivery that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What billing is told.
    pub credit: Credit,
    /// Attempts before this one.
    pub attempts: i64,
    /// When the first attempt was claimed; none: this is it.
    pub first_attempt_us: Option<i64>,
}

/// What one claim brought.
#[derive(Debug)]
pub struct Claim {
    /// The token in the lease of each.
    pub token: String,
    /// From when the lease counts.
    pub at: Micros,
    /// The deliveries, in no order.
    pub deliveries: Vec<Delivery>,
}

/// Which deliveries to claim of those that are due.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Among these ids.
    Named(&'a [String]),
    /// Any, those longest due first, at most so many.
    Due(usize),
}

const ID: &[(&str, Kind)] = &[("id", Kind::Text)];

const NAMED: &str = "
SELECT d.id, d.user_hash, d.kind, d.amount_minor, d.currency, d.program_id, d.program_name,
    d.user_indicator_hash, d.referred_user_hash, d.traceparent, d.tracestate, d.created_us,
    d.attempts, d.first_attempt_us
FROM {rows} JOIN delivery d ON d.id = r.id
WHERE d.state = 'pending' AND d.next_attempt_us <= {?} AND d.lease_until_us <= {?} {skip locked}";

const DUE: &str = "
SELECT d.id, d.user_hash, d.kind, d.amount_minor, d.currency, d.program_id, d.program_name,
    d.user_indicator_hash, d.referred_user_hash, d.traceparent, d.tracestate, d.created_us,
    d.attempts, d.first_attempt_us
FROM delivery d
WHERE d.state = 'pending' AND d.next_attempt_us <= {?} AND d.lease_until_us <= {?}
ORDER BY d.next_attempt_us LIMIT {?} {skip locked}";

const TAKE: &str = "
UPDATE delivery{, rows}
SET lease = {?}, lease_until_us = {?}, first_attempt_us = COALESCE(first_attempt_us, {?})
{from rows} WHERE delivery.id = r.id";

const NEXT_DUE: &str = "
SELECT MIN(next_attempt_us) AS due FROM delivery
WHERE state = 'pending' AND next_attempt_us > {?}";

/// Claims in one transaction, for as long as `lease_us`. Rows that another process has in hand at
/// this moment are passed over, not waited for.
pub async fn claim(
    store: &Store,
    clock: &Clock,
    which: Which<'_>,
    lease_us: i64,
) -> Result<Claim, StoreError> {
    let token = uuid::Uuid::new_v4().to_string();
    let tx = store.begin().await?;
    // Taken here, because on SQLite the transaction may have waited for another process's.
    let at = clock.now();
    let deliveries = match which {
        Which::Named(ids) => {
            let ids = id_rows(ids.iter().map(String::as_str));
            tx.all(NAMED, Some(&ids), vec![at.0.into(), at.0.into()]).await?
        }
        Which::Due(most) => {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            tx.all(DUE, None, vec![at.0.into(), at.0.into(), most.into()]).await?
        }
    };
    let deliveries = deliveries.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if deliveries.is_empty() {
        tx.rollback().await?;
    } else {
        take(tx, &deliveries, &token, at, lease_us).await?;
    }
    Ok(Claim { token, at, deliveries })
}

async fn take(
    tx: Tx,
    deliveries: &[Delivery],
    token: &str,
    at: Micros,
    lease_us: i64,
) -> Result<(), StoreError> {
    let ids = id_rows(deliveries.iter().map(|d| d.credit.id.as_str()));
    let until = at.0.saturating_add(lease_us);
    tx.run(TAKE, Some(&ids), vec![token.into(), until.into(), at.0.into()]).await?;
    tx.commit().await
}

/// When the next delivery that is not due at `now` will be; `None`: none is waiting.
pub async fn next_due(store: &Store, now: Micros) -> Result<Option<Micros>, StoreError> {
    let row = store.one(NEXT_DUE, vec![now.0.into()]).await?;
    Ok(row.map(|row| row.int_or_null("due")).transpose()?.flatten().map(Micros))
}

fn id_rows<'a>(ids: impl Iterator<Item = &'a str>) -> Rows {
    let mut rows = Rows::new(ID);
    for id in ids {
        rows.push([Param::from(id)]);
    }
    rows
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    let credit = Credit {
        id: row.text("id")?,
        user_hash: row.text("user_hash")?,
        kind: row.text("kind")?,
        amount_minor: row.int("amount_minor")?,
        currency: row.text("currency")?,
        program_id: row.int("program_id")?,
        program_name: row.text("program_name")?,
        user_indicator_hash: row.text("user_indicator_hash")?,
        referred_user_hash: row.text("referred_user_hash")?,
        traceparent: row.text_or_null("traceparent")?,
        tracestate: row.text_or_null("tracestate")?,
        created_us: row.int("created_us")?,
    };
    Ok(Delivery {
        credit,
        attempts: row.int("attempts")?,
        first_attempt_us: row.int_or_null("first_attempt_us")?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use referral::domain::UserHash;

    use super::*;

    /// A delivery that was never attempted.
    pub(crate) fn delivery(id: &str) -> Delivery {
        let user = UserHash::parse("alice").unwrap();
        let credit = Credit::made_up(id, &user, Micros(0));
        Delivery { credit, attempts: 0, first_attempt_us: None }
    }
}
