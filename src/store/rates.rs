//! A domain's exchange rates (contract 4): replaced as a whole, read as a whole.
use super::{Param, Row, Rows, Store, StoreError, Tx, rows::Kind};
use crate::domain::{Code, Decimal, Micros, Rate, Rates};

/// Instants of sets differ by this much at least: `Last-Modified` has seconds only.
const APART_US: i64 = 1_000_000;

/// Whose rates a code shows, and which set of them is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The code's domain.
    pub domain_id: i64,
    /// The set's version: when it was put into force. Of a domain that never had rates, its birth.
    pub changed: Micros,
}

/// A set that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its version, see [`Standing`].
    pub changed: Micros,
    /// The rates.
    pub rates: Rates,
}

/// Of a code's domain, registered there or a user's own; `None` for a code that nobody has.
pub async fn standing(store: &Store, code: &Code) -> Result<Option<Standing>, StoreError> {
    const FIND: &str = "SELECT d.id AS id, COALESCE(s.changed_us, d.ctime_us) AS changed_us \
        FROM (SELECT domain_id FROM code WHERE code = {?} \
        UNION ALL SELECT domain_id FROM account WHERE code = {?}) c \
        JOIN domain d ON d.id = c.domain_id LEFT JOIN rate_set s ON s.domain_id = d.id";
    let code = || Param::from(code.as_str());
    let row = store.one(FIND, vec![code(), code()]).await?;
    let standing = |row: Row| {
        Ok(Standing { domain_id: row.int("id")?, changed: Micros(row.int("changed_us")?) })
    };
    row.map(standing).transpose()
}

/// Set and version in one statement, so that they belong together. A domain without rates has one
/// row, of nulls.
const READ: &str = "SELECT COALESCE(s.changed_us, d.ctime_us) AS changed_us, \
    t.currency_from AS currency_from, t.currency_to AS currency_to, t.rate_in AS rate_in, \
    t.rate_out AS rate_out, t.amount AS amount, t.amount_min AS amount_min, \
    t.amount_max AS amount_max, t.param AS param \
    FROM domain d LEFT JOIN rate_set s ON s.domain_id = d.id \
    LEFT JOIN rate t ON t.domain_id = d.id WHERE d.id = {?} ORDER BY t.place";

/// The set of a domain.
pub async fn kept(store: &Store, domain_id: i64) -> Result<Kept, StoreError> {
    read(&store.all(READ, None, vec![domain_id.into()]).await?)
}

fn read(rows: &[Row]) -> Result<Kept, StoreError> {
    let changed = rows.first().map_or(Ok(0), |row| row.int("changed_us"))?;
    let rates = rows.iter().filter_map(|row| rate(row).transpose());
    let rates = rates.collect::<Result<_, _>>().map(Rates::of_kept)?;
    Ok(Kept { changed: Micros(changed), rates })
}

fn rate(row: &Row) -> Result<Option<Rate>, StoreError> {
    let Some(from) = row.text_or_null("currency_from")? else { return Ok(None) };
    let decimal = |column: &str| -> Result<Option<Decimal>, StoreError> {
        let broken =
            |text: &str| StoreError::Broken(format!("rate.{column} {text:?} is no number"));
        let text = row.text_or_null(column)?;
        text.map(|text| Decimal::parse(&text).map_err(|_| broken(&text))).transpose()
    };
    let required = |column: &str| {
        decimal(column)?.ok_or_else(|| StoreError::Broken(format!("rate.{column} is null")))
    };
    Ok(Some(Rate {
        from,
        to: row.text("currency_to")?,
        give: required("rate_in")?,
        get: required("rate_out")?,
        amount: decimal("amount")?,
        minamount: decimal("amount_min")?,
        maxamount: decimal("amount_max")?,
        param: row.text_or_null("param")?,
    }))
}

/// Puts a set into force in place of the domain's; false where that is the very same, which then
/// stays as it is. Of two at once the second replaces the first one's whole set.
pub async fn replace(
    store: &Store,
    domain_id: i64,
    rates: &Rates,
    now: Micros,
) -> Result<bool, StoreError> {
    const SET: &str = "UPDATE rate_set SET changed_us = {?} WHERE domain_id = {?}";
    const CLEAR: &str = "DELETE FROM rate WHERE domain_id = {?}";
    let rows = rows(domain_id, rates);
    let work = async || {
        let tx = store.begin().await?;
        lock(&tx, domain_id).await?;
        let before = read(&tx.all(READ, None, vec![domain_id.into()]).await?)?;
        if before.rates == *rates {
            tx.rollback().await?;
            return Ok(false);
        }
        let changed = now.0.max(before.changed.0.saturating_add(APART_US));
        tx.run(SET, None, vec![changed.into(), domain_id.into()]).await?;
        tx.run(CLEAR, None, vec![domain_id.into()]).await?;
        tx.insert("rate", &rows).await?;
        tx.commit().await?;
        Ok(true)
    };
    store.again(work).await
}

/// Makes the domain's row where there is none, and holds it until the transaction ends.
async fn lock(tx: &Tx, domain_id: i64) -> Result<(), StoreError> {
    const LOCK: &str = "INSERT INTO rate_set (domain_id, changed_us) \
        SELECT id, ctime_us FROM domain WHERE id = {?} \
        {conflict domain_id} changed_us = {old rate_set.changed_us}";
    tx.run(LOCK, None, vec![domain_id.into()]).await.map(|_| ())
}

fn rows(domain_id: i64, rates: &Rates) -> Rows {
    const COLUMNS: &[(&str, Kind)] = &[
        ("domain_id", Kind::Int),
        ("place", Kind::Int),
        ("currency_from", Kind::Text),
        ("currency_to", Kind::Text),
        ("rate_in", Kind::Text),
        ("rate_out", Kind::Text),
        ("amount", Kind::Text),
        ("amount_min", Kind::Text),
        ("amount_max", Kind::Text),
        ("param", Kind::Text),
    ];
    let mut rows = Rows::new(COLUMNS);
    let text = |decimal: Option<Decimal>| Param::from(decimal.map(|decimal| decimal.to_string()));
    for (place, rate) in (0_i64..).zip(rates) {
        rows.push([
            domain_id.into(),
            place.into(),
            rate.from.as_str().into(),
            rate.to.as_str().into(),
            text(Some(rate.give)),
            text(Some(rate.get)),
            text(rate.amount),
            text(rate.minamount),
            text(rate.maxamount),
            rate.param.as_deref().into(),
        ]);
    }
    rows
}
