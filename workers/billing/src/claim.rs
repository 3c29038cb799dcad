//! A delivery as it is claimed: the row of `delivery` that [`referral::outbox`] moves for this
//! worker.
//!
//! Owns the names of its tables and what is read of a row. Refuses to know how it is claimed.
use referral::{
    broker::hints,
    domain::Micros,
    outbox::{Item, Outbox},
    store::{Row, StoreError},
};

use crate::points;

/// A delivery that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `webhook-id`.
    pub id: String,
    /// Who is credited.
    pub user_hash: String,
    /// `signup_credit` or `acquired_credit`.
    pub kind: String,
    /// In minor units.
    pub amount_minor: i64,
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
    /// W3C trace context of the event that it goes back to.
    pub traceparent: Option<String>,
    /// The rest of it.
    pub tracestate: Option<String>,
    /// When the credit was granted.
    pub created_us: i64,
    /// Attempts before this one.
    pub attempts: i64,
    /// When the first attempt was claimed; none: this is it.
    pub first_attempt_us: Option<i64>,
}

/// The deliveries and their attempts.
pub const OUTBOX: Outbox = Outbox {
    hints: hints::DELIVERIES,
    table: "delivery",
    columns: "user_hash, kind, amount_minor, currency, program_id, program_name, \
        user_indicator_hash, referred_user_hash, traceparent, tracestate, created_us",
    attempts: "attempt",
    attempt_of: "delivery_id",
    hints_wait: false,
    after_claim: points::after_claim,
    before_outcome_commit: points::before_outcome_commit,
};

impl Item for Delivery {
    const OUTBOX: &'static Outbox = &OUTBOX;

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            user_hash: row.text("user_hash")?,
            kind: row.text("kind")?,
            amount_minor: row.int("amount_minor")?,
            currency: row.text("currency")?,
            program_id: row.int("program_id")?,
            program_name: row.text("program_name")?,
            user_indicator_hash: row.text("user_indicator_hash")?,
            referred_user_hash: row.text("referred_user_hash")?,
            traceparent: row.text_or_null("traceparent")?,
            tracestate: row.text_or_null("tracestate")?,
            created_us: row.int("created_us")?,
            attempts: row.int("attempts")?,
            first_attempt_us: row.int_or_null("first_attempt_us")?,
        })
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn attempts(&self) -> i64 {
        self.attempts
    }

    fn first_attempt(&self) -> Option<Micros> {
        self.first_attempt_us.map(Micros)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A delivery as the credits worker makes them.
    pub(crate) fn delivery(id: &str) -> Delivery {
        Delivery {
            id: id.to_owned(),
            user_hash: "alice".to_owned(),
            kind: "signup_credit".to_owned(),
            amount_minor: 1000,
            currency: "USD".to_owned(),
            program_id: 1,
            program_name: "Default".to_owned(),
            user_indicator_hash: "bob".to_owned(),
            referred_user_hash: "alice".to_owned(),
            traceparent: None,
            tracestate: None,
            created_us: Micros::parse("2026-11-22T01:02:03.000004Z").unwrap().0,
            attempts: 0,
            first_attempt_us: None,
        }
    }
}
