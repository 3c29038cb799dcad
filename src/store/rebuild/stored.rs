//! Users' books as they are stored: accounts, totals, entries with their deliveries, rewards.
//!
//! Read in a fixed number of statements for any number of users, and a page of payments after the other.
use std::collections::BTreeMap;

use super::{
    Tenant,
    books::{Delivery, Entry, KINDS, Kind, Line, Referred, Terms, Total},
};
use crate::store::{
    Param, Row, Rows, StoreError,
    connection::Statements,
    rows::Kind::{Int, Text},
    transaction::Runs,
};

/// Payments of one page.
const PAYMENTS: usize = 5000;
/// Wrong rewards of one user that are dealt with at once.
pub(super) const REWARDS_MAX: usize = 1000;

/// A user's account, as far as the books go by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) settled: Option<i64>,
    pub(super) acquired: Option<i64>,
    /// Where somebody referred them, under terms.
    pub(super) referred: Option<Referred>,
    pub(super) source: String,
    pub(super) event_id: String,
    pub(super) traceparent: Option<String>,
    pub(super) tracestate: Option<String>,
}

/// A payment whose reward is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reward {
    pub(super) event_key: String,
    pub(super) found: Option<i64>,
    pub(super) expected: Option<i64>,
}

impl Reward {
    /// Whether a repair would take something back.
    pub(super) fn is_too_high(&self) -> bool {
        self.found > self.expected
    }
}

/// All that is stored of a user's books.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    pub(super) signed_up: bool,
    pub(super) account: Option<Account>,
    pub(super) payer: Total,
    pub(super) counted: Total,
    /// The payment with which the target was reached, in order of arrival: source and id.
    pub(super) reached_by: Option<(String, String)>,
    pub(super) entries: BTreeMap<Kind, Entry>,
    /// Those of the entries; of a missing entry the one that was made for it.
    pub(super) deliveries: BTreeMap<Kind, Delivery>,
    /// The first of them.
    pub(super) rewards: Vec<Reward>,
}

impl Books {
    pub(super) fn referred(&self) -> Option<&Referred> {
        self.account.as_ref().and_then(|account| account.referred.as_ref())
    }

    pub(super) fn line(&self, kind: Kind, user: &str) -> Option<Line> {
        self.referred().and_then(|referred| referred.line(kind, user, self.counted))
    }
}

/// The books of these users.
pub(super) async fn read<C: Runs>(
    on: &Statements<C>,
    tenant: &Tenant,
    users: &[String],
) -> Result<BTreeMap<String, Books>, StoreError> {
    const ACCOUNTS: &str = "SELECT a.user_hash AS user_hash, a.settled_us AS settled_us, \
        a.acquired_us AS acquired_us, a.referrer_hash AS referrer_hash, \
        a.program_id AS program_id, a.program_name AS program_name, \
        a.credit_minor AS credit_minor, a.target_minor AS target_minor, \
        a.reward_percent_e4 AS reward_percent_e4, a.currency AS currency, a.source AS source, \
        a.event_id AS event_id, a.traceparent AS traceparent, a.tracestate AS tracestate \
        FROM {rows} JOIN account a ON a.domain_id = {?} AND a.user_hash = r.user_hash";
    const PAYERS: &str = "SELECT p.user_hash AS user_hash, p.sum_minor AS sum_minor, \
        p.max_minor AS max_minor FROM {rows} \
        JOIN payer p ON p.domain_id = {?} AND p.user_hash = r.user_hash";
    const SIGNUPS: &str = "SELECT DISTINCT s.user_hash AS user_hash FROM {rows} \
        JOIN signup s ON s.domain_id = {?} AND s.user_hash = r.user_hash";
    const ENTRIES: &str = "SELECT e.referred_user_hash AS referred, e.id AS id, e.kind AS kind, \
        e.user_hash AS user_hash, e.amount_minor AS amount_minor, e.currency AS currency, \
        e.program_id AS program_id FROM {rows} \
        JOIN entry e ON e.domain_id = {?} AND e.referred_user_hash = r.user_hash";
    let mut all: BTreeMap<String, Books> =
        users.iter().map(|user| (user.clone(), Books::default())).collect();
    let names = || vec![Param::from(tenant.domain.id)];
    let rows = rows_of(users);
    for row in on.all(ACCOUNTS, Some(&rows), names()).await? {
        books_of(&mut all, &row, "user_hash")?.account = Some(account(&row)?);
    }
    for row in on.all(PAYERS, Some(&rows), names()).await? {
        let total = Total { sum: row.int("sum_minor")?, max: row.int("max_minor")? };
        books_of(&mut all, &row, "user_hash")?.payer = total;
    }
    for row in on.all(SIGNUPS, Some(&rows), names()).await? {
        books_of(&mut all, &row, "user_hash")?.signed_up = true;
    }
    payments(on, tenant, &mut all).await?;
    for row in on.all(ENTRIES, Some(&rows), names()).await? {
        if let Some(kind) = kind(&row)? {
            let entry = Entry { id: row.text("id")?, line: line(&row)? };
            books_of(&mut all, &row, "referred")?.entries.insert(kind, entry);
        }
    }
    deliveries(on, tenant, &mut all, &rows).await?;
    Ok(all)
}

fn rows_of(users: &[String]) -> Rows {
    let mut rows = Rows::new(&[("user_hash", Text)]);
    for user in users {
        rows.push([user.as_str().into()]);
    }
    rows
}

fn books_of<'a>(
    all: &'a mut BTreeMap<String, Books>,
    row: &Row,
    column: &str,
) -> Result<&'a mut Books, StoreError> {
    Ok(all.entry(row.text(column)?).or_default())
}

pub(super) fn kind(row: &Row) -> Result<Option<Kind>, StoreError> {
    let text = row.text("kind")?;
    Ok(KINDS.into_iter().find(|kind| kind.as_str() == text))
}

fn line(row: &Row) -> Result<Line, StoreError> {
    Ok(Line {
        user: row.text("user_hash")?,
        amount: row.int("amount_minor")?,
        currency: row.text("currency")?,
        program_id: row.int("program_id")?,
    })
}

fn account(row: &Row) -> Result<Account, StoreError> {
    let settled = row.int_or_null("settled_us")?;
    let referrer = row.text_or_null("referrer_hash")?.filter(|_| settled.is_some());
    let referred = match (referrer, row.int_or_null("program_id")?) {
        (Some(referrer), Some(program_id)) => Some(Referred {
            referrer,
            terms: Terms {
                program_id,
                program_name: row.text("program_name")?,
                credit: row.int("credit_minor")?,
                target: row.int("target_minor")?,
                percent_e4: row.int("reward_percent_e4")?,
                currency: row.text("currency")?,
            },
        }),
        _ => None,
    };
    Ok(Account {
        settled,
        acquired: row.int_or_null("acquired_us")?,
        referred,
        source: row.text("source")?,
        event_id: row.text("event_id")?,
        traceparent: row.text_or_null("traceparent")?,
        tracestate: row.text_or_null("tracestate")?,
    })
}

/// Counts all payments of these users, and compares their rewards.
async fn payments<C: Runs>(
    on: &Statements<C>,
    tenant: &Tenant,
    all: &mut BTreeMap<String, Books>,
) -> Result<(), StoreError> {
    let find = format!(
        "SELECT p.id AS id, p.user_hash AS user_hash, p.event_key AS event_key, \
         p.source AS source, p.event_id AS event_id, p.amount_minor AS amount_minor, \
         p.total_minor AS total_minor, p.counted AS counted, p.reward_minor AS reward_minor \
         FROM {{rows}} JOIN payment p ON p.domain_id = {{?}} AND p.user_hash = r.user_hash \
         WHERE p.id > r.after_id ORDER BY p.user_hash, p.id LIMIT {PAYMENTS}"
    );
    let mut after: BTreeMap<String, i64> = all.keys().map(|user| (user.clone(), 0)).collect();
    loop {
        let mut rows = Rows::new(&[("user_hash", Text), ("after_id", Int)]);
        for (user, after) in &after {
            rows.push([user.as_str().into(), (*after).into()]);
        }
        let page = on.all(&find, Some(&rows), vec![tenant.domain.id.into()]).await?;
        for row in &page {
            let user = row.text("user_hash")?;
            if let Some(books) = all.get_mut(&user) {
                count(books, row)?;
            }
            after.insert(user, row.int("id")?);
        }
        if page.len() < PAYMENTS {
            return Ok(());
        }
    }
}

fn count(books: &mut Books, row: &Row) -> Result<(), StoreError> {
    let (amount, found) = (row.int_or_null("amount_minor")?, row.int_or_null("reward_minor")?);
    let is_counted = row.truth("counted")?;
    let referred = books.account.as_ref().and_then(|account| account.referred.as_ref());
    if is_counted {
        books.counted.add(amount, row.int_or_null("total_minor")?);
    }
    if books.reached_by.is_none() && referred.is_some_and(|r| r.has_acquired(books.counted)) {
        books.reached_by = Some((row.text("source")?, row.text("event_id")?));
    }
    let expected = referred.and_then(|r| r.reward(amount.filter(|_| is_counted)));
    if expected != found && books.rewards.len() < REWARDS_MAX {
        books.rewards.push(Reward { event_key: row.text("event_key")?, found, expected });
    }
    Ok(())
}

/// What nobody can have been told of: never leased, never attempted.
pub(super) const UNTOLD: &str = "delivery.state <> 'delivered' AND delivery.attempts = 0 \
    AND delivery.lease IS NULL AND delivery.first_attempt_us IS NULL \
    AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.delivery_id = delivery.id)";
/// What is read of a delivery.
pub(super) const DELIVERY: &str = "delivery.id AS id, delivery.entry_id AS entry_id, \
    delivery.kind AS kind, delivery.referred_user_hash AS referred, \
    delivery.user_hash AS user_hash, delivery.amount_minor AS amount_minor, \
    delivery.currency AS currency, delivery.program_id AS program_id";

/// A delivery from a row with [`DELIVERY`] and `untold`.
pub(super) fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.text("id")?,
        entry_id: row.text("entry_id")?,
        line: line(row)?,
        untold: row.truth("untold")?,
    })
}

/// The columns of a delivery and `untold`.
pub(super) fn columns() -> String {
    format!("{DELIVERY}, {{as int CASE WHEN {UNTOLD} THEN 1 ELSE 0 END}} AS untold")
}

async fn deliveries<C: Runs>(
    on: &Statements<C>,
    tenant: &Tenant,
    all: &mut BTreeMap<String, Books>,
    users: &Rows,
) -> Result<(), StoreError> {
    let columns = columns();
    let of_entries = format!(
        "SELECT {columns}, e.referred_user_hash AS referred_in_entry, e.kind AS kind_of_entry \
         FROM {{rows}} \
         JOIN entry e ON e.domain_id = {{?}} AND e.referred_user_hash = r.user_hash \
         JOIN delivery ON delivery.entry_id = e.id"
    );
    let of_nobody = format!(
        "SELECT {columns} FROM {{rows}} JOIN delivery ON delivery.domain_id = {{?}} \
         AND delivery.user_hash = r.user_hash AND delivery.referred_user_hash = r.referred \
         AND delivery.kind = r.kind \
         WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.id = delivery.entry_id)"
    );
    for row in on.all(&of_entries, Some(users), vec![tenant.domain.id.into()]).await? {
        let kind = KINDS
            .into_iter()
            .find(|kind| row.text("kind_of_entry").is_ok_and(|k| k == kind.as_str()));
        if let Some(kind) = kind {
            let found = delivery(&row)?;
            books_of(all, &row, "referred_in_entry")?.deliveries.insert(kind, found);
        }
    }
    let mut missing = Rows::new(&[("user_hash", Text), ("referred", Text), ("kind", Text)]);
    for (user, books) in &*all {
        for kind in KINDS.into_iter().filter(|kind| !books.entries.contains_key(kind)) {
            if let Some(line) = books.line(kind, user).filter(|_| kind.pays()) {
                missing.push([line.user.into(), user.as_str().into(), kind.as_str().into()]);
            }
        }
    }
    for row in on.all(&of_nobody, Some(&missing), vec![tenant.domain.id.into()]).await? {
        if let Some(kind) = kind(&row)? {
            let found = delivery(&row)?;
            books_of(all, &row, "referred")?.deliveries.entry(kind).or_insert(found);
        }
    }
    Ok(())
}
