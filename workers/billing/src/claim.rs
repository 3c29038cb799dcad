//! A delivery as it is claimed: the row of `delivery` that [`referral::outbox`] moves for this
//! worker.
//!
//! Owns the names of its tables and what is read of a row. Refuses to know how it is claimed.
use referral::{
    broker::hints,
    domain::Micros,
    outbox::{Item, Outbox},
    store::{Row, StoreError},
    webhook::Credit,
};

use crate::breaker::Probe;

/// A delivery that was claimed.
#[derive(Debug)]
pub struct Delivery {
    /// What billing is told.
    pub credit: Credit,
    /// Attempts before this one.
    pub attempts: i64,
    /// When the first attempt was claimed; none: this is it.
    pub first_attempt_us: Option<i64>,
    /// Open circuits, to whatever destinations, as the claim saw it.
    pub circuits_open: i64,
    /// Where its attempt is a probe of one.
    pub probe: Option<Probe>,
}

impl Delivery {
    /// The column of `user_hash`.
    pub const USER: &'static str = "user_hash";
}

/// The deliveries and their attempts.
pub const OUTBOX: Outbox = Outbox {
    hints: hints::DELIVERIES,
    table: "delivery",
    columns: "user_hash, kind, amount_minor, currency, program_id, program_name, \
        user_indicator_hash, referred_user_hash, traceparent, tracestate, created_us, \
        (SELECT COUNT(*) FROM circuit) AS circuits_open",
    attempts: "attempt",
    attempt_of: "delivery_id",
    hints_wait: false,
};

impl Item for Delivery {
    const OUTBOX: &'static Outbox = &OUTBOX;

    fn read(row: &Row) -> Result<Self, StoreError> {
        let credit = Credit {
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
        };
        Ok(Self {
            credit,
            attempts: row.int("attempts")?,
            first_attempt_us: row.int_or_null("first_attempt_us")?,
            circuits_open: row.int("circuits_open")?,
            probe: None,
        })
    }

    fn id(&self) -> &str {
        &self.credit.id
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
    use referral::domain::UserHash;

    use super::*;

    /// A delivery that was never attempted.
    pub(crate) fn delivery(id: &str) -> Delivery {
        let user = UserHash::parse("alice").unwrap();
        let credit = Credit::made_up(id, &user, Micros(0));
        Delivery { credit, attempts: 0, first_attempt_us: None, circuits_open: 0, probe: None }
    }
}
