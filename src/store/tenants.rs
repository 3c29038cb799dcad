//! Domains and their administrators: written by the operator's commands, read by the ingress.
use chrono_tz::Tz;

use super::{
    Param, Store, StoreError, Tx,
    reference::{self, Domain},
};
use crate::domain::{Currency, Micros};

/// The domain of this name.
pub async fn domain(store: &Store, name: &str) -> Result<Option<Domain>, StoreError> {
    Ok(reference::domains(store, &[name]).await?.remove(name))
}

/// The domain with this key.
pub async fn domain_of_id(store: &Store, id: i64) -> Result<Option<Domain>, StoreError> {
    const FIND: &str = "SELECT id, name, timezone, currency FROM domain WHERE id = {?}";
    store.one(FIND, vec![id.into()]).await?.as_ref().map(reference::domain).transpose()
}

/// All domains, by name.
pub async fn domains(store: &Store) -> Result<Vec<Domain>, StoreError> {
    const ALL: &str = "SELECT id, name, timezone, currency FROM domain ORDER BY name";
    store.all(ALL, None, Vec::new()).await?.iter().map(reference::domain).collect()
}

/// Locks a domain's row until the transaction ends, for what is done one after the other in a domain.
pub async fn hold(tx: &Tx, domain_id: i64) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT id FROM domain WHERE id = {?} {for update}";
    tx.one(LOCK, vec![domain_id.into()]).await.map(|_| ())
}

/// Makes a domain; [`StoreError::Taken`] where the name is.
pub async fn create_domain(
    store: &Store,
    name: &str,
    zone: Tz,
    currency: Currency,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO domain (name, timezone, currency, ctime_us) \
        VALUES ({?}, {?}, {?}, {?})";
    let params = vec![name.into(), zone.name().into(), currency.as_str().into(), now.0.into()];
    store.run(INSERT, None, params).await.map(|_| ())
}

/// Sets a domain's time zone. Days that are already recorded stay where they are; when that was is kept
/// for `rebuild`.
pub async fn set_zone(
    store: &Store,
    domain_id: i64,
    zone: Tz,
    now: Micros,
) -> Result<(), StoreError> {
    const UPDATE: &str =
        "UPDATE domain SET timezone = {?}, zone_us = {?} WHERE id = {?} AND timezone <> {?}";
    let params = vec![zone.name().into(), now.0.into(), domain_id.into(), zone.name().into()];
    store.run(UPDATE, None, params).await.map(|_| ())
}

/// Sets a domain's currency, which it can only have while it has no payments and no programmes
/// (contract 7); false where it has.
pub async fn set_currency(
    store: &Store,
    domain_id: i64,
    currency: Currency,
) -> Result<bool, StoreError> {
    const UPDATE: &str = "UPDATE domain SET currency = {?} WHERE id = {?} \
        AND NOT EXISTS (SELECT 1 FROM programme p WHERE p.domain_id = {?}) \
        AND NOT EXISTS (SELECT 1 FROM payment p WHERE p.domain_id = {?})";
    const READ: &str = "SELECT currency FROM domain WHERE id = {?}";
    let ids = [domain_id.into(), domain_id.into(), domain_id.into()];
    let params = std::iter::once(Param::from(currency.as_str())).chain(ids).collect();
    store.run(UPDATE, None, params).await?;
    // MySQL counts changed rows, not found ones: what is there now is what tells.
    let row = store.one(READ, vec![domain_id.into()]).await?;
    Ok(row.map(|row| row.text("currency")).transpose()?.as_deref() == Some(currency.as_str()))
}

/// Makes an administrator; [`StoreError::Taken`] where the domain has one of this login.
pub async fn create_administrator(
    store: &Store,
    domain_id: i64,
    login: &str,
    password_hash: &str,
    now: Micros,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO administrator (domain_id, login, password_hash, ctime_us) \
        VALUES ({?}, {?}, {?}, {?})";
    let params = vec![domain_id.into(), login.into(), password_hash.into(), now.0.into()];
    store.run(INSERT, None, params).await.map(|_| ())
}

/// Sets a password; false where the domain has no administrator of this login.
pub async fn set_password(
    store: &Store,
    domain_id: i64,
    login: &str,
    password_hash: &str,
) -> Result<bool, StoreError> {
    const UPDATE: &str =
        "UPDATE administrator SET password_hash = {?} WHERE domain_id = {?} AND login = {?}";
    let params = vec![password_hash.into(), domain_id.into(), login.into()];
    Ok(store.run(UPDATE, None, params).await? > 0)
}
