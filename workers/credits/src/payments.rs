//! Payments on their way into a decision, and what is fixed for ever about those who pay.
//!
//! Most payments are of users who were settled long ago. Their terms never change again, so they are
//! read before the transaction, without a lock, and the payment's row is written once, with all that
//! follows from it. Whose account may still change is read anew behind its lock.
use std::collections::{BTreeSet, HashMap};

use referral::{
    domain::{Currency, EventKey, Micros, Money, Payment, event::Paid},
    store::{
        Rows, Store, StoreError,
        rows::Kind::{Int, Text},
    },
    worker::Placed,
};

use crate::{
    known::{Standing, User},
    load,
};

/// A payment.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The event.
    pub placed: &'a Placed,
    /// What it says.
    pub payment: &'a Payment,
    /// Who paid.
    pub payer: User,
}

impl<'a> Incoming<'a> {
    /// A payment of the event's domain.
    pub fn new(placed: &'a Placed, payment: &'a Payment) -> Self {
        let payer = User { domain_id: placed.domain.id, hash: payment.user_hash.clone() };
        Self { placed, payment, payer }
    }

    /// Names it.
    pub const fn key(&self) -> &EventKey {
        &self.placed.event.key
    }

    fn currency(&self) -> Currency {
        self.payment.currency.unwrap_or(self.placed.domain.currency)
    }

    /// Whether it counts towards totals and rewards (contract 1).
    pub fn counts(&self) -> bool {
        self.payment.success && self.currency() == self.placed.domain.currency
    }

    /// The share of it that the payer's referrer gets.
    pub fn reward(&self, payer: &Standing) -> Option<Money> {
        match self.payment.paid {
            Paid::Amount(amount) if self.counts() => payer.reward(amount),
            _ => None,
        }
    }
}

/// Of the settled users among these. A user is never unsettled; that somebody was credited for them is
/// undone only where it was wrong (`rebuild`).
pub async fn standings(
    store: &Store,
    payers: &BTreeSet<&User>,
) -> Result<HashMap<User, Standing>, StoreError> {
    const FIND: &str = "SELECT a.domain_id AS domain_id, a.user_hash AS user_hash, \
        CASE WHEN a.referrer_hash IS NULL THEN NULL ELSE a.program_id END AS program_id, \
        a.target_minor AS target_minor, a.reward_percent_e4 AS reward_percent_e4, \
        a.acquired_us AS acquired_us FROM {rows} JOIN account a \
        ON a.domain_id = r.domain_id AND a.user_hash = r.user_hash \
        WHERE a.settled_us IS NOT NULL";
    let rows = load::users(payers.iter().copied());
    let mut standings = HashMap::with_capacity(payers.len());
    for row in store.all(FIND, Some(&rows), Vec::new()).await? {
        let standing = Standing {
            referred: row.int_or_null("program_id")?.is_some(),
            acquired: row.int_or_null("acquired_us")?.is_some(),
            target: Money::from_minor(row.int_or_null("target_minor")?.unwrap_or_default()),
            reward_percent_e4: row.int_or_null("reward_percent_e4")?.unwrap_or_default(),
        };
        standings.insert(load::user(&row)?, standing);
    }
    Ok(standings)
}

/// The rows of these payments, with what is fixed already.
pub fn rows<'a>(
    payments: impl Iterator<Item = &'a Incoming<'a>>,
    standings: &HashMap<User, Standing>,
    now: Micros,
) -> Rows {
    let mut rows = Rows::new(&[
        ("event_key", Text),
        ("source", Text),
        ("event_id", Text),
        ("domain_id", Int),
        ("user_hash", Text),
        ("currency", Text),
        ("time_us", Int),
        ("amount_minor", Int),
        ("total_minor", Int),
        ("counted", Int),
        ("exchange", Text),
        ("reward_minor", Int),
        ("acquired_minor", Int),
        ("seen_us", Int),
    ]);
    for incoming in payments {
        let Incoming { placed, payment, payer } = incoming;
        let (amount, total) = match payment.paid {
            Paid::Amount(amount) => (Some(amount.minor()), None),
            Paid::Total(total) => (None, Some(total.minor())),
        };
        let standing = standings.get(payer);
        let reward = standing.and_then(|standing| incoming.reward(standing));
        rows.push([
            placed.event.key.as_str().into(),
            placed.event.source.as_str().into(),
            placed.event.id.as_str().into(),
            placed.domain.id.into(),
            payer.hash.as_str().into(),
            incoming.currency().as_str().into(),
            placed.event.time.0.into(),
            amount.into(),
            total.into(),
            incoming.counts().into(),
            payment.exchange.as_deref().into(),
            reward.map(Money::minor).into(),
            standing.and_then(Standing::acquired).map(Money::minor).into(),
            now.0.into(),
        ]);
    }
    rows
}
