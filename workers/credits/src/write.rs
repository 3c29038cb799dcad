//! What a decision writes: accounts, entries, deliveries, outcomes.
use referral::{
    domain::{Email, Micros, Money},
    store::{
        Param, Rows, StoreError, Tx,
        rows::Kind::{Int, Text},
    },
};
use uuid::{ContextV7, Uuid};

use crate::{
    decide::Decision,
    known::{Account, Terms, User, Wait},
    ledger::{Entry, Kind},
};

/// Writes accounts, entries and deliveries; the ids of the deliveries.
pub async fn decision(
    tx: &Tx,
    decision: &Decision<'_>,
    now: Micros,
) -> Result<Vec<String>, StoreError> {
    let account = |user: &User| decision.known.accounts.get(user).map(|account| &**account);
    let created = decision.created.iter().filter_map(account);
    tx.insert("account", &new_accounts(created)).await?;
    let settled = decision.changed.difference(&decision.created);
    tx.update("account", 2, &changed_accounts(settled.filter_map(account))).await?;
    let (entries, deliveries, ids) = ledger(&decision.entries, now);
    tx.insert("entry", &entries).await?;
    tx.insert("delivery", &deliveries).await?;
    Ok(ids)
}

fn minor(money: Option<Money>) -> Param<'static> {
    money.map(Money::minor).into()
}

fn new_accounts<'a>(accounts: impl Iterator<Item = &'a Account>) -> Rows {
    let mut rows = Rows::new(&[
        ("domain_id", Int),
        ("user_hash", Text),
        ("code", Text),
        ("email", Text),
        ("email_key", Text),
        ("claim_indicator", Text),
        ("claim_code", Text),
        ("claim_program_id", Int),
        ("source", Text),
        ("event_id", Text),
        ("traceparent", Text),
        ("tracestate", Text),
        ("ctime_us", Int),
        ("wait_hash", Text),
        ("wait_code", Text),
        ("referrer_hash", Text),
        ("program_id", Int),
        ("program_name", Text),
        ("credit_minor", Int),
        ("target_minor", Int),
        ("reward_percent_e4", Int),
        ("currency", Text),
        ("settled_us", Int),
        ("acquired_us", Int),
    ]);
    for account in accounts {
        let claim = &account.claim;
        let signup = [
            account.user.domain_id.into(),
            account.user.hash.as_str().into(),
            account.code.as_str().into(),
            account.email.as_ref().map(Email::spelling).into(),
            account.email.as_ref().map(Email::key).into(),
            claim.indicator.as_ref().map(|hash| hash.as_str()).into(),
            claim.code.as_ref().map(|code| code.as_str()).into(),
            claim.program_id.into(),
            account.cause.source.as_str().into(),
            account.cause.id.as_str().into(),
            account.trace.parent.as_deref().into(),
            account.trace.state.as_deref().into(),
            account.created.0.into(),
        ];
        rows.extend(signup.into_iter().chain(state(account)));
    }
    rows
}

fn changed_accounts<'a>(accounts: impl Iterator<Item = &'a Account>) -> Rows {
    let mut rows = Rows::new(&[
        ("domain_id", Int),
        ("user_hash", Text),
        ("wait_hash", Text),
        ("wait_code", Text),
        ("referrer_hash", Text),
        ("program_id", Int),
        ("program_name", Text),
        ("credit_minor", Int),
        ("target_minor", Int),
        ("reward_percent_e4", Int),
        ("currency", Text),
        ("settled_us", Int),
        ("acquired_us", Int),
    ]);
    for account in accounts {
        let user = [account.user.domain_id.into(), account.user.hash.as_str().into()];
        rows.extend(user.into_iter().chain(state(account)));
    }
    rows
}

/// What changes about an account: the columns from `wait_hash` on.
fn state(account: &Account) -> [Param<'_>; 11] {
    let (wait_hash, wait_code) = match &account.wait {
        Some(Wait::For(hash)) => (Some(hash.as_str()), None),
        Some(Wait::Code(code)) => (None, Some(code.as_str())),
        None => (None, None),
    };
    let terms = account.terms.as_ref();
    [
        wait_hash.into(),
        wait_code.into(),
        account.referrer.as_ref().map(|hash| hash.as_str()).into(),
        terms.map(|terms| terms.program_id).into(),
        terms.map(|terms| terms.program_name.as_str()).into(),
        minor(terms.map(|terms| terms.credit)),
        minor(terms.map(|terms| terms.target)),
        terms.map(|terms| terms.reward_percent_e4).into(),
        terms.map(|terms| terms.currency.as_str()).into(),
        account.settled.map(|time| time.0).into(),
        account.acquired.map(|time| time.0).into(),
    ]
}

/// Entries, and for those that billing is called for, deliveries.
fn ledger(granted: &[Entry], now: Micros) -> (Rows, Rows, Vec<String>) {
    let mut entries = Rows::new(&[
        ("id", Text),
        ("domain_id", Int),
        ("user_hash", Text),
        ("kind", Text),
        ("amount_minor", Int),
        ("currency", Text),
        ("program_id", Int),
        ("referred_user_hash", Text),
        ("signup_source", Text),
        ("signup_event_id", Text),
        ("payment_source", Text),
        ("payment_event_id", Text),
        ("time_us", Int),
    ]);
    let mut deliveries = Rows::new(&[
        ("id", Text),
        ("entry_id", Text),
        ("domain_id", Int),
        ("user_hash", Text),
        ("kind", Text),
        ("amount_minor", Int),
        ("currency", Text),
        ("program_id", Int),
        ("program_name", Text),
        ("user_indicator_hash", Text),
        ("referred_user_hash", Text),
        ("traceparent", Text),
        ("tracestate", Text),
        ("created_us", Int),
        ("state", Text),
        ("attempts", Int),
        ("next_attempt_us", Int),
        ("lease_until_us", Int),
    ]);
    let mut ids = Vec::new();
    let counter = ContextV7::new();
    for entry in granted {
        let entry_id = id(now, &counter);
        let Terms { program_id, program_name, currency, .. } = &entry.terms;
        entries.push([
            entry_id.as_str().into(),
            entry.user.domain_id.into(),
            entry.user.hash.as_str().into(),
            entry.kind.as_str().into(),
            entry.amount.minor().into(),
            currency.as_str().into(),
            (*program_id).into(),
            entry.referred.as_str().into(),
            entry.signup.source.as_str().into(),
            entry.signup.id.as_str().into(),
            entry.payment.as_ref().map(|cause| cause.source.as_str()).into(),
            entry.payment.as_ref().map(|cause| cause.id.as_str()).into(),
            now.0.into(),
        ]);
        if entry.kind == Kind::Potential {
            continue;
        }
        let delivery_id = id(now, &counter);
        deliveries.push([
            delivery_id.as_str().into(),
            entry_id.into(),
            entry.user.domain_id.into(),
            entry.user.hash.as_str().into(),
            entry.kind.as_str().into(),
            entry.amount.minor().into(),
            currency.as_str().into(),
            (*program_id).into(),
            program_name.as_str().into(),
            entry.referrer.as_str().into(),
            entry.referred.as_str().into(),
            entry.trace.parent.as_deref().into(),
            entry.trace.state.as_deref().into(),
            now.0.into(),
            "pending".into(),
            0i64.into(),
            now.0.into(),
            0i64.into(),
        ]);
        ids.push(delivery_id);
    }
    (entries, deliveries, ids)
}

/// A UUIDv7: rows that are made together lie together in the index.
fn id(now: Micros, counter: &ContextV7) -> String {
    Uuid::new_v7(now.timestamp(counter)).to_string()
}
