//! Users with their terms and their ledger as the ingress shows them (contract 5). Read only: the
//! credits worker writes them.
use std::collections::BTreeMap;

use super::{Row, Store, StoreError};
use crate::domain::{Micros, Money};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The upstream system's name for them.
    pub user_hash: String,
    /// Their own referral code.
    pub code: String,
    /// The key of the e-mail their signup came with.
    pub email_key: Option<String>,
    /// The referrer that the signup named.
    pub claim_indicator: Option<String>,
    /// The code that the signup named.
    pub claim_code: Option<String>,
    /// The programme that the signup named.
    pub claim_program_id: Option<i64>,
    /// Their referrer, once settled.
    pub referrer_hash: Option<String>,
    /// The terms they registered under, once settled.
    pub terms: Option<AccountTerms>,
    /// When their payments reached the target.
    pub acquired: Option<Micros>,
    /// The id of the event they registered with.
    pub event_id: String,
}

/// Terms that a user registered under; later changes of the programme do not touch them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTerms {
    /// The programme.
    pub program_id: i64,
    /// Its name then.
    pub name: String,
    /// The signup credit.
    pub credit: Money,
    /// The target.
    pub target: Money,
    /// Share of payments, in ten-thousandths of a percent.
    pub reward_percent_e4: i64,
    /// ISO 4217.
    pub currency: String,
}

/// The user with this hash.
pub async fn account(
    store: &Store,
    domain_id: i64,
    user_hash: &str,
) -> Result<Option<Account>, StoreError> {
    const FIND: &str = "SELECT user_hash, code, email_key, claim_indicator, claim_code, \
        claim_program_id, referrer_hash, program_id, program_name, credit_minor, target_minor, \
        reward_percent_e4, currency, acquired_us, event_id \
        FROM account WHERE domain_id = {?} AND user_hash = {?}";
    let row = store.one(FIND, vec![domain_id.into(), user_hash.into()]).await?;
    row.as_ref().map(read_account).transpose()
}

fn read_account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        user_hash: row.text("user_hash")?,
        code: row.text("code")?,
        email_key: row.text_or_null("email_key")?,
        claim_indicator: row.text_or_null("claim_indicator")?,
        claim_code: row.text_or_null("claim_code")?,
        claim_program_id: row.int_or_null("claim_program_id")?,
        referrer_hash: row.text_or_null("referrer_hash")?,
        terms: read_terms(row)?,
        acquired: row.int_or_null("acquired_us")?.map(Micros),
        event_id: row.text("event_id")?,
    })
}

fn read_terms(row: &Row) -> Result<Option<AccountTerms>, StoreError> {
    let Some(program_id) = row.int_or_null("program_id")? else { return Ok(None) };
    Ok(Some(AccountTerms {
        program_id,
        name: row.text_or_null("program_name")?.unwrap_or_default(),
        credit: Money::from_minor(row.int_or_null("credit_minor")?.unwrap_or_default()),
        target: Money::from_minor(row.int_or_null("target_minor")?.unwrap_or_default()),
        reward_percent_e4: row.int_or_null("reward_percent_e4")?.unwrap_or_default(),
        currency: row.text_or_null("currency")?.unwrap_or_default(),
    }))
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// UUID.
    pub id: String,
    /// `signup_credit`, `potential_credit` or `acquired_credit`.
    pub kind: String,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
    /// When it was granted.
    pub time: Micros,
    /// Through whom.
    pub referred_user_hash: String,
    /// (source, id) of the events that caused it: the signup, then the payment.
    pub causes: Vec<(String, String)>,
}

/// A user's entries, oldest first.
pub async fn entries(
    store: &Store,
    domain_id: i64,
    user_hash: &str,
) -> Result<Vec<Entry>, StoreError> {
    const FIND: &str = "SELECT id, kind, amount_minor, currency, time_us, referred_user_hash, \
        signup_source, signup_event_id, payment_source, payment_event_id \
        FROM entry WHERE domain_id = {?} AND user_hash = {?} ORDER BY time_us, id";
    let rows = store.all(FIND, None, vec![domain_id.into(), user_hash.into()]).await?;
    rows.iter().map(read_entry).collect()
}

fn read_entry(row: &Row) -> Result<Entry, StoreError> {
    let mut causes = vec![(row.text("signup_source")?, row.text("signup_event_id")?)];
    if let (Some(source), Some(id)) =
        (row.text_or_null("payment_source")?, row.text_or_null("payment_event_id")?)
    {
        causes.push((source, id));
    }
    Ok(Entry {
        id: row.text("id")?,
        kind: row.text("kind")?,
        amount: Money::from_minor(row.int("amount_minor")?),
        currency: row.text("currency")?,
        time: Micros(row.int("time_us")?),
        referred_user_hash: row.text("referred_user_hash")?,
        causes,
    })
}

/// What the payments of those whom this user referred have accrued (contract 4).
pub async fn reward(store: &Store, domain_id: i64, user_hash: &str) -> Result<Money, StoreError> {
    const SUM: &str = "SELECT {as int COALESCE(SUM(p.reward_minor), 0)} AS reward \
        FROM account a JOIN payment p ON p.domain_id = a.domain_id AND p.user_hash = a.user_hash \
        WHERE a.domain_id = {?} AND a.referrer_hash = {?}";
    let row = store.one(SUM, vec![domain_id.into(), user_hash.into()]).await?;
    Ok(Money::from_minor(row.map_or(Ok(0), |row| row.int("reward"))?))
}

/// How many users name this one as their referrer.
pub async fn referred(store: &Store, domain_id: i64, user_hash: &str) -> Result<i64, StoreError> {
    const COUNT: &str =
        "SELECT COUNT(*) AS n FROM account WHERE domain_id = {?} AND referrer_hash = {?}";
    let row = store.one(COUNT, vec![domain_id.into(), user_hash.into()]).await?;
    row.map_or(Ok(0), |row| row.int("n"))
}

/// A user's credits, by currency.
pub async fn sums(
    store: &Store,
    domain_id: i64,
    user_hash: &str,
) -> Result<BTreeMap<String, Sums>, StoreError> {
    const SUM: &str = "SELECT currency, kind, {as int SUM(amount_minor)} AS minor FROM entry \
        WHERE domain_id = {?} AND user_hash = {?} GROUP BY currency, kind";
    let mut totals = Vec::new();
    for row in store.all(SUM, None, vec![domain_id.into(), user_hash.into()]).await? {
        let amount = Money::from_minor(row.int("minor")?);
        totals.push((row.text("currency")?, row.text("kind")?, amount));
    }
    Ok(Sums::of(totals.iter().map(|(currency, kind, amount)| (&**currency, &**kind, *amount))))
}

/// A user's credits in one currency. What is acquired has left the potential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// What referred users may still earn.
    pub potential: Money,
    /// What referred users have earned.
    pub acquired: Money,
    /// What the user got for registering.
    pub signup: Money,
}

impl Sums {
    /// Of entries, or of sums of such: each with its currency, kind and amount.
    pub fn of<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str, Money)>,
    ) -> BTreeMap<String, Self> {
        let mut all: BTreeMap<String, Self> = BTreeMap::new();
        let plus = |sum: &mut Money, minor: i64| {
            *sum = Money::from_minor(sum.minor().saturating_add(minor));
        };
        for (currency, kind, amount) in entries {
            let sums = all.entry(currency.to_owned()).or_default();
            match kind {
                "signup_credit" => plus(&mut sums.signup, amount.minor()),
                "potential_credit" => plus(&mut sums.potential, amount.minor()),
                "acquired_credit" => {
                    plus(&mut sums.acquired, amount.minor());
                    plus(&mut sums.potential, -amount.minor());
                }
                _ => {}
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acquired_has_left_the_potential() {
        let entries = [
            ("USD", "signup_credit", 1000),
            ("USD", "potential_credit", 2500),
            ("USD", "potential_credit", 2500),
            ("USD", "acquired_credit", 2500),
            ("EUR", "potential_credit", 700),
        ];
        let entries = entries.map(|(currency, kind, n)| (currency, kind, Money::from_minor(n)));
        let [potential, acquired, signup] = [2500, 2500, 1000].map(Money::from_minor);
        let of_euros = Sums { potential: Money::from_minor(700), ..Sums::default() };
        let expected = [("EUR", of_euros), ("USD", Sums { potential, acquired, signup })];
        assert_eq!(Sums::of(entries), expected.map(|(name, sums)| (name.to_owned(), sums)).into());
        assert_eq!(Sums::of([]), BTreeMap::new());
    }
}
