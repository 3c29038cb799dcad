//! Deliveries and their attempts (contract 6) as people see them, and the retry by hand.
//!
//! Billing moves deliveries; what is done here is to make one due again that nobody has in hand. A
//! delivery that is known to be delivered is never touched.
use std::str::FromStr;

use chrono_tz::Tz;

use super::{Param, Row, Rows, Store, StoreError, rows::Kind};
use crate::domain::{Micros, Money, ids::Invalid};

/// Rows of one statement of a bulk retry.
const CHUNK_ROWS: usize = 500;

/// Where a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be attempted.
    Pending,
    /// Answered 2xx.
    Delivered,
    /// Given up.
    Dead,
}

impl State {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of this name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let all = [Self::Pending, Self::Delivered, Self::Dead];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or(Invalid("must be pending, delivered or dead"))
    }
}

/// Which deliveries are wanted; the parts combine.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of one domain only.
    pub domain_id: Option<i64>,
    /// In this state.
    pub state: Option<State>,
    /// Of this credited user.
    pub user_hash: Option<String>,
    /// Granted at this instant or later.
    pub since: Option<Micros>,
    /// Granted before this instant.
    pub until: Option<Micros>,
}

/// One credit on its way to billing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// UUID, the `webhook-id`.
    pub id: String,
    /// The time zone of its domain.
    pub zone: Tz,
    /// Who is credited.
    pub user_hash: String,
    /// `signup_credit` or `acquired_credit`.
    pub kind: String,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
    /// The programme it is paid under.
    pub program_id: i64,
    /// Its name.
    pub program_name: String,
    /// The referrer.
    pub user_indicator_hash: String,
    /// Who was referred.
    pub referred_user_hash: String,
    /// Where it is.
    pub state: State,
    /// Attempts made.
    pub attempts: i64,
    /// When the next one is due; pending ones only.
    pub next_attempt: Option<Micros>,
    /// When the credit was granted.
    pub created: Micros,
    /// When it was answered 2xx.
    pub delivered: Option<Micros>,
}

/// One POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: i64,
    /// When it began.
    pub time: Micros,
    /// How long it took, in microseconds.
    pub duration_us: i64,
    /// The status that came back.
    pub status: Option<i64>,
    /// What went wrong.
    pub error: Option<String>,
    /// The first of the answer's body.
    pub answer: Option<String>,
}

const SELECT: &str = "SELECT d.id AS id, o.timezone AS timezone, d.user_hash AS user_hash, \
    d.kind AS kind, d.amount_minor AS amount_minor, d.currency AS currency, \
    d.program_id AS program_id, d.program_name AS program_name, \
    d.user_indicator_hash AS user_indicator_hash, d.referred_user_hash AS referred_user_hash, \
    d.state AS state, d.attempts AS attempts, d.next_attempt_us AS next_attempt_us, \
    d.created_us AS created_us, d.delivered_us AS delivered_us \
    FROM delivery d JOIN domain o ON o.id = d.domain_id";

/// A page of deliveries, newest first, and how many there are in all.
pub async fn page(
    store: &Store,
    filter: &Filter,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Delivery>, i64), StoreError> {
    let (condition, params) = condition(filter);
    let count = format!("SELECT COUNT(*) AS total FROM delivery d WHERE {condition}");
    let row = store.one(&count, params.clone()).await?;
    let total = row.map_or(Ok(0), |row| row.int("total"))?;
    let list = format!(
        "{SELECT} WHERE {condition} ORDER BY d.created_us DESC, d.id DESC LIMIT {{?}} OFFSET {{?}}"
    );
    let params = params.into_iter().chain([limit.into(), offset.into()]).collect();
    let found = store.all(&list, None, params).await?;
    Ok((found.iter().map(delivery).collect::<Result<_, _>>()?, total))
}

/// One delivery, of this domain where one is given.
pub async fn one(
    store: &Store,
    domain_id: Option<i64>,
    id: &str,
) -> Result<Option<Delivery>, StoreError> {
    let filter = Filter { domain_id, ..Filter::default() };
    let (condition, mut params) = condition(&filter);
    params.push(id.into());
    let row = store.one(&format!("{SELECT} WHERE {condition} AND d.id = {{?}}"), params).await?;
    row.as_ref().map(delivery).transpose()
}

/// A delivery's attempts, in order.
pub async fn attempts(store: &Store, id: &str) -> Result<Vec<Attempt>, StoreError> {
    const FIND: &str = "SELECT number, time_us, duration_us, status, error, answer FROM attempt \
        WHERE delivery_id = {?} ORDER BY number";
    let rows = store.all(FIND, None, vec![id.into()]).await?;
    let read = |row: &Row| {
        Ok(Attempt {
            number: row.int("number")?,
            time: Micros(row.int("time_us")?),
            duration_us: row.int("duration_us")?,
            status: row.int_or_null("status")?,
            error: row.text_or_null("error")?,
            answer: row.text_or_null("answer")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Makes deliveries due again, the first at `due`, each next one `spacing_us` later: the schedule of
/// retries begins anew, attempts and id stay. What is delivered, or in hand at this moment, is left
/// as it is. How many there were.
pub async fn retry(
    store: &Store,
    ids: &[String],
    now: Micros,
    due: Micros,
    spacing_us: i64,
) -> Result<u64, StoreError> {
    const DUE: &[(&str, Kind)] = &[("did", Kind::Text), ("due_us", Kind::Int)];
    const RETRY: &str = "UPDATE delivery{, rows} SET state = 'pending', next_attempt_us = r.due_us, \
        first_attempt_us = NULL {from rows} WHERE delivery.id = r.did \
        AND delivery.state IN ('pending', 'dead') AND delivery.lease_until_us <= {?}";
    let mut retried = 0;
    for (chunk_number, chunk) in ids.chunks(CHUNK_ROWS).enumerate() {
        let mut rows = Rows::new(DUE);
        for (place, id) in chunk.iter().enumerate() {
            let place = (chunk_number * CHUNK_ROWS + place) as i64;
            let due = due.0.saturating_add(place.saturating_mul(spacing_us));
            rows.push([id.as_str().into(), Param::from(due)]);
        }
        let done = store.again(|| store.run(RETRY, Some(&rows), vec![now.0.into()])).await?;
        retried += done;
    }
    Ok(retried)
}

/// The ids of all deliveries of a filter, oldest first.
pub async fn ids(store: &Store, filter: &Filter) -> Result<Vec<String>, StoreError> {
    let (condition, params) = condition(filter);
    let text =
        format!("SELECT d.id AS id FROM delivery d WHERE {condition} ORDER BY d.created_us, d.id");
    store.all(&text, None, params).await?.iter().map(|row| row.text("id")).collect()
}

fn condition(filter: &Filter) -> (String, Vec<Param<'_>>) {
    let parts = [
        ("d.domain_id = {?}", filter.domain_id.map(Param::from)),
        ("d.state = {?}", filter.state.map(|state| state.as_str().into())),
        ("d.user_hash = {?}", filter.user_hash.as_deref().map(Param::from)),
        ("d.created_us >= {?}", filter.since.map(|since| since.0.into())),
        ("d.created_us < {?}", filter.until.map(|until| until.0.into())),
    ];
    let given = parts.into_iter().filter_map(|(text, param)| Some((text, param?)));
    let (texts, params): (Vec<_>, Vec<_>) = given.unzip();
    if texts.is_empty() { ("1 = 1".to_owned(), params) } else { (texts.join(" AND "), params) }
}

fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    let (zone, state) = (row.text("timezone")?, row.text("state")?);
    let broken = |what: &str| StoreError::Broken(format!("{what} of a delivery is none"));
    let state = State::parse(&state).map_err(|_| broken("delivery.state"))?;
    let next = row.int_or_null("next_attempt_us")?.map(Micros);
    Ok(Delivery {
        id: row.text("id")?,
        zone: Tz::from_str(&zone).map_err(|_| broken("domain.timezone"))?,
        user_hash: row.text("user_hash")?,
        kind: row.text("kind")?,
        amount: Money::from_minor(row.int("amount_minor")?),
        currency: row.text("currency")?,
        program_id: row.int("program_id")?,
        program_name: row.text("program_name")?,
        user_indicator_hash: row.text("user_indicator_hash")?,
        referred_user_hash: row.text("referred_user_hash")?,
        state,
        attempts: row.int("attempts")?,
        next_attempt: next.filter(|_| state == State::Pending),
        created: Micros(row.int("created_us")?),
        delivered: row.int_or_null("delivered_us")?.map(Micros),
    })
}
