//! Pruning (contract 7): what was raw of old clicks goes, their keys stay.
//!
//! The rows stay in place, emptied of what a visitor brought along: so the inbox of daily-records
//! needs no second table to look in, and a redelivered click meets its own row for ever. How far a
//! domain was pruned is told in its row before the first click is touched.
use super::{Rows, Store, StoreError, rows::Kind::Int};
use crate::domain::Micros;

/// What is raw of a click, and still there.
const RAW: &str = "(ip IS NOT NULL OR user_agent IS NOT NULL OR referrer IS NOT NULL \
    OR user_hash IS NOT NULL OR query_string IS NOT NULL)";

/// Tells that the domain's clicks from before this instant are pruned; never takes that back.
pub async fn mark(store: &Store, domain_id: i64, before: Micros) -> Result<(), StoreError> {
    const MARK: &str = "UPDATE domain SET pruned_us = {?} \
        WHERE id = {?} AND (pruned_us IS NULL OR pruned_us < {?})";
    let params = || vec![before.0.into(), domain_id.into(), before.0.into()];
    store.again(async || store.run(MARK, None, params()).await).await.map(|_| ())
}

/// Up to which instant the domain's clicks were pruned; none: never.
pub async fn pruned(store: &Store, domain_id: i64) -> Result<Option<Micros>, StoreError> {
    const FIND: &str = "SELECT pruned_us FROM domain WHERE id = {?}";
    let row = store.one(FIND, vec![domain_id.into()]).await?;
    Ok(row.map_or(Ok(None), |row| row.int_or_null("pruned_us"))?.map(Micros))
}

/// The ids of the first and of the last click; none: there are no clicks.
pub async fn extent(store: &Store) -> Result<Option<(i64, i64)>, StoreError> {
    const ENDS: &str = "SELECT MIN(id) AS first, MAX(id) AS last FROM click";
    let Some(row) = store.one(ENDS, Vec::new()).await? else { return Ok(None) };
    Ok(row.int_or_null("first")?.zip(row.int_or_null("last")?))
}

/// Which clicks are old: by domain, those from before an instant.
pub struct Old(Rows);

impl Old {
    /// Of these domains.
    pub fn of(domains: &[(i64, Micros)]) -> Self {
        let mut rows = Rows::new(&[("domain_id", Int), ("before_us", Int)]);
        for (domain_id, before) in domains {
            rows.push([(*domain_id).into(), before.0.into()]);
        }
        Self(rows)
    }
}

/// Empties the old clicks of these ids, both ends included; how many there were to empty.
pub async fn empty(store: &Store, old: &Old, first: i64, last: i64) -> Result<u64, StoreError> {
    let empty = format!(
        "UPDATE click{{, rows}} SET ip = NULL, user_agent = NULL, referrer = NULL, \
         user_hash = NULL, query_string = NULL {{from rows}} \
         WHERE click.id >= {{?}} AND click.id <= {{?}} AND click.domain_id = r.domain_id \
         AND click.time_us < r.before_us AND {RAW}"
    );
    let params = || vec![first.into(), last.into()];
    store.again(async || store.run(&empty, Some(&old.0), params()).await).await
}

/// How many old clicks of these ids there are to empty.
pub async fn count(store: &Store, old: &Old, first: i64, last: i64) -> Result<u64, StoreError> {
    let count = format!(
        "SELECT COUNT(*) AS n FROM {{rows}} JOIN click ON click.domain_id = r.domain_id \
         AND click.time_us < r.before_us \
         WHERE click.id >= {{?}} AND click.id <= {{?}} AND {RAW}"
    );
    let found = store.all(&count, Some(&old.0), vec![first.into(), last.into()]).await?;
    Ok(found.first().map_or(Ok(0), |row| row.int("n"))?.unsigned_abs())
}
