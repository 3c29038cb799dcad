//! What every program looks up of the tenants: domains and programmes. Read only.
use std::{collections::HashMap, str::FromStr};

use chrono_tz::Tz;

use super::{Param, Row, Rows, Store, StoreError, Tx, rows::Kind};
use crate::domain::{Currency, Money};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its key in every other table.
    pub id: i64,
    /// The name that events and logins use.
    pub name: String,
    /// Decides the day of a click or signup.
    pub zone: Tz,
    /// Of its programmes and of the payments that count.
    pub currency: Currency,
}

/// A programme's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    /// The integer id of contract 5.
    pub id: i64,
    /// The tenant.
    pub domain_id: i64,
    /// Shown to billing.
    pub name: String,
    /// What the referred user gets at signup.
    pub credit: Money,
    /// What the referrer gets when the referred user's payments reach it.
    pub target: Money,
    /// Share of each payment for the referrer, in ten-thousandths of a percent.
    pub reward_percent_e4: i64,
}

/// Columns of a query that finds names.
const NAMES: &[(&str, Kind)] = &[("name", Kind::Text)];

/// The domains with these names; a name that is missing from the answer has none.
pub async fn domains(store: &Store, names: &[&str]) -> Result<HashMap<String, Domain>, StoreError> {
    let mut rows = Rows::new(NAMES);
    for name in names {
        rows.push([Param::from(*name)]);
    }
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    const FIND: &str = "SELECT d.id AS id, d.name AS name, d.timezone AS timezone, \
        d.currency AS currency FROM {rows} JOIN domain d ON d.name = r.name";
    let found = store.all(FIND, Some(&rows), Vec::new()).await?;
    found.iter().map(|row| domain(row).map(|d| (d.name.clone(), d))).collect()
}

/// A domain from a row with the columns `id`, `name`, `timezone`, `currency`.
pub(super) fn domain(row: &Row) -> Result<Domain, StoreError> {
    let (zone, currency) = (row.text("timezone")?, row.text("currency")?);
    Ok(Domain {
        id: row.int("id")?,
        name: row.text("name")?,
        zone: Tz::from_str(&zone)
            .map_err(|_| StoreError::Broken(format!("domain.timezone {zone:?} is no zone")))?,
        currency: Currency::parse(&currency)
            .map_err(|_| StoreError::Broken(format!("domain.currency {currency:?} is none")))?,
    })
}

/// All programmes of these domains, by domain, each domain's in ascending order of id.
pub async fn programmes(tx: &Tx, domain_ids: &[i64]) -> Result<Vec<Programme>, StoreError> {
    const IDS: &[(&str, Kind)] = &[("domain_id", Kind::Int)];
    const FIND: &str = "SELECT p.id AS id, p.domain_id AS domain_id, p.name AS name, \
        p.credit_minor AS credit_minor, p.target_minor AS target_minor, \
        p.reward_percent_e4 AS reward_percent_e4 \
        FROM {rows} JOIN programme p ON p.domain_id = r.domain_id ORDER BY p.domain_id, p.id";
    let mut rows = Rows::new(IDS);
    for id in domain_ids {
        rows.push([Param::from(*id)]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    tx.all(FIND, Some(&rows), Vec::new()).await?.iter().map(programme).collect()
}

/// A programme from a row with the columns of its table.
pub fn programme(row: &Row) -> Result<Programme, StoreError> {
    Ok(Programme {
        id: row.int("id")?,
        domain_id: row.int("domain_id")?,
        name: row.text("name")?,
        credit: Money::from_minor(row.int("credit_minor")?),
        target: Money::from_minor(row.int("target_minor")?),
        reward_percent_e4: row.int("reward_percent_e4")?,
    })
}

/// Which of these (domain, programme) pairs exist.
pub async fn known_programmes(
    store: &Store,
    pairs: &[(i64, i64)],
) -> Result<Vec<(i64, i64)>, StoreError> {
    const PAIRS: &[(&str, Kind)] = &[("domain_id", Kind::Int), ("id", Kind::Int)];
    const FIND: &str = "SELECT p.id AS id, p.domain_id AS domain_id FROM {rows} \
        JOIN programme p ON p.id = r.id AND p.domain_id = r.domain_id";
    let mut rows = Rows::new(PAIRS);
    for (domain_id, id) in pairs {
        rows.push([Param::from(*domain_id), Param::from(*id)]);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let found = store.all(FIND, Some(&rows), Vec::new()).await?;
    found.iter().map(|row| Ok((row.int("domain_id")?, row.int("id")?))).collect()
}
