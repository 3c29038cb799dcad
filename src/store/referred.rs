//! What came through a partner (contract 4): payments of those they referred, and clicks on their
//! codes. Read only: the workers write them.
use super::{Param, Row, Store, StoreError};
use crate::domain::{Micros, Money};

/// A stretch of a list: by time, and by id for paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// No earlier.
    pub from: Micros,
    /// Earlier.
    pub before: Micros,
    /// Only those with a greater id.
    pub after: i64,
    /// Most that are given.
    pub limit: i64,
}

/// A payment of a referred user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferredPayment {
    /// Ascending in order of arrival.
    pub id: i64,
    /// When it was made.
    pub time: Micros,
    /// The payer.
    pub user_hash: String,
    /// This payment's amount; of a report of a total, that total.
    pub amount: Money,
    /// The exchange that it was, as it came: a JSON object.
    pub exchange: Option<String>,
    /// What it accrued; none: nothing accrues for it.
    pub reward: Option<Money>,
}

/// Payments of those whom this user referred, oldest first.
pub async fn payments(
    store: &Store,
    domain_id: i64,
    referrer_hash: &str,
    window: &Window,
) -> Result<Vec<ReferredPayment>, StoreError> {
    const FIND: &str = "SELECT p.id AS id, p.time_us AS time_us, p.user_hash AS user_hash, \
        p.amount_minor AS amount_minor, p.total_minor AS total_minor, p.exchange AS exchange, \
        p.reward_minor AS reward_minor FROM account a \
        JOIN payment p ON p.domain_id = a.domain_id AND p.user_hash = a.user_hash \
        WHERE a.domain_id = {?} AND a.referrer_hash = {?} AND a.settled_us IS NOT NULL \
        AND p.id > {?} AND p.time_us >= {?} AND p.time_us < {?} ORDER BY p.id LIMIT {?}";
    let whose = [Param::from(domain_id), referrer_hash.into()];
    let params = whose.into_iter().chain(window.params()).collect();
    store.all(FIND, None, params).await?.iter().map(payment).collect()
}

fn payment(row: &Row) -> Result<ReferredPayment, StoreError> {
    let (amount, total) = (row.int_or_null("amount_minor")?, row.int_or_null("total_minor")?);
    Ok(ReferredPayment {
        id: row.int("id")?,
        time: Micros(row.int("time_us")?),
        user_hash: row.text("user_hash")?,
        amount: Money::from_minor(amount.or(total).unwrap_or_default()),
        exchange: row.text_or_null("exchange")?,
        reward: row.int_or_null("reward_minor")?.map(Money::from_minor),
    })
}

/// A click by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// Ascending in order of arrival.
    pub id: i64,
    /// When it happened.
    pub time: Micros,
    /// The visitor's address.
    pub ip: Option<String>,
    /// The visitor's user agent.
    pub user_agent: Option<String>,
    /// The page the link stood on.
    pub referrer: Option<String>,
    /// The visitor, if known.
    pub user_hash: Option<String>,
    /// The link's whole query string.
    pub query_string: Option<String>,
}

/// Clicks on any of these codes, oldest first; without bots, and without what was pruned.
pub async fn follows(
    store: &Store,
    domain_id: i64,
    codes: &[&str],
    window: &Window,
) -> Result<Vec<Follow>, StoreError> {
    const FIND: &str = "SELECT k.id AS id, k.time_us AS time_us, k.ip AS ip, \
        k.user_agent AS user_agent, k.referrer AS referrer, k.user_hash AS user_hash, \
        k.query_string AS query_string FROM click k JOIN domain d ON d.id = k.domain_id \
        WHERE k.code = {?} AND k.domain_id = {?} AND k.bot = 0 \
        AND (d.pruned_us IS NULL OR k.time_us >= d.pruned_us) \
        AND {after k.id} AND k.time_us >= {?} AND k.time_us < {?} \
        ORDER BY {in order of k.id} LIMIT {?}";
    let mut found = Vec::new();
    // One code at a time, so that each is read along its index and no further than the page.
    for code in codes {
        let whose = [Param::from(*code), domain_id.into()];
        let params = whose.into_iter().chain(window.params()).collect();
        for row in store.all(FIND, None, params).await? {
            found.push(follow(&row)?);
        }
    }
    found.sort_unstable_by_key(|follow| follow.id);
    found.truncate(usize::try_from(window.limit).unwrap_or_default());
    Ok(found)
}

fn follow(row: &Row) -> Result<Follow, StoreError> {
    Ok(Follow {
        id: row.int("id")?,
        time: Micros(row.int("time_us")?),
        ip: row.text_or_null("ip")?,
        user_agent: row.text_or_null("user_agent")?,
        referrer: row.text_or_null("referrer")?,
        user_hash: row.text_or_null("user_hash")?,
        query_string: row.text_or_null("query_string")?,
    })
}

impl Window {
    fn params(&self) -> [Param<'_>; 4] {
        [self.after.into(), self.from.0.into(), self.before.0.into(), self.limit.into()]
    }
}
