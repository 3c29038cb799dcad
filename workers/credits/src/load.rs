//! Reads what a decision needs, in a fixed number of statements (and one more for each step up a
//! chain of users who wait for each other).
use std::collections::{BTreeSet, HashMap};

use referral::{
    domain::{Code, Currency, Email, Micros, Money, Trace, UserHash},
    store::{
        Param, Row, Rows, StoreError, Tx, reference,
        rows::Kind::{Int, Text},
    },
};

use crate::known::{Account, Cause, Claim, Known, RegisteredCode, Terms, Total, User, Wait};

/// Longest chain of waiting users that is followed upwards in one transaction; longer ones are
/// settled step by step by the sweep.
const CHAIN_MAX: usize = 64;

/// Columns that name a user.
pub const USERS: &[(&str, referral::store::rows::Kind)] =
    &[("domain_id", Int), ("user_hash", Text)];

const ACCOUNT: &str = "a.domain_id AS domain_id, a.user_hash AS user_hash, a.code AS code, \
    a.email AS email, a.claim_indicator AS claim_indicator, a.claim_code AS claim_code, \
    a.claim_program_id AS claim_program_id, a.wait_hash AS wait_hash, a.wait_code AS wait_code, \
    a.referrer_hash AS referrer_hash, a.program_id AS program_id, \
    a.program_name AS program_name, a.credit_minor AS credit_minor, \
    a.target_minor AS target_minor, a.reward_percent_e4 AS reward_percent_e4, \
    a.currency AS currency, a.settled_us AS settled_us, a.acquired_us AS acquired_us, \
    a.source AS source, a.event_id AS event_id, a.traceparent AS traceparent, \
    a.tracestate AS tracestate, a.ctime_us AS ctime_us";

/// Rows that name these users.
pub fn users<'a>(users: impl IntoIterator<Item = &'a User>) -> Rows {
    let mut rows = Rows::new(USERS);
    for user in users {
        rows.push([user.domain_id.into(), user.hash.as_str().into()]);
    }
    rows
}

fn names(pairs: &BTreeSet<(i64, String)>) -> Rows {
    let mut rows = Rows::new(&[("domain_id", Int), ("name", Text)]);
    for (domain_id, name) in pairs {
        rows.push([Param::from(*domain_id), name.as_str().into()]);
    }
    rows
}

/// Reads the accounts of `wanted` that are not known yet, and says which were found.
pub async fn accounts(
    tx: &Tx,
    known: &mut Known,
    wanted: &BTreeSet<User>,
) -> Result<Vec<User>, StoreError> {
    let find = format!(
        "SELECT {ACCOUNT} FROM {{rows}} JOIN account a \
         ON a.domain_id = r.domain_id AND a.user_hash = r.user_hash"
    );
    let missing = wanted.iter().filter(|user| !known.accounts.contains_key(user));
    let found = tx.all(&find, Some(&users(missing)), Vec::new()).await?;
    keep(known, &found)
}

fn keep(known: &mut Known, rows: &[Row]) -> Result<Vec<User>, StoreError> {
    let mut users = Vec::with_capacity(rows.len());
    known.own_codes.reserve(rows.len());
    for row in rows {
        let account = account(row)?;
        let own_code = (account.user.domain_id, account.code.clone());
        known.own_codes.insert(own_code, account.user.hash.clone());
        users.push(account.user.clone());
        known.accounts.insert(account.user.clone(), Box::new(account));
    }
    Ok(users)
}

/// Reads the totals of these payers, as far as they have reached what is said with them.
pub async fn totals<'a>(
    tx: &Tx,
    known: &mut Known,
    payers: impl Iterator<Item = (&'a User, Money)>,
) -> Result<(), StoreError> {
    const FIND: &str = "SELECT p.domain_id AS domain_id, p.user_hash AS user_hash, \
        p.sum_minor AS sum_minor, p.max_minor AS max_minor FROM {rows} JOIN payer p \
        ON p.domain_id = r.domain_id AND p.user_hash = r.user_hash \
        WHERE p.sum_minor >= r.from_minor OR p.max_minor >= r.from_minor";
    let mut rows = Rows::new(&[("domain_id", Int), ("user_hash", Text), ("from_minor", Int)]);
    for (user, from) in payers {
        rows.push([user.domain_id.into(), user.hash.as_str().into(), from.minor().into()]);
    }
    for row in tx.all(FIND, Some(&rows), Vec::new()).await? {
        let sum = Money::from_minor(row.int("sum_minor")?);
        let largest = Money::from_minor(row.int("max_minor")?);
        known.totals.insert(user(&row)?, Total { sum, largest });
    }
    Ok(())
}

/// Reads all that claims can name: codes, the owners of their addresses, earlier indications,
/// the accounts of all of these and of those they wait for, and the domains' programmes.
pub async fn named_by(tx: &Tx, known: &mut Known, claims: &Claims) -> Result<(), StoreError> {
    codes(tx, known, &claims.codes).await?;
    let mut emails = claims.emails.clone();
    emails.extend(known.codes.iter().map(|((domain, _), code)| (*domain, code.email_key.clone())));
    hashes(tx, "account_email", &names(&emails), &mut known.email_owners).await?;
    hashes(tx, "email_indication", &names(&claims.emails), &mut known.indications).await?;

    let mut wanted = claims.users.clone();
    let named = known.email_owners.iter().chain(&known.indications);
    wanted.extend(
        named.map(|((domain_id, _), hash)| User { domain_id: *domain_id, hash: hash.clone() }),
    );
    for _ in 0..CHAIN_MAX {
        let found = accounts(tx, known, &wanted).await?;
        wanted = BTreeSet::new();
        let mut codes_above = BTreeSet::new();
        for account in found.iter().filter_map(|user| known.accounts.get(user)) {
            match &account.wait {
                Some(Wait::For(hash)) => drop(wanted.insert(account.user.neighbour(hash))),
                Some(Wait::Code(code)) => {
                    codes_above.insert((account.user.domain_id, code.as_str().to_owned()));
                }
                None => {}
            }
        }
        codes(tx, known, &codes_above).await?;
        if wanted.is_empty() {
            break;
        }
    }
    let domains: BTreeSet<i64> = known.accounts.keys().map(|user| user.domain_id).collect();
    let domains: Vec<i64> = domains.into_iter().chain(claims.domains.iter().copied()).collect();
    let mut unique = domains;
    unique.sort_unstable();
    unique.dedup();
    for programme in reference::programmes(tx, &unique).await? {
        known.programmes.entry(programme.domain_id).or_default().push(programme);
    }
    Ok(())
}

/// What has to be looked up for signups and for accounts that wait.
#[derive(Debug, Default)]
pub struct Claims {
    /// Their tenants.
    pub domains: BTreeSet<i64>,
    /// Codes they name.
    pub codes: BTreeSet<(i64, String)>,
    /// Addresses they come with, by key.
    pub emails: BTreeSet<(i64, String)>,
    /// Users they name.
    pub users: BTreeSet<User>,
}

/// Registered codes, and accounts by their own code.
async fn codes(
    tx: &Tx,
    known: &mut Known,
    wanted: &BTreeSet<(i64, String)>,
) -> Result<(), StoreError> {
    const FIND: &str = "SELECT c.domain_id AS domain_id, c.code AS code, \
        c.email_key AS email_key, c.program_id AS program_id FROM {rows} \
        JOIN code c ON c.code = r.name AND c.domain_id = r.domain_id";
    let rows = names(wanted);
    for row in tx.all(FIND, Some(&rows), Vec::new()).await? {
        let code = stored(Code::parse(&row.text("code")?), "code.code")?;
        let registered = RegisteredCode {
            email_key: row.text("email_key")?,
            program_id: row.int_or_null("program_id")?,
        };
        known.codes.insert((row.int("domain_id")?, code), registered);
    }
    let find = format!(
        "SELECT {ACCOUNT} FROM {{rows}} JOIN account a \
         ON a.code = r.name AND a.domain_id = r.domain_id"
    );
    let found = tx.all(&find, Some(&rows), Vec::new()).await?;
    keep(known, &found).map(|_| ())
}

async fn hashes(
    tx: &Tx,
    table: &str,
    emails: &Rows,
    into: &mut HashMap<(i64, String), UserHash>,
) -> Result<(), StoreError> {
    let find = format!(
        "SELECT t.domain_id AS domain_id, t.email_key AS email_key, t.user_hash AS user_hash \
         FROM {{rows}} JOIN {table} t ON t.domain_id = r.domain_id AND t.email_key = r.name"
    );
    for row in tx.all(&find, Some(emails), Vec::new()).await? {
        into.insert((row.int("domain_id")?, row.text("email_key")?), user(&row)?.hash);
    }
    Ok(())
}

/// The user that a row with `domain_id` and `user_hash` names.
pub fn user(row: &Row) -> Result<User, StoreError> {
    let hash = stored(UserHash::parse(&row.text("user_hash")?), "user_hash")?;
    Ok(User { domain_id: row.int("domain_id")?, hash })
}

fn account(row: &Row) -> Result<Account, StoreError> {
    let hash = |column| -> Result<Option<UserHash>, StoreError> {
        let text = row.text_or_null(column)?;
        text.map(|text| stored(UserHash::parse(&text), column)).transpose()
    };
    let code = |column| -> Result<Option<Code>, StoreError> {
        let text = row.text_or_null(column)?;
        text.map(|text| stored(Code::parse(&text), column)).transpose()
    };
    let email = row.text_or_null("email")?;
    let wait = match (hash("wait_hash")?, code("wait_code")?) {
        (Some(hash), _) => Some(Wait::For(hash)),
        (None, Some(code)) => Some(Wait::Code(code)),
        (None, None) => None,
    };
    Ok(Account {
        user: user(row)?,
        code: stored(Code::parse(&row.text("code")?), "account.code")?,
        email: email.map(|text| stored(Email::parse(&text), "account.email")).transpose()?,
        claim: Claim {
            indicator: hash("claim_indicator")?,
            code: code("claim_code")?,
            program_id: row.int_or_null("claim_program_id")?,
        },
        wait,
        referrer: hash("referrer_hash")?,
        terms: terms(row)?,
        settled: row.int_or_null("settled_us")?.map(Micros),
        acquired: row.int_or_null("acquired_us")?.map(Micros),
        cause: Cause { source: row.text("source")?, id: row.text("event_id")? },
        trace: Trace {
            parent: row.text_or_null("traceparent")?,
            state: row.text_or_null("tracestate")?,
        },
        created: Micros(row.int("ctime_us")?),
    })
}

fn terms(row: &Row) -> Result<Option<Terms>, StoreError> {
    let Some(program_id) = row.int_or_null("program_id")? else { return Ok(None) };
    Ok(Some(Terms {
        program_id,
        program_name: row.text("program_name")?,
        credit: Money::from_minor(row.int("credit_minor")?),
        target: Money::from_minor(row.int("target_minor")?),
        reward_percent_e4: row.int("reward_percent_e4")?,
        currency: stored(Currency::parse(&row.text("currency")?), "account.currency")?,
    }))
}

fn stored<T, E>(value: Result<T, E>, column: &str) -> Result<T, StoreError> {
    value.map_err(|_| StoreError::Broken(format!("{column} holds what was never written there")))
}
