//! The one transaction of a batch, or of a sweep: inbox, locks, knowledge, decision, writing.
//!
//! Two workers that touch the same user meet at that user's `payer` row, which everybody who may
//! change the user's account locks first, all in the same order. Behind that lock the state is
//! read afresh, so the second one decides on what the first has committed.
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use referral::{
    domain::{Currency, Data, EventKey, Micros, Money, Signup, event::Paid, money::SUM_MAX_MINOR},
    failpoint,
    store::{
        New, Param, Row, Rows, Store, StoreError, Tx,
        rows::Kind::{Int, Text},
    },
    worker::Placed,
};
use serde_json::{Map, Value};

use crate::{
    decide::Decision,
    known::{Cause, Claim, Known, Standing, Total, User},
    load::{self, Claims},
    payments::{self, Incoming},
    replies, rewards,
    signup::NewSignup,
    write,
};

/// What a transaction did.
#[derive(Debug, Default)]
pub struct Done {
    /// New events.
    pub new: usize,
    /// Deliveries that may leave.
    pub deliveries: Vec<String>,
    /// Outcomes for replies.
    pub outcomes: HashMap<EventKey, Map<String, Value>>,
}

/// Events sorted by kind and key.
struct Inbox<'a> {
    signups: BTreeMap<EventKey, (&'a Placed, &'a Signup)>,
    payments: BTreeMap<EventKey, Incoming<'a>>,
}

/// Applies `events`, and settles those of `candidates` that can be, in one transaction.
pub async fn run(
    store: &Store,
    events: &[Placed],
    candidates: &BTreeSet<User>,
    wanted: &[EventKey],
    now: Micros,
) -> Result<Done, StoreError> {
    let inbox = Inbox::of(events);
    let payers = inbox.payments.values().map(|incoming| &incoming.payer).collect();
    let standings = payments::standings(store, &payers).await?;
    let tx = store.begin().await?;
    let new_signups = tx.insert_new("signup", &inbox.signup_rows(now)).await?;
    let payment_rows = payments::rows(inbox.payments.values(), &standings, now);
    let new_payments = tx.insert_new("payment", &payment_rows).await?;
    let signups: Vec<NewSignup> = inbox.new_signups(events, &new_signups);
    let payments: Vec<&Incoming<'_>> = inbox.new_payments(events, &new_payments);

    let mut known = Known::default();
    lock(&tx, &mut known, &signups, &payments, &standings, candidates).await?;
    let users = known.locked.clone();
    load::accounts(&tx, &mut known, &users).await?;
    let currencies: HashMap<i64, Currency> =
        events.iter().map(|placed| (placed.domain.id, placed.domain.currency)).collect();
    let currencies = currencies_of(&tx, currencies, candidates).await?;
    if !signups.is_empty() || !candidates.is_empty() {
        own_emails(&tx, &known, &signups).await?;
        let claims = claims(&known, &signups, candidates);
        load::named_by(&tx, &mut known, &claims).await?;
    }
    let currency_of = |domain_id: i64| currencies.get(&domain_id).copied();
    let mut decision = Decision::new(&mut known, &currency_of, now);
    decision.admit(&signups);
    decision.settle(&candidates.iter().cloned().collect::<Vec<_>>());
    for Incoming { placed, payer, .. } in payments.iter().filter(|incoming| incoming.counts()) {
        if decision.known.accounts.contains_key(payer) {
            decision.reach(payer, Some(&cause(placed)), Some(&placed.event.trace));
        }
    }
    let deliveries = write::decision(&tx, &decision, now).await?;
    replies::store(&tx, &decision, &payments).await?;
    rewards::accrue(&tx, &decision, &payments, &standings).await?;
    let outcomes = replies::read(&tx, wanted).await?;
    failpoint::reach("credits::before-commit")?;
    tx.commit().await?;
    let new = new_signups.count(inbox.signups.len()) + new_payments.count(inbox.payments.len());
    Ok(Done { new, deliveries, outcomes })
}

fn cause(placed: &Placed) -> Cause {
    Cause { source: placed.event.source.clone(), id: placed.event.id.clone() }
}

impl<'a> Inbox<'a> {
    fn of(events: &'a [Placed]) -> Self {
        let (mut signups, mut payments) = (BTreeMap::new(), BTreeMap::new());
        for placed in events {
            let key = placed.event.key;
            match &placed.event.data {
                Data::Signup(signup) => drop(signups.insert(key, (placed, signup))),
                Data::Payment(paid) => drop(payments.insert(key, Incoming::new(placed, paid))),
                Data::Click(_) => {}
            }
        }
        Self { signups, payments }
    }

    fn signup_rows(&self, now: Micros) -> Rows {
        let mut rows = Rows::new(&[
            ("event_key", Text),
            ("source", Text),
            ("event_id", Text),
            ("domain_id", Int),
            ("user_hash", Text),
            ("time_us", Int),
            ("code", Text),
            ("user_indicator", Text),
            ("email", Text),
            ("program_id", Int),
            ("seen_us", Int),
        ]);
        for (key, (placed, signup)) in &self.signups {
            rows.push([
                key.as_str().into(),
                placed.event.source.as_str().into(),
                placed.event.id.as_str().into(),
                placed.domain.id.into(),
                signup.user_hash.as_str().into(),
                placed.event.time.0.into(),
                signup.code.as_ref().map(|code| code.as_str()).into(),
                signup.user_indicator.as_ref().map(|hash| hash.as_str()).into(),
                signup.email.as_ref().map(|email| email.spelling()).into(),
                signup.program_id.into(),
                now.0.into(),
            ]);
        }
        rows
    }

    /// The new signups, in the order they arrived in.
    fn new_signups(&self, events: &[Placed], new: &New) -> Vec<NewSignup> {
        let arrived = events.iter().filter(|placed| new.contains(&placed.event.key));
        let signups = arrived.filter_map(|placed| self.signups.get(&placed.event.key));
        let signups = signups.map(|(placed, signup)| NewSignup {
            key: placed.event.key,
            user: User { domain_id: placed.domain.id, hash: signup.user_hash.clone() },
            email: signup.email.clone(),
            claim: Claim {
                indicator: signup.user_indicator.clone(),
                code: signup.code.clone(),
                program_id: signup.program_id,
            },
            cause: cause(placed),
            trace: placed.event.trace.clone(),
        });
        signups.collect()
    }

    /// The new payments, in the order they arrived in.
    fn new_payments(&self, events: &[Placed], new: &New) -> Vec<&Incoming<'a>> {
        let arrived = events.iter().filter(|placed| new.contains(&placed.event.key));
        arrived.filter_map(|placed| self.payments.get(&placed.event.key)).collect()
    }
}

/// Locks every user who pays or whose account may change, adds what the new payments add, and reads the
/// totals of those whose account may change.
async fn lock(
    tx: &Tx,
    known: &mut Known,
    signups: &[NewSignup],
    payments: &[&Incoming<'_>],
    standings: &HashMap<User, Standing>,
    candidates: &BTreeSet<User>,
) -> Result<(), StoreError> {
    let mut added: BTreeMap<&User, Total> = BTreeMap::new();
    for incoming in payments {
        let total = added.entry(&incoming.payer).or_default();
        match incoming.payment.paid {
            _ if !incoming.counts() => {}
            Paid::Amount(amount) => {
                total.sum = Money::from_minor(total.sum.minor().saturating_add(amount.minor()));
            }
            Paid::Total(largest) => total.largest = total.largest.max(largest),
        }
    }
    let named: BTreeSet<&User> =
        signups.iter().map(|signup| &signup.user).chain(candidates).collect();
    for user in &named {
        added.entry(user).or_default();
    }
    let mut rows = Rows::new(&[
        ("domain_id", Int),
        ("user_hash", Text),
        ("sum_minor", Int),
        ("max_minor", Int),
    ]);
    for (user, total) in &added {
        let (sum, largest) = (total.sum.minor(), total.largest.minor());
        rows.push([user.domain_id.into(), user.hash.as_str().into(), sum.into(), largest.into()]);
    }
    let add = format!(
        "INSERT INTO payer (domain_id, user_hash, sum_minor, max_minor) \
         SELECT domain_id, user_hash, sum_minor, max_minor FROM {{rows}} WHERE true \
         {{conflict domain_id, user_hash}} \
         sum_minor = {{least}}({{old payer.sum_minor}} + {{new sum_minor}}, {SUM_MAX_MINOR}), \
         max_minor = {{greatest}}({{old payer.max_minor}}, {{new max_minor}})"
    );
    tx.run(&add, Some(&rows), Vec::new()).await?;
    let changes_from = |user: &User| match standings.get(user) {
        Some(standing) if !named.contains(user) => standing.changes_from(),
        _ => Some(Money::ZERO),
    };
    let open = added.into_keys().filter_map(|user| Some((user, changes_from(user)?)));
    load::totals(tx, known, open).await?;
    known.locked = known.totals.keys().cloned().collect();
    Ok(())
}

/// Claims the addresses that new users came with: the first keeps them.
async fn own_emails(tx: &Tx, known: &Known, signups: &[NewSignup]) -> Result<(), StoreError> {
    const CLAIM: &str = "INSERT INTO account_email (domain_id, email_key, user_hash) \
        SELECT domain_id, email_key, user_hash FROM {rows} WHERE true \
        {conflict domain_id, email_key} email_key = {old account_email.email_key}";
    let (mut first, mut admitted) = (BTreeMap::new(), HashSet::new());
    for signup in signups.iter().filter(|signup| !known.accounts.contains_key(&signup.user)) {
        if let (true, Some(email)) = (admitted.insert(&signup.user), &signup.email) {
            let key = (signup.user.domain_id, email.key());
            first.entry(key).or_insert(signup.user.hash.as_str());
        }
    }
    let mut rows = Rows::new(&[("domain_id", Int), ("email_key", Text), ("user_hash", Text)]);
    for ((domain_id, email_key), hash) in first {
        rows.push([domain_id.into(), email_key.into(), hash.into()]);
    }
    tx.run(CLAIM, Some(&rows), Vec::new()).await?;
    Ok(())
}

fn claims(known: &Known, signups: &[NewSignup], candidates: &BTreeSet<User>) -> Claims {
    let mut claims = Claims::default();
    for NewSignup { user, email, claim, .. } in signups {
        claims.domains.insert(user.domain_id);
        claims.users.extend(claim.indicator.iter().map(|hash| user.neighbour(hash)));
        claims.codes.extend(claim.code.iter().map(|code| (user.domain_id, code.to_string())));
        claims.emails.extend(email.iter().map(|email| (user.domain_id, email.key().to_owned())));
    }
    for account in candidates.iter().filter_map(|user| known.accounts.get(user)) {
        match &account.wait {
            Some(crate::known::Wait::For(hash)) => {
                claims.users.insert(account.user.neighbour(hash));
            }
            Some(crate::known::Wait::Code(code)) => {
                claims.codes.insert((account.user.domain_id, code.to_string()));
            }
            None => {}
        }
    }
    claims
}

/// The currencies of the domains of candidates too.
async fn currencies_of(
    tx: &Tx,
    mut known: HashMap<i64, Currency>,
    candidates: &BTreeSet<User>,
) -> Result<HashMap<i64, Currency>, StoreError> {
    const FIND: &str = "SELECT d.id AS id, d.currency AS currency FROM {rows} \
        JOIN domain d ON d.id = r.id";
    let missing: BTreeSet<i64> = candidates
        .iter()
        .map(|user| user.domain_id)
        .filter(|domain_id| !known.contains_key(domain_id))
        .collect();
    let mut rows = Rows::new(&[("id", Int)]);
    for id in missing {
        rows.push([Param::from(id)]);
    }
    let found: Vec<Row> = tx.all(FIND, Some(&rows), Vec::new()).await?;
    for row in found {
        let currency = Currency::parse(&row.text("currency")?)
            .map_err(|_| StoreError::Broken("domain.currency is none".to_owned()))?;
        known.insert(row.int("id")?, currency);
    }
    Ok(known)
}
