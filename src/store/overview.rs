//! A domain's figures by day and as they stand, for the dashboard. Read only: the workers write what is
//! counted here.
use std::collections::BTreeMap;

use super::{
    Param, Row, Store, StoreError,
    records::{self, Filter},
    reference::Domain,
};
use crate::domain::{Day, Micros, Money};

/// What happened in a domain on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayFigures {
    /// The day.
    pub day: Day,
    /// Clicks that count, as the daily records have them.
    pub clicks: i64,
    /// Signups that came in.
    pub signups: i64,
    /// Credits that were granted, by kinds that are paid out.
    pub credits: i64,
    /// Their sum, by currency.
    pub granted: BTreeMap<String, Money>,
    /// Payments that were reported.
    pub payments: i64,
}

/// The figures of days that follow each other.
pub async fn days(
    store: &Store,
    domain: &Domain,
    days: &[Day],
) -> Result<Vec<DayFigures>, StoreError> {
    let [Some(first), Some(last)] = [days.first(), days.last()] else { return Ok(Vec::new()) };
    let clicks =
        records::clicks_by_day(store, domain.id, &Filter::default(), *first, *last).await?;
    let signups = signups(store, domain.id, *first, *last).await?;
    let mut figures: Vec<DayFigures> = days
        .iter()
        .map(|day| {
            let of_day = |counts: &BTreeMap<String, i64>| {
                counts.get(&day.to_string()).copied().unwrap_or_default()
            };
            let (clicks, signups) = (of_day(&clicks), of_day(&signups));
            let granted = BTreeMap::new();
            DayFigures { day: *day, clicks, signups, credits: 0, granted, payments: 0 }
        })
        .collect();
    const CREDITS: &str = "COUNT(*) AS number, {as int COALESCE(SUM(amount_minor), 0)} AS minor, \
        currency FROM entry WHERE kind IN ('signup_credit', 'acquired_credit')";
    for row in by_day(store, domain, days, CREDITS, " GROUP BY currency").await? {
        let Some(figures) = figures.get_mut(row.int("place")? as usize) else { continue };
        figures.credits += row.int("number")?;
        figures.granted.insert(row.text("currency")?, Money::from_minor(row.int("minor")?));
    }
    const PAYMENTS: &str = "COUNT(*) AS number FROM payment WHERE 1 = 1";
    for row in by_day(store, domain, days, PAYMENTS, "").await? {
        let Some(figures) = figures.get_mut(row.int("place")? as usize) else { continue };
        figures.payments = row.int("number")?;
    }
    Ok(figures)
}

async fn signups(
    store: &Store,
    domain_id: i64,
    first: Day,
    last: Day,
) -> Result<BTreeMap<String, i64>, StoreError> {
    const COUNT: &str = "SELECT day, COUNT(*) AS number FROM daily_signup \
        WHERE domain_id = {?} AND day >= {?} AND day <= {?} GROUP BY day";
    let params = vec![domain_id.into(), first.to_string().into(), last.to_string().into()];
    let rows = store.all(COUNT, None, params).await?;
    rows.iter().map(|row| Ok((row.text("day")?, row.int("number")?))).collect()
}

/// One statement of one part a day, so that each part is a short stretch of an index, however many events
/// there are; `place` is the day's.
async fn by_day(
    store: &Store,
    domain: &Domain,
    days: &[Day],
    what: &str,
    grouped: &str,
) -> Result<Vec<Row>, StoreError> {
    let mut parts = Vec::with_capacity(days.len());
    let mut params = Vec::with_capacity(days.len() * 3);
    for (place, day) in days.iter().enumerate() {
        parts.push(format!(
            "SELECT {{as int {place}}} AS place, {what} AND domain_id = {{?}} AND time_us >= {{?}} \
             AND time_us < {{?}}{grouped}"
        ));
        let [from, until] = [*day, day.after()].map(|day| day.begins(domain.zone).0);
        params.extend([Param::from(domain.id), from.into(), until.into()]);
    }
    store.all(&parts.join(" UNION ALL "), None, params).await
}

/// How a domain's deliveries stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// To be attempted.
    pub pending: i64,
    /// Given up.
    pub dead: i64,
    /// When the oldest one that is pending was granted.
    pub oldest: Option<Micros>,
}

/// How a domain's deliveries stand that are not delivered.
pub async fn deliveries(store: &Store, domain_id: i64) -> Result<Deliveries, StoreError> {
    const COUNT: &str = "SELECT state, COUNT(*) AS number, MIN(created_us) AS oldest_us \
        FROM delivery WHERE state IN ('pending', 'dead') AND domain_id = {?} GROUP BY state";
    let mut deliveries = Deliveries::default();
    for row in store.all(COUNT, None, vec![domain_id.into()]).await? {
        let number = row.int("number")?;
        if row.text("state")? == "pending" {
            deliveries.pending = number;
            deliveries.oldest = row.int_or_null("oldest_us")?.map(Micros);
        } else {
            deliveries.dead = number;
        }
    }
    Ok(deliveries)
}
