//! Payouts of rewards (contract 4): the ingress asks for them, the operator's commands say what became
//! of them.
//!
//! The promise kept here: the payouts of a user that are not cancelled never exceed the rewards that
//! the user has accrued. Rewards only grow; whoever takes from them holds the lock on the user's
//! `payee` row and adds up behind it.

use super::{Param, Row, Store, StoreError, Tx, connection::Statements, transaction::Runs};
use crate::domain::{Micros, Money, ids::Invalid};

/// A way of being paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Ascending.
    pub id: i64,
    /// For people.
    pub title: String,
    /// What the way costs, in ten-thousandths of a percent; told, not deducted.
    pub commission_e4: i64,
}

/// Adds a method to a domain; its id.
pub async fn add_method(
    store: &Store,
    domain_id: i64,
    title: &str,
    commission_e4: i64,
    now: Micros,
) -> Result<i64, StoreError> {
    const INSERT: &str = "INSERT INTO payout_method (domain_id, title, commission_e4, ctime_us) \
        VALUES ({?}, {?}, {?}, {?})";
    store
        .again(async || {
            let tx = store.begin().await?;
            let params = vec![domain_id.into(), title.into(), commission_e4.into(), now.0.into()];
            let id = tx.insert_id(INSERT, params).await?;
            tx.commit().await?;
            Ok(id)
        })
        .await
}

/// A domain's methods, in ascending order of id.
pub async fn methods(store: &Store, domain_id: i64) -> Result<Vec<Method>, StoreError> {
    const ALL: &str =
        "SELECT id, title, commission_e4 FROM payout_method WHERE domain_id = {?} ORDER BY id";
    let read = |row: &Row| {
        let (id, title) = (row.int("id")?, row.text("title")?);
        Ok(Method { id, title, commission_e4: row.int("commission_e4")? })
    };
    store.all(ALL, None, vec![domain_id.into()]).await?.iter().map(read).collect()
}

/// The least that a domain pays out at once.
pub async fn min_payout(store: &Store, domain_id: i64) -> Result<Money, StoreError> {
    const FIND: &str = "SELECT min_payout_minor FROM domain WHERE id = {?}";
    let row = store.one(FIND, vec![domain_id.into()]).await?;
    let missing = || StoreError::Refused("the domain is gone".to_owned());
    Ok(Money::from_minor(row.ok_or_else(missing)?.int("min_payout_minor")?))
}

/// Sets the least that a domain pays out at once.
pub async fn set_min_payout(store: &Store, domain_id: i64, min: Money) -> Result<(), StoreError> {
    const UPDATE: &str = "UPDATE domain SET min_payout_minor = {?} WHERE id = {?}";
    store.run(UPDATE, None, vec![min.minor().into(), domain_id.into()]).await.map(|_| ())
}

/// What became of a payout; as the contract numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Asked for; it is off the balance already.
    Pending = 0,
    /// Paid out; final.
    Done = 1,
    /// Not paid out, due again; final.
    Cancelled = 2,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Done, Self::Cancelled];

    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// That of this word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == word);
        found.ok_or(Invalid("must be pending, done or cancelled"))
    }

    fn of(number: i64) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|status| *status as i64 == number)
            .ok_or_else(|| StoreError::Broken(format!("payout.status {number} is none")))
    }
}

/// A payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Ascending.
    pub id: i64,
    /// Whose.
    pub user_hash: String,
    /// By which method.
    pub method_id: i64,
    /// To where, in the method's words.
    pub account: String,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
    /// What became of it.
    pub status: Status,
    /// When it was asked for.
    pub time: Micros,
}

/// How a user's rewards stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Accrued less payouts, pending ones too.
    pub due: Money,
    /// Paid out.
    pub received: Money,
}

/// How a user's rewards stand, all at one moment.
pub async fn balance(
    store: &Store,
    domain_id: i64,
    user_hash: &str,
) -> Result<Balance, StoreError> {
    balance_on(store, domain_id, user_hash).await
}

async fn balance_on<C: Runs>(
    on: &Statements<C>,
    domain_id: i64,
    user_hash: &str,
) -> Result<Balance, StoreError> {
    // One statement, so that it is of one moment.
    const SUMS: &str = "SELECT {as int COALESCE(SUM(s.reward), 0)} AS reward, \
        {as int COALESCE(SUM(s.taken), 0)} AS taken, \
        {as int COALESCE(SUM(s.received), 0)} AS received FROM ( \
        SELECT SUM(p.reward_minor) AS reward, 0 AS taken, 0 AS received FROM account a \
        JOIN payment p ON p.domain_id = a.domain_id AND p.user_hash = a.user_hash \
        WHERE a.domain_id = {?} AND a.referrer_hash = {?} \
        UNION ALL SELECT 0 AS reward, SUM(CASE WHEN o.status <> 2 THEN o.amount_minor END) \
        AS taken, SUM(CASE WHEN o.status = 1 THEN o.amount_minor END) AS received \
        FROM payout o WHERE o.domain_id = {?} AND o.user_hash = {?}) s";
    let user = || [Param::from(domain_id), Param::from(user_hash)];
    let row = on.one(SUMS, user().into_iter().chain(user()).collect()).await?;
    let Some(row) = row else { return Ok(Balance::default()) };
    let due = row.int("reward")?.saturating_sub(row.int("taken")?);
    Ok(Balance { due: Money::from_minor(due), received: Money::from_minor(row.int("received")?) })
}

/// A payout that is asked for.
pub struct Wanted<'a> {
    /// The tenant.
    pub domain_id: i64,
    /// Whose rewards.
    pub user_hash: &'a str,
    /// By which of the domain's methods.
    pub method_id: i64,
    /// To where.
    pub account: &'a str,
    /// The domain's currency.
    pub currency: &'a str,
    /// The least that is paid out.
    pub min: Money,
    /// When.
    pub now: Micros,
}

/// What asking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The whole balance is a pending payout now.
    Taken(Payout),
    /// This is due, which is nothing or less than the least; nothing was changed.
    TooLittle(Money),
}

/// Takes the whole balance, once however many ask at a time.
pub async fn ask(store: &Store, wanted: &Wanted<'_>) -> Result<Asked, StoreError> {
    store.again(async || ask_once(store, wanted).await).await
}

/// How a user's rewards stand, behind the lock of whoever takes from them: whoever held it before has
/// committed what they took.
pub(super) async fn locked_balance(
    tx: &Tx,
    domain_id: i64,
    user_hash: &str,
) -> Result<Balance, StoreError> {
    const LOCK: &str = "INSERT INTO payee (domain_id, user_hash) VALUES ({?}, {?}) \
        {conflict domain_id, user_hash} user_hash = {old payee.user_hash}";
    tx.run(LOCK, None, vec![domain_id.into(), user_hash.into()]).await?;
    balance_on(tx, domain_id, user_hash).await
}

async fn ask_once(store: &Store, wanted: &Wanted<'_>) -> Result<Asked, StoreError> {
    const INSERT: &str = "INSERT INTO payout (domain_id, user_hash, method_id, account, \
        amount_minor, currency, status, ctime_us) VALUES ({?}, {?}, {?}, {?}, {?}, {?}, 0, {?})";
    let Wanted { domain_id, user_hash, method_id, account, currency, min, now } = *wanted;
    let tx = store.begin().await?;
    let due = locked_balance(&tx, domain_id, user_hash).await?.due;
    if due <= Money::ZERO || due < min {
        tx.rollback().await?;
        return Ok(Asked::TooLittle(due));
    }
    let params = vec![
        domain_id.into(),
        user_hash.into(),
        method_id.into(),
        account.into(),
        due.minor().into(),
        currency.into(),
        now.0.into(),
    ];
    let id = tx.insert_id(INSERT, params).await?;
    tx.commit().await?;
    Ok(Asked::Taken(Payout {
        id,
        user_hash: user_hash.to_owned(),
        method_id,
        account: account.to_owned(),
        amount: due,
        currency: currency.to_owned(),
        status: Status::Pending,
        time: now,
    }))
}

/// Which payouts of a domain are wanted; they combine.
#[derive(Debug, Clone)]
pub struct Filter<'a> {
    /// Only this user's.
    pub user_hash: Option<&'a str>,
    /// Only those of which this became.
    pub status: Option<Status>,
    /// Asked for no earlier.
    pub from: Micros,
    /// Asked for earlier.
    pub before: Micros,
    /// Only those with a greater id.
    pub after: i64,
}

impl Filter<'_> {
    /// All of which this became; where it does not matter, all.
    pub const fn all(status: Option<Status>) -> Self {
        let (from, before) = (Micros(i64::MIN), Micros(i64::MAX));
        Self { user_hash: None, status, from, before, after: 0 }
    }
}

/// The first of a domain's payouts, oldest first.
pub async fn page(
    store: &Store,
    domain_id: i64,
    filter: &Filter<'_>,
    limit: i64,
) -> Result<Vec<Payout>, StoreError> {
    const COLUMNS: &str = "SELECT id, user_hash, method_id, account, amount_minor, currency, \
        status, ctime_us FROM payout WHERE domain_id = {?} AND id > {?} \
        AND ctime_us >= {?} AND ctime_us < {?}";
    let mut params: Vec<Param> =
        vec![domain_id.into(), filter.after.into(), filter.from.0.into(), filter.before.0.into()];
    let mut list = COLUMNS.to_owned();
    if let Some(user_hash) = filter.user_hash {
        list.push_str(" AND user_hash = {?}");
        params.push(user_hash.into());
    }
    if let Some(status) = filter.status {
        list.push_str(" AND status = {?}");
        params.push((status as i64).into());
    }
    list.push_str(" ORDER BY id LIMIT {?}");
    params.push(limit.into());
    store.all(&list, None, params).await?.iter().map(payout).collect()
}

fn payout(row: &Row) -> Result<Payout, StoreError> {
    Ok(Payout {
        id: row.int("id")?,
        user_hash: row.text("user_hash")?,
        method_id: row.int("method_id")?,
        account: row.text("account")?,
        amount: Money::from_minor(row.int("amount_minor")?),
        currency: row.text("currency")?,
        status: Status::of(row.int("status")?)?,
        time: Micros(row.int("ctime_us")?),
    })
}

/// What closing a payout came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is closed now.
    Now,
    /// It was closed before, so.
    Before(Status),
    /// There is none of this id.
    Missing,
}

/// Says what became of a pending payout, of this domain where one is given. That is final: of two who say
/// so at once one is first.
pub async fn close(
    store: &Store,
    domain_id: Option<i64>,
    id: i64,
    status: Status,
    now: Micros,
) -> Result<Closed, StoreError> {
    let (whose, domain_id) = match domain_id {
        Some(domain_id) => (" AND domain_id = {?}", vec![Param::from(domain_id)]),
        None => ("", Vec::new()),
    };
    let with = |params: Vec<Param<'static>>| [params, domain_id.clone()].concat();
    let close = format!(
        "UPDATE payout SET status = {{?}}, closed_us = {{?}} WHERE id = {{?}} AND status = 0{whose}"
    );
    let find = format!("SELECT status FROM payout WHERE id = {{?}}{whose}");
    let params = || with(vec![(status as i64).into(), now.0.into(), id.into()]);
    if store.again(async || store.run(&close, None, params()).await).await? > 0 {
        return Ok(Closed::Now);
    }
    match store.one(&find, with(vec![id.into()])).await? {
        Some(row) => Ok(Closed::Before(Status::of(row.int("status")?)?)),
        None => Ok(Closed::Missing),
    }
}
