//! E-mail indications (contract 5): which user claimed an address first. Written by the ingress,
//! read by the credits worker at signup.
use std::collections::{HashMap, HashSet};

use super::{Param, Row, Rows, Store, StoreError, Tx, rows::Kind, tenants};
use crate::domain::{Email, Micros, UserHash};

/// Claims addresses for `indicator`; the keys of those that nobody had claimed before. Claims of
/// one domain are made one after the other, so that of two at once for one address one gets it.
pub async fn claim(
    store: &Store,
    domain_id: i64,
    indicator: &UserHash,
    emails: &[Email],
    now: Micros,
) -> Result<HashSet<String>, StoreError> {
    if emails.is_empty() {
        return Ok(HashSet::new());
    }
    store
        .again(async || {
            let tx = store.begin().await?;
            tenants::hold(&tx, domain_id).await?;
            let free = free(&tx, domain_id, emails).await?;
            tx.insert("email_indication", &rows(domain_id, indicator, &free, now)).await?;
            tx.commit().await?;
            Ok(free.into_iter().map(|email| email.key().to_owned()).collect())
        })
        .await
}

/// The first spelling of each address that is not claimed yet.
async fn free<'a>(
    tx: &Tx,
    domain_id: i64,
    emails: &'a [Email],
) -> Result<Vec<&'a Email>, StoreError> {
    let taken = tx.all(FIND, Some(&keys(emails)), vec![domain_id.into()]).await?;
    let taken = taken.iter().map(|row| row.text("email_key"));
    let mut seen: HashSet<String> = taken.collect::<Result<_, StoreError>>()?;
    Ok(emails.iter().filter(|email| seen.insert(email.key().to_owned())).collect())
}

fn rows(domain_id: i64, indicator: &UserHash, emails: &[&Email], now: Micros) -> Rows {
    let mut rows = Rows::new(&[
        ("domain_id", Kind::Int),
        ("email_key", Kind::Text),
        ("email", Kind::Text),
        ("user_hash", Kind::Text),
        ("ctime_us", Kind::Int),
    ]);
    for email in emails {
        rows.push([
            Param::from(domain_id),
            email.key().into(),
            email.spelling().into(),
            indicator.as_str().into(),
            now.0.into(),
        ]);
    }
    rows
}

/// Who claimed each of these addresses, by the address's key.
pub async fn claimed(
    store: &Store,
    domain_id: i64,
    emails: &[Email],
) -> Result<HashMap<String, String>, StoreError> {
    let found = store.all(FIND, Some(&keys(emails)), vec![domain_id.into()]).await?;
    let read = |row: &Row| Ok((row.text("email_key")?, row.text("user_hash")?));
    found.iter().map(read).collect()
}

const FIND: &str = "SELECT i.email_key AS email_key, i.user_hash AS user_hash FROM {rows} \
    JOIN email_indication i ON i.domain_id = {?} AND i.email_key = r.email_key";

fn keys(emails: &[Email]) -> Rows {
    let mut rows = Rows::new(&[("email_key", Kind::Text)]);
    for email in emails {
        rows.push([email.key().into()]);
    }
    rows
}
